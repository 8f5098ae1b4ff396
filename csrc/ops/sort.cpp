// Sorting along a dimension, and what is read off sorted rows: topk, kthvalue, median.
#include <ATen/WrapDimUtils.h>
#include <ATen/native/ReduceOpsUtils.h>
#include <ATen/native/Sorting.h>
#include <ATen/native/SortingUtils.h>

#include <algorithm>

#include "ops/structured.h"
#include "runtime/launch.h"
#include "sort_params.h"

namespace torch_metal {
namespace {

using at::Tensor;

/// The rows of a dense tensor, sorted along its last dimension, and where the elements came from.
struct Sorted {
  Tensor values, indices;
};

Sorted sort_rows(const Tensor& rows, bool descending) {
  Sorted sorted{at::empty_like(rows), at::empty(rows.sizes(), rows.options().dtype(at::kLong))};
  if (rows.numel() == 0) return sorted;
  const uint64_t size = rows.size(-1), count = rows.numel() / size;
  TORCH_CHECK_NOT_IMPLEMENTED(size < (uint64_t{1} << 31), "metal: sorting rows of more than 2^31 elements");
  SortParams params{uint32_t(size), kSortBlock, descending};
  const std::string_view type = metal_type(rows.scalar_type());
  const uint64_t threads = std::clamp<uint64_t>((size + 31) / 32 * 32, 32, 256);
  launch_groups(kernel("sort", "sort_blocks", {type}), {(size + kSortBlock - 1) / kSortBlock, count}, {threads}, rows,
                sorted.values, sorted.indices, params);
  Sorted other;
  if (size > kSortBlock) other = {at::empty_like(sorted.values), at::empty_like(sorted.indices)};
  for (; params.width < size; params.width *= 2) {
    launch_threads(kernel("sort", "sort_merge", {type}), {size, count}, {256}, sorted.values, sorted.indices,
                   other.values, other.indices, params);
    std::swap(sorted, other);
  }
  return sorted;
}

/// Sorts along `dim`, which comes last in the result.
Sorted sort_along(const Tensor& self, int64_t dim, bool descending) {
  const Tensor rows = self.dim() == 0 ? self.reshape({1}) : self.movedim(dim, -1).contiguous();
  return sort_rows(rows, descending);
}

void sort(const at::TensorBase& self, const at::TensorBase& values, const at::TensorBase& indices, int64_t dim,
          bool descending, bool) {
  const Sorted sorted = sort_along(Tensor(self), dim, descending);
  Tensor(values).copy_(sorted.values.movedim(-1, dim));
  Tensor(indices).copy_(sorted.indices.movedim(-1, dim));
}

struct TopK : at::meta::structured_topk {
  void impl(const Tensor& self, int64_t k, int64_t dim, bool largest, bool, const Tensor& values,
            const Tensor& indices) {
    if (self.dim() == 0) {
      values.copy_(self);
      indices.zero_();
      return;
    }
    const Sorted sorted = sort_along(self, dim, largest);
    values.copy_(sorted.values.narrow(-1, 0, k).movedim(-1, dim));
    indices.copy_(sorted.indices.narrow(-1, 0, k).movedim(-1, dim));
  }
};

}  // namespace
}  // namespace torch_metal

namespace at::native {
REGISTER_PRIVATEUSE1_DISPATCH(sort_stub, &torch_metal::sort)
}  // namespace at::native

namespace torch_metal {

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_STRUCTURED(m, "sort.values_stable", sort_stable_out);
  METAL_STRUCTURED_CLASS(m, "topk.values", TopK);
}

}  // namespace torch_metal
