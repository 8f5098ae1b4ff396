#include "ops/copy_layout.h"

namespace torch_metal {

std::string_view bits_type(size_t size) {
  switch (size) {
    case 1: return "uchar";
    case 2: return "ushort";
    case 4: return "uint";
    case 8: return "uint2";
    case 16: return "uint4";
    default: TORCH_CHECK_NOT_IMPLEMENTED(false, "The metal device has no elements of ", size, " bytes");
  }
}

CopyGrid copy_grid(const at::TensorIteratorBase& iterator) {
  CopyGrid result{};
  CopyLayout& layout = result.layout;
  layout.dims = iterator.ndim();
  for (int d = 0; d < iterator.ndim(); ++d) {
    layout.sizes[d] = iterator.shape()[d];
    layout.to[d] = iterator.strides(0)[d] / iterator.element_size(0);
    if (iterator.ntensors() > 1) layout.from[d] = iterator.strides(1)[d] / iterator.element_size(1);
    if (d == 0) result.grid.x = layout.sizes[d];
    if (d == 1) result.grid.y = layout.sizes[d];
    if (d > 1) result.grid.z *= layout.sizes[d];
  }
  constexpr uint64_t kThreads = 256;
  result.threadgroup.x = std::min(result.grid.x, kThreads);
  result.threadgroup.y = std::min(result.grid.y, kThreads / result.threadgroup.x);
  result.threadgroup.z = std::min(result.grid.z, kThreads / (result.threadgroup.x * result.threadgroup.y));
  return result;
}

}  // namespace torch_metal
