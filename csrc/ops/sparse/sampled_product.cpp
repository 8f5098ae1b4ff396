// Products of dense matrices where a sparse one has entries, and reductions of a CSR matrix times a dense one.
#include <ATen/ceil_div.h>
#include <ATen/ops/_sparse_compressed_tensor_unsafe.h>
#include <ATen/ops/_sparse_mm_reduce_impl_native.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include "ops/narrow.h"
#include "ops/registration.h"
#include "ops/sparse/compressed.h"
#include "runtime/launch.h"
#include "runtime/operator_wait.h"
#include "runtime/sparse_parts.h"
#include "sparse_params.h"

namespace at::native::sparse {
// PyTorch's own checks, which no header that it ships declares.
TORCH_API void sparse_sampled_addmm_check_inputs(const Tensor& self, const Tensor& mat1, const Tensor& mat2,
                                                 const Scalar& beta, const Scalar& alpha, const Tensor& result);
}  // namespace at::native::sparse

namespace torch_metal {
namespace {

using at::Scalar;
using at::Tensor;

Tensor as_batch(const Tensor& t, int64_t dims) { return t.dim() == dims ? t.unsqueeze(0) : t.flatten(0, -dims - 1); }
MatrixLayout layout_of(const Tensor& matrices) { return {matrices.stride(1), matrices.stride(2), matrices.stride(0)}; }

template <class Scalar>
void launch_sampled(const Tensor& out, const Tensor& rows, const Tensor& columns, const Tensor& a, const Tensor& b,
                    const Tensor& self, Scalar beta, Scalar alpha, std::string_view scalar_type) {
  const uint32_t entries = narrow(rows.size(1), "the number of entries of a sparse matrix");
  const uint32_t inner = narrow(a.size(2), "the inner size of a product");
  const SampledProductParams<Scalar> params{entries, inner, layout_of(a), layout_of(b), alpha, beta};
  launch_groups(
      kernel("sparse", "sampled_product", {metal_type(out.scalar_type()), metal_type(rows.scalar_type()), scalar_type}),
      {at::ceil_div(entries, kSampledEntries), static_cast<uint64_t>(rows.size(0))}, {kSimdWidth}, out, rows, columns,
      a, b, self, params);
}

/// alpha * (a b at the entries of `self`) + beta * self's values, which may be the result. a: [batch, rows, inner].
Tensor sampled_values(const Tensor& self, const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha) {
  const Tensor values = self.values().resolve_conj().resolve_neg().contiguous();
  const Tensor out = at::empty_like(values);
  if (out.numel() == 0) return out;
  const Tensor columns = as_batch(self.col_indices().contiguous(), 1);
  const Tensor rows = as_batch(
      rows_of_entries(self.crow_indices(), self._nnz(), columns.scalar_type() == at::kInt).contiguous(), 1);
  // Lanes run along the inner dimension of both.
  const Tensor left = as_batch(a, 2).resolve_conj().resolve_neg();
  const Tensor right = as_batch(b, 2).resolve_conj().resolve_neg().mT().contiguous().mT();
  if (values.is_complex()) {
    using Complex = c10::complex<float>;
    launch_sampled(out, rows, columns, left, right, values, beta.to<Complex>(), alpha.to<Complex>(), "float2");
  } else {
    launch_sampled(out, rows, columns, left, right, values, beta.to<float>(), alpha.to<float>(), "float");
  }
  return out;
}

Tensor& sampled_addmm_out(const Tensor& self, const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha,
                          Tensor& result) {
  at::native::sparse::sparse_sampled_addmm_check_inputs(self, a, b, beta, alpha, result);
  TORCH_CHECK(at::isFloatingType(self.scalar_type()) || self.is_complex(),
              "sparse_sampled_addmm: Expected self to be a floating-point or complex tensor, but got ",
              self.scalar_type());
  replace_parts(result, self,
                {self.crow_indices().clone(), self.col_indices().clone(), sampled_values(self, a, b, beta, alpha)});
  return result;
}

Tensor sampled_addmm(const Tensor& self, const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha) {
  Tensor result = at::empty({0, 0}, self.options());
  return sampled_addmm_out(self, a, b, beta, alpha, result);
}

SparseReduction reduction_of(std::string_view name) {
  if (name == "sum") return kSparseSum;
  if (name == "mean") return kSparseMean;
  if (name == "amax") return kSparseMax;
  if (name == "amin") return kSparseMin;
  TORCH_CHECK(name != "prod", "sparse_mm_reduce: reduce type of prod has not been enabled.");
  TORCH_CHECK(false, "reduce argument must be either sum, prod, mean, amax or amin, got ", name);
}

bool is_extremum(SparseReduction reduction) { return reduction == kSparseMax || reduction == kSparseMin; }

void check_reduced(const Tensor& self, const Tensor& dense) {
  TORCH_CHECK(self.layout() == at::kSparseCsr, "sparse_mm_reduce: expected a CSR matrix, but got ", self.layout());
  TORCH_CHECK(dense.layout() == at::kStrided && self.dim() == 2 && dense.dim() == 2 && self.values().dim() == 1 &&
                  self.size(1) == dense.size(0),
              "sparse_mm_reduce: cannot multiply ", self.layout(), " ", self.sizes(), " by ", dense.layout(), " ",
              dense.sizes());
  TORCH_CHECK(self.scalar_type() == dense.scalar_type() && self.device() == dense.device(),
              "sparse_mm_reduce: expected one dtype and device, but got ", self.scalar_type(), " on ", self.device(),
              " and ", dense.scalar_type(), " on ", dense.device());
  TORCH_CHECK_NOT_IMPLEMENTED(at::isFloatingType(self.scalar_type()) || self._nnz() == 0,
                              "\"spmm_reduce_kernel\" not implemented for '", self.scalar_type(), "'");
}

bool is_differentiable(const Tensor& self, const Tensor& dense) {
  return at::GradMode::is_enabled() && (self.requires_grad() || dense.requires_grad());
}

/// The CPU's kernel, which asks its arguments whether they want gradients.
std::tuple<Tensor, Tensor> mm_reduce_on_host(const Tensor& self, const Tensor& dense, std::string_view name) {
  wait_for_operator();
  std::vector<Tensor> parts = sparse_parts(self);
  for (Tensor& part : parts) part = cpu_alias(part);
  const Tensor host_dense = cpu_alias(dense).set_requires_grad(is_differentiable(self, dense));
  const auto [out, chosen] =
      at::native::_sparse_mm_reduce_impl_sparse_csr_cpu(with_parts(self, parts), host_dense, name);
  take_route(Route::host);
  return {out.detach().to(self.device()), chosen.to(self.device())};
}

/// The product and, of maxima and minima that a gradient may be asked of, the entry that each is of.
std::tuple<Tensor, Tensor> mm_reduce(const Tensor& self, const Tensor& dense, std::string_view name) {
  const SparseReduction reduction = reduction_of(name);
  check_reduced(self, dense);
  if (needs_host(self)) return mm_reduce_on_host(self, dense, name);
  if (self._nnz() == 0) {
    return {at::zeros({self.size(0), dense.size(1)}, dense.options()), at::empty({0}, self.col_indices().options())};
  }
  const Tensor crow = self.crow_indices().contiguous(), col = self.col_indices().contiguous();
  const int64_t rows = self.size(0), columns = dense.size(1);
  const Tensor out = at::empty({rows, columns}, dense.options());
  const bool chooses = is_extremum(reduction);
  const Tensor chosen = at::empty(chooses ? at::DimVector{rows, columns} : at::DimVector{0}, col.options());
  const ReducedProductParams params{
      self._nnz(), static_cast<uint32_t>(columns), reduction, {dense.stride(0), dense.stride(1), 0}};
  launch_threads(
      kernel("sparse", "reduced_product", {metal_type(self.scalar_type()), metal_type(col.scalar_type())}),
      {static_cast<uint64_t>(columns), static_cast<uint64_t>(rows)}, {kSimdWidth}, out, chosen, crow, col,
      self.values().contiguous(), dense, params);
  return {out, chooses && is_differentiable(self, dense) ? chosen : at::empty({0}, col.options())};
}

Tensor csr_like(const Tensor& self, const Tensor& values) {
  return with_parts(self, {self.crow_indices(), self.col_indices(), values});
}

/// The gradient of a row's mean is shared by its entries.
Tensor shared_among_entries(const Tensor& self, const Tensor& grad) {
  const Tensor count = at::diff(self.crow_indices()).clamp_min(1);
  return grad / count.unsqueeze(1).to(grad.scalar_type());
}

/// By the entries that were chosen: gradients of the values, and of the dense matrix.
std::tuple<Tensor, Tensor> extremum_backward(const Tensor& self, const Tensor& grad, const Tensor& dense,
                                             const Tensor& chosen, const std::array<bool, 2>& wanted) {
  const Tensor found = chosen.ne(self._nnz());
  const Tensor entry = chosen.to(at::kLong).clamp_max(self._nnz() - 1);
  const Tensor column = self.col_indices().to(at::kLong).index_select(0, entry.flatten()).view_as(entry);
  const Tensor share = grad.masked_fill(found.logical_not(), 0);
  Tensor of_self, of_dense;
  if (wanted[0]) {
    const Tensor values = at::zeros({self._nnz()}, grad.options());
    values.scatter_add_(0, entry.flatten(), share.mul(dense.gather(0, column)).flatten());
    of_self = csr_like(self, values);
  }
  if (wanted[1]) {
    const Tensor factor = self.values().index_select(0, entry.flatten()).view_as(entry);
    of_dense = at::zeros_like(dense).scatter_add_(0, column, share.mul(factor));
  }
  return {of_self, of_dense};
}

std::tuple<Tensor, Tensor> mm_reduce_backward(const Tensor& self, const Tensor& given_grad, const Tensor& dense,
                                              std::string_view name, const Tensor& chosen,
                                              std::array<bool, 2> wanted) {
  const SparseReduction reduction = reduction_of(name);
  check_reduced(self, dense);
  if (self._nnz() == 0) {
    return {wanted[0] ? csr_like(self, at::zeros_like(self.values())) : Tensor(),
            wanted[1] ? at::zeros_like(dense) : Tensor()};
  }
  if (is_extremum(reduction)) return extremum_backward(self, given_grad, dense, chosen, wanted);
  const Tensor grad = reduction == kSparseMean ? shared_among_entries(self, given_grad) : given_grad;
  Tensor of_self, of_dense;
  if (wanted[0]) {
    const Tensor zero = csr_like(self, at::zeros_like(self.values()));
    of_self = csr_like(self, sampled_values(zero, grad, dense.t(), 0, 1));
  }
  if (wanted[1]) of_dense = at::matmul(self.transpose(0, 1), grad);
  return {of_self, of_dense};
}

}  // namespace

TORCH_LIBRARY_IMPL(aten, SparseCsrPrivateUse1, m) {
  METAL_IMPL(m, "sparse_sampled_addmm", sampled_addmm);
  METAL_IMPL(m, "sparse_sampled_addmm.out", sampled_addmm_out);
  METAL_IMPL_EVERY_DTYPE(m, "_sparse_mm_reduce_impl", mm_reduce);
  METAL_IMPL(m, "_sparse_mm_reduce_impl_backward", mm_reduce_backward);
}

}  // namespace torch_metal
