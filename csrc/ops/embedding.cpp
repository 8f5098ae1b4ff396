// The gradient of an embedding table: rows of the gradient are added up by the token they belong to. Rows' lengths.
#include <ATen/TensorUtils.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include "ops/indexing.h"
#include "ops/registration.h"

namespace torch_metal {
namespace {

using at::Tensor;

/// table[indices[i]] += rows[i], for a table [size, features] and rows [count, features].
void add_rows(const Tensor& table, const Tensor& indices, const Tensor& rows) {
  const int64_t size = table.size(0), stride = table.stride(0) * table.element_size();
  index_accumulate(index_iterator(without_stride(table, 0, rows.size(0)), rows, expand_index(indices, 0, rows.sizes())),
                   {size, stride, /*wrap=*/false}, at::native::ReductionType::SUM);
}

Tensor embedding_dense_backward(const Tensor& grad_output, const Tensor& indices, int64_t num_weights,
                                int64_t padding_idx, bool scale_grad_by_freq) {
  const auto indices_arg = at::TensorArg(indices, "indices", 2);
  at::checkScalarTypes("embedding_backward", indices_arg, {at::kLong, at::kInt});
  const Tensor tokens = indices.reshape(-1);
  const Tensor rows = grad_output.reshape({tokens.numel(), grad_output.size(-1)});
  const Tensor table = at::zeros({num_weights, grad_output.size(-1)}, grad_output.options());
  if (rows.numel() == 0) return table;
  add_rows(table, tokens, rows);
  if (scale_grad_by_freq) {
    const Tensor counts = at::zeros({num_weights, 1}, grad_output.options().dtype(at::kFloat));
    add_rows(counts, tokens, at::ones({1, 1}, counts.options()).expand({tokens.numel(), 1}));
    table.div_(counts.clamp_min(1));
  }
  if (padding_idx >= 0) table.select(0, padding_idx).zero_();
  return table;
}

/// Shortens the rows that are named to max_norm. A row that is named twice is written twice, with the same values.
Tensor& embedding_renorm(Tensor& self, const Tensor& indices, double max_norm, double norm_type) {
  const at::TensorArg self_arg(self, "self", 1), indices_arg(indices, "indices", 2);
  at::checkDim("embedding_renorm_", self_arg, 2);
  at::checkScalarTypes("embedding_renorm_", indices_arg, {at::kLong, at::kInt});
  const Tensor tokens = indices.reshape(-1);
  const Tensor rows = self.index_select(0, tokens);
  const Tensor norms = rows.norm(norm_type, {1}, /*keepdim=*/true, at::kFloat);
  const Tensor factors = (max_norm / (norms + 1e-7)).masked_fill_(norms <= max_norm, 1);
  return self.index_copy_(0, tokens.to(at::kLong), (rows * factors).to(self.scalar_type()));
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL(m, "embedding_dense_backward", embedding_dense_backward);
  METAL_IMPL(m, "embedding_renorm_", embedding_renorm);
}

}  // namespace
}  // namespace torch_metal
