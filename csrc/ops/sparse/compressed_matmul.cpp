// Matrix products with compressed tensors.
#include <ATen/ExpandUtils.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/_sparse_sparse_matmul.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/zeros.h>

#include "ops/registration.h"
#include "ops/sparse/compressed.h"
#include "runtime/sparse_parts.h"

namespace torch_metal {
namespace {

using at::Layout;
using at::Scalar;
using at::Tensor;

bool is_dense(const Tensor& t) { return t.layout() == at::kStrided; }
bool has_scalar_entries(const Tensor& t) { return t.layout() == at::kSparseCsr || t.layout() == at::kSparseCsc; }

bool is_empty(const Tensor& t) { return is_dense(t) ? t.numel() == 0 : t._nnz() == 0; }

/// A CSR, CSC or BSR matrix, or a batch of CSR matrices.
CompressedRows rows_of(const Tensor& given) {
  const Tensor matrix = given.layout() == at::kSparseCsc ? given.to_sparse_csr() : given;
  const auto batched = [&](const Tensor& t) { return matrix.dim() == 3 ? t : t.unsqueeze(0); };
  return {batched(matrix.crow_indices()), batched(matrix.col_indices()), batched(matrix.values())};
}

void check_dtype(const Tensor& result, std::initializer_list<std::reference_wrapper<const Tensor>> operands) {
  const auto dtype = result.scalar_type();
  for (const Tensor& t : operands) {
    TORCH_CHECK(t.scalar_type() == dtype, "addmm: expected all matrices to have one dtype, but got ", t.scalar_type(),
                " and ", dtype);
    TORCH_CHECK(t.device() == result.device(), "Expected all tensors to be on the same device, but addmm got ",
                t.device(), " and ", result.device());
  }
}

void check_implemented(const Tensor& result) {
  TORCH_CHECK_NOT_IMPLEMENTED(!at::isIntegralType(result.scalar_type(), true),
                              "\"addmm_out_sparse_csr\" not implemented for '", result.scalar_type(), "'");
}

/// beta * self, where the product has no entry.
Tensor& scale_into(const Tensor& self, const Scalar& beta, Tensor& result) {
  if (beta.equal(0)) return result.zero_();
  return at::mul_out(result, self, at::scalar_tensor(beta, result.options()));
}

/// The parts of `out` that the kernel reads while it writes are copied first.
void multiply(const Tensor& out, const CompressedRows& a, const Tensor& dense, const Tensor& self, const Scalar& beta,
              const Scalar& alpha) {
  const auto batched = [](const Tensor& t) { return t.dim() == 3 ? t : t.unsqueeze(0); };
  const bool self_is_out = self.data_ptr() == out.data_ptr() && self.strides() == out.strides();
  const Tensor addend = self.is_alias_of(out) && !self_is_out ? self.clone() : self;
  multiply_rows_into(batched(out), a, batched(dense.is_alias_of(out) ? dense.clone() : dense), batched(addend), beta,
                     alpha);
}

/// result = beta * self + alpha * product, as COO and then in the result's own layout.
void add_product(const Tensor& self, const Tensor& product, const Scalar& beta, const Scalar& alpha, Tensor& result) {
  if (is_dense(result)) {
    Tensor sum = beta.equal(0) ? at::zeros(result.sizes(), result.options()) : self.mul(beta);
    result.copy_(sum.add_(product, alpha));
    return;
  }
  const Tensor scaled = alpha.equal(1) ? product : product.mul(alpha);
  const Tensor sum = beta.equal(0) ? scaled : at::add(scaled, self.to_sparse(), beta).coalesce();
  const Tensor csr = sum.to_sparse_csr();
  replace_parts(result, csr, sparse_parts(csr));
}

Tensor& addmm_out(const Tensor& self, const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha,
                  Tensor& result) {
  TORCH_CHECK(a.dim() == 2, "mat1 must be a matrix, got ", a.dim(), "-D tensor");
  TORCH_CHECK(b.dim() == 2, "mat2 must be a matrix, got ", b.dim(), "-D tensor");
  TORCH_CHECK(a.size(1) == b.size(0), "mat1 and mat2 shapes cannot be multiplied (", a.size(0), "x", a.size(1), " and ",
              b.size(0), "x", b.size(1), ")");
  check_dtype(result, {self, a, b});
  const int64_t sizes[] = {a.size(0), b.size(1)};
  const bool sparse_result = result.layout() == at::kSparseCsr && self.layout() == at::kSparseCsr;
  const bool dense_result = is_dense(result) && is_dense(self);
  const Tensor addend = is_dense(self) ? *at::expand_size(self, sizes, "addmm_out") : self;
  TORCH_CHECK(addend.sizes() == at::IntArrayRef(sizes), "The expanded size of the tensor (", addend.sizes(),
              ") must match that of the product (", sizes[0], ", ", sizes[1], ")");
  if (dense_result) at::native::resize_output(result, sizes);
  if (dense_result && (is_empty(a) || is_empty(b))) return scale_into(addend, beta, result);
  const bool from_left = dense_result && is_dense(b) && (has_scalar_entries(a) || a.layout() == at::kSparseBsr);
  const bool from_right = dense_result && is_dense(a) && (has_scalar_entries(b) || b.layout() == at::kSparseBsc);
  const bool both = (dense_result || sparse_result) && has_scalar_entries(a) && has_scalar_entries(b);
  TORCH_CHECK(from_left || from_right || both, "addmm: computation on metal is not implemented for ", result.layout(),
              " + ", a.layout(), " @ ", b.layout());
  const bool empty = is_empty(a) || is_empty(b);
  if (!empty) check_implemented(result);
  if (from_left) {
    multiply(result, rows_of(a), b, addend, beta, alpha);
  } else if (from_right) {
    multiply(result.t(), rows_of(b.transpose(0, 1)), a.t(), addend.t(), beta, alpha);
  } else {
    const Tensor product = empty ? at::zeros(sizes, a.options().layout(at::kSparse))
                                 : at::_sparse_sparse_matmul(a.to_sparse(), b.to_sparse());
    add_product(addend, product, beta, alpha, result);
  }
  return result;
}

Tensor& addmv_out(const Tensor& self, const Tensor& matrix, const Tensor& vector, const Scalar& beta,
                  const Scalar& alpha, Tensor& result) {
  TORCH_CHECK(matrix.dim() == 2 && vector.dim() == 1 && self.dim() <= 1,
              "vector + matrix @ vector expected, got ", self.dim(), ", ", matrix.dim(), ", ", vector.dim());
  TORCH_CHECK(matrix.size(1) == vector.size(0), "size mismatch, got input (", matrix.size(0), "x", matrix.size(1),
              "), vec (", vector.size(0), ")");
  TORCH_CHECK(matrix.layout() != at::kSparseBsc, "addmv: computation on metal is not implemented for ",
              matrix.layout());
  check_dtype(result, {self, matrix, vector});
  const Tensor addend = *at::expand_size(self, {matrix.size(0)}, "addmv_out");
  at::native::resize_output(result, {matrix.size(0)});
  if (is_empty(matrix)) return scale_into(addend, beta, result);
  check_implemented(result);
  multiply(result.unsqueeze(1), rows_of(matrix), vector.unsqueeze(1), addend.unsqueeze(1), beta, alpha);
  return result;
}

Tensor& baddbmm_out(const Tensor& self, const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha,
                    Tensor& result) {
  TORCH_CHECK(a.layout() == at::kSparseCsr && is_dense(b) && is_dense(self) && is_dense(result),
              "baddbmm: computation on metal is not implemented for ", result.layout(), " + ", a.layout(), " @ ",
              b.layout());
  TORCH_CHECK(a.dim() == 3 && b.dim() == 3 && a.size(0) == b.size(0) && a.size(2) == b.size(1),
              "baddbmm: cannot multiply batches of matrices ", a.sizes(), " and ", b.sizes());
  check_dtype(result, {self, a, b});
  const int64_t sizes[] = {a.size(0), a.size(1), b.size(2)};
  const Tensor addend = *at::expand_size(self, sizes, "baddbmm_out");
  at::native::resize_output(result, sizes);
  check_implemented(result);
  multiply(result, rows_of(a), b, addend, beta, alpha);
  return result;
}

Tensor& bmm_out(const Tensor& a, const Tensor& b, Tensor& result) {
  return baddbmm_out(at::zeros({}, b.options()), a, b, 0, 1, result);
}

}  // namespace

TORCH_LIBRARY_IMPL(aten, SparseCsrPrivateUse1, m) {
  METAL_IMPL(m, "addmm.out", addmm_out);
  METAL_IMPL(m, "addmv.out", addmv_out);
  METAL_IMPL(m, "baddbmm.out", baddbmm_out);
  METAL_IMPL(m, "bmm.out", bmm_out);
}

}  // namespace torch_metal
