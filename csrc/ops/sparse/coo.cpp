#include "ops/sparse/coo.h"

#include <ATen/native/SparseTensorUtils.h>
#include <ATen/ops/_sparse_coo_tensor_with_dims_and_tensors.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/searchsorted.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <bit>

namespace torch_metal {

using at::Tensor;

Tensor flat_indices(const Tensor& indices, at::IntArrayRef sizes) {
  const auto dims = static_cast<uint32_t>(indices.size(0));
  TORCH_CHECK_NOT_IMPLEMENTED(dims <= kMaxSparseDims, "sparse tensors on metal have at most ", kMaxSparseDims,
                              " sparse dimensions, but got ", dims);
  FlattenParams params{};
  params.dims = dims;
  params.dim_stride = indices.stride(0);
  params.entry_stride = indices.stride(1);
  int64_t step = 1;
  for (uint32_t d = dims; d-- > 0; step *= sizes[d]) params.place[d] = step;
  const Tensor out = at::empty({indices.size(1)}, indices.options().dtype(at::kLong));
  launch_threads(kernel("sparse", "flatten_indices", {metal_type(indices.scalar_type())}),
                 {static_cast<uint64_t>(out.numel())}, {64}, out, indices, params);
  return out;
}

Groups::Groups(const Tensor& keys) : Groups(keys.sort(/*stable=*/true, 0, /*descending=*/false)) {}
Groups::Groups(std::tuple<Tensor, Tensor> sorted)
    : order(std::get<1>(sorted)), keys(std::get<0>(sorted)), runs(Runs::of(keys)) {}

RunsParams runs_params(const Groups& groups, const Tensor& values) {
  const int64_t columns = values.numel() / std::max<int64_t>(values.size(0), 1);
  TORCH_CHECK_NOT_IMPLEMENTED(columns <= UINT32_MAX && groups.runs.count() <= UINT32_MAX,
                              "sparse tensors on metal with 2^32 entries, or values of an entry, are not implemented");
  return {static_cast<uint32_t>(groups.runs.count()), static_cast<uint32_t>(columns)};
}

Extent runs_grid(const RunsParams& params) { return {params.columns, params.runs}; }

// Lanes run along the columns, and along the runs as far as those do not fill them.
Extent runs_threadgroup(const RunsParams& params) {
  const uint64_t width = std::min<uint64_t>(std::bit_ceil(std::max(params.columns, 1u)), 32);
  return {width, 64 / width};
}

Tensor reduce_groups(std::string_view op, const Groups& groups, const Tensor& values) {
  at::DimVector sizes(values.sizes());
  sizes[0] = groups.runs.count();
  const Tensor out = at::empty(sizes, values.options());
  const RunsParams params = runs_params(groups, values);
  launch_threads(kernel("sparse", "reduce_runs", {op, metal_type(values.scalar_type())}), runs_grid(params),
                 runs_threadgroup(params), out, values.resolve_conj().resolve_neg().contiguous(), groups.order,
                 groups.runs.bounds(), params);
  return out;
}

Matches::Matches(const Tensor& sequence, const Tensor& keys) {
  if (sequence.numel() == 0) {
    position = at::zeros_like(keys);
    found = at::zeros(keys.sizes(), keys.options().dtype(at::kBool));
    return;
  }
  position = at::searchsorted(sequence, keys).clamp_max_(sequence.numel() - 1);
  found = sequence.index_select(0, position).eq(keys);
}

Tensor Matches::take_or_zero(const Tensor& values) const {
  at::DimVector sizes(values.sizes());
  sizes[0] = position.numel();
  if (values.size(0) == 0) return at::zeros(sizes, values.options());
  at::DimVector broadcast(values.dim(), 1);
  broadcast[0] = position.numel();
  return values.index_select(0, position).masked_fill_(found.logical_not().view(broadcast), 0);
}

Tensor make_coo(const Tensor& indices, const Tensor& values, at::IntArrayRef sizes, bool coalesced) {
  const int64_t sparse_dim = indices.size(0);
  return at::_sparse_coo_tensor_with_dims_and_tensors(sparse_dim, static_cast<int64_t>(sizes.size()) - sparse_dim,
                                                      sizes, indices, values, values.options().layout(at::kSparse),
                                                      coalesced);
}

void assign_coo(const Tensor& result, const Tensor& indices, const Tensor& values, at::IntArrayRef sizes,
                bool coalesced) {
  const int64_t sparse_dim = indices.size(0);
  at::SparseTensorImpl* const impl = at::sparse::get_sparse_impl(result);
  impl->raw_resize_(sparse_dim, static_cast<int64_t>(sizes.size()) - sparse_dim, sizes);
  impl->set_indices_and_values_unsafe(indices, values.to(result.scalar_type()));
  impl->set_coalesced(coalesced);
}

}  // namespace torch_metal
