// Sums with compressed tensors, and reductions of CSR matrices along a dimension.
#include <ATen/SparseCsrTensorUtils.h>
#include <ATen/WrapDimUtilsMulti.h>
#include <ATen/ops/_sparse_compressed_tensor_unsafe.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>

#include "ops/registration.h"
#include "ops/sparse/compressed.h"
#include "ops/sparse/coo.h"
#include "runtime/sparse_parts.h"

namespace torch_metal {
namespace {

using at::Scalar;
using at::Tensor;

/// dense + alpha * sparse.
void add_to_dense(const Tensor& dense, const Tensor& sparse, const Scalar& alpha, Tensor& result) {
  TORCH_CHECK(sparse.layout() == at::kSparseCsr || sparse.layout() == at::kSparseCsc,
              "add: expected a CSR or CSC tensor to add to a dense one, but got ", sparse.layout());
  TORCH_CHECK(dense.sizes() == sparse.sizes(), "add: expected 'self' and 'other' to have same size, but self has size ",
              dense.sizes(), " while other has size ", sparse.sizes(),
              " (FYI: dense-sparse addition does not currently support broadcasting)");
  at::add_out(result, dense, sparse.to_sparse(), alpha);
}

void add_csr(const Tensor& self, const Tensor& other, const Scalar& alpha, Tensor& result) {
  TORCH_CHECK(self.layout() == at::kSparseCsr && other.layout() == at::kSparseCsr,
              "add: expected two CSR tensors, but got ", self.layout(), " and ", other.layout());
  TORCH_CHECK(self.sizes() == other.sizes(), "torch.add: Expected input tensors to have the same shape, but got ",
              self.sizes(), " and ", other.sizes());
  const auto dtype = at::result_type(self, other);
  TORCH_CHECK_NOT_IMPLEMENTED(!at::isIntegralType(dtype, true) || self._nnz() + other._nnz() == 0,
                              "\"add_out_sparse_csr\" not implemented for '", dtype, "'");
  const Tensor sum = at::add(self.to_sparse(), other.to_sparse(), alpha).coalesce().to_sparse_csr();
  const auto index = at::promote_types(self.col_indices().scalar_type(), other.col_indices().scalar_type());
  replace_parts(result, sum,
                {sum.crow_indices().to(index), sum.col_indices().to(index), sum.values().to(result.scalar_type())});
}

Tensor& add_out(const Tensor& self, const Tensor& other, const Scalar& alpha, Tensor& result) {
  TORCH_CHECK(self.device() == other.device(), "add: expected tensors on one device, but got ", self.device(), " and ",
              other.device());
  if (self.layout() == at::kStrided) {
    add_to_dense(self, other, alpha, result);
  } else if (other.layout() == at::kStrided) {
    add_to_dense(other, self, alpha, result);
  } else if (!at::sparse_csr::only_sparse_compressed_add_trivial_cases(self, other, alpha, result)) {
    add_csr(self, other, alpha, result);
  }
  return result;
}

Tensor csr(const Tensor& compressed, const Tensor& plain, const Tensor& values, at::IntArrayRef sizes) {
  return at::_sparse_compressed_tensor_unsafe(compressed, plain, values, sizes,
                                              values.options().layout(at::kSparseCsr));
}

/// All entries as one group: a 1 x 1 matrix.
Tensor reduce_all(std::string_view op, const Tensor& self, const Tensor& values) {
  const int64_t entries = std::min<int64_t>(values.numel(), 1);
  const auto index = self.crow_indices().options();
  const Tensor result =
      entries == 0 ? values : reduce_groups(op, Groups(at::zeros({values.numel()}, index.dtype(at::kLong))), values);
  return csr(at::arange(2, index).mul_(entries), at::zeros({entries}, index), result, {1, 1});
}

/// A row of the columns that have entries.
Tensor reduce_columns(std::string_view op, const Tensor& self, const Tensor& values) {
  const Tensor column = self.col_indices();
  const auto index = column.options();
  if (values.numel() == 0) return csr(at::zeros({2}, index), column, values, {1, self.size(1)});
  const Groups groups(column);
  return csr(at::arange(2, index).mul_(groups.runs.count()), groups.keys.index_select(0, groups.runs.starts()),
             reduce_groups(op, groups, values), {1, self.size(1)});
}

/// A column of the rows that have entries.
Tensor reduce_rows(std::string_view op, const Tensor& self, const Tensor& values) {
  const Tensor first = self.crow_indices();
  const auto index = first.options();
  const Tensor occupied = at::diff(first).ne(0);
  const Tensor compressed = at::cat({at::zeros({1}, index), occupied.cumsum(0).to(index.dtype())});
  const Tensor result =
      values.numel() == 0 ? values : reduce_groups(op, Groups(rows_of_entries(first, values.numel())), values);
  return csr(compressed, at::zeros({result.numel()}, index), result, {self.size(0), 1});
}

template <detail::OperatorName name, detail::OperatorName op>
Tensor reduce(const Tensor& self, at::IntArrayRef dims, bool keepdim, std::optional<at::ScalarType> dtype) {
  TORCH_CHECK(self.layout() == at::kSparseCsr && self.dim() == 2 && self.values().dim() == 1, name.text,
              ": expected a CSR matrix of scalar values, but got ", self.layout(), " ", self.sizes());
  TORCH_CHECK(keepdim, "reduction operations on CSR tensors with keepdim=False is unsupported");
  const auto own = self.scalar_type();
  const auto result_type = dtype.value_or(at::isIntegralType(own, false) ? at::kLong : own);
  TORCH_CHECK_NOT_IMPLEMENTED(result_type != at::kBool, "\"", name.text, "\" not implemented for 'Bool'");
  const auto reduced = at::dim_list_to_bitset(dims, 2);
  const Tensor values = self.values().to(result_type).contiguous();
  if (dims.empty() || reduced.count() == 2) return reduce_all(op.text, self, values);
  return reduced[0] ? reduce_columns(op.text, self, values) : reduce_rows(op.text, self, values);
}

}  // namespace

TORCH_LIBRARY_IMPL(aten, SparseCsrPrivateUse1, m) {
  METAL_IMPL(m, "add.out", add_out);
  METAL_IMPL(m, "_sparse_csr_sum.dim_dtype", reduce<"_sparse_csr_sum", "sum_op">);
  METAL_IMPL(m, "_sparse_csr_prod.dim_dtype", reduce<"_sparse_csr_prod", "product_op">);
}

}  // namespace torch_metal
