#include "ops/copy_layout.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "ops/elementwise.h"

namespace torch_metal {

namespace {

constexpr size_t kWide = 16;  // bytes that a thread moves at most

/// One side runs along x, the other along y, and both are long enough for tiles.
bool is_transposed(const CopyLayout& layout) {
  constexpr uint32_t kLong = 16;
  return layout.dims >= 2 && layout.to[0] == 1 && layout.from[1] == 1 && layout.from[0] != 1 &&
         layout.sizes[0] >= kLong && layout.sizes[1] >= kLong;
}

/// Whether both sides are rows that can be moved by kWide bytes, and still fill a SIMD-group each.
bool has_wide_rows(const CopyLayout& layout, size_t size, const BufferRange& to, const BufferRange& from) {
  if (size >= kWide || layout.dims == 0 || layout.to[0] != 1 || layout.from[0] != 1) return false;
  if (layout.dims > 1 && layout.sizes[0] * size < kWide * kSimdWidth) return false;
  uint64_t bytes = to.offset | from.offset | layout.sizes[0] * size;
  for (uint32_t d = 1; d < layout.dims; ++d) bytes |= uint64_t(layout.to[d] * size) | uint64_t(layout.from[d] * size);
  return bytes % kWide == 0;
}

CopyLayout widened(CopyLayout layout, size_t size) {
  const int32_t elements = kWide / size;
  layout.sizes[0] /= elements;
  for (uint32_t d = 1; d < layout.dims; ++d) {
    layout.to[d] /= elements;
    layout.from[d] /= elements;
  }
  return layout;
}

}  // namespace

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

CopyGrid::CopyGrid(const CopyLayout& layout) : layout(layout) {
  for (uint32_t d = 0; d < layout.dims; ++d) (d == 0 ? grid.x : d == 1 ? grid.y : grid.z) *= layout.sizes[d];
  threadgroup = threadgroup_of(grid);
}

CopyGrid copy_grid(const at::TensorIteratorBase& iterator) {
  CopyLayout layout{};
  layout.dims = iterator.ndim();
  for (int d = 0; d < iterator.ndim(); ++d) {
    layout.sizes[d] = iterator.shape()[d];
    layout.to[d] = iterator.strides(0)[d] / iterator.element_size(0);
    if (iterator.ntensors() > 1) layout.from[d] = iterator.strides(1)[d] / iterator.element_size(1);
  }
  return CopyGrid(layout);
}

at::DimVector inner_to_outer(const at::Tensor& tensor) {
  at::DimVector order(tensor.dim());
  std::iota(order.rbegin(), order.rend(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return tensor.stride(a) < tensor.stride(b); });
  return order;
}

bool fits_32_bits(const at::Tensor& tensor) {
  int64_t last = 0;
  for (int64_t d = 0; d < tensor.dim(); ++d) last += (tensor.size(d) - 1) * tensor.stride(d);
  return last <= std::numeric_limits<int32_t>::max();
}

std::string_view step_along_x(int32_t stride) {
  switch (stride) {
    case -1: return "-1";
    case 0: return "0";
    case 1: return "1";
    default: return "kAnyStep";
  }
}

// 16 bytes a thread where all is aligned to that.
void move_dense(uint64_t bytes, size_t size, const BufferRange& to, const BufferRange& from) {
  const size_t width = (to.offset | from.offset | bytes) % kWide == 0 ? kWide : size;
  launch_threads(kernel("copy", "move_dense", {bits_type(width)}), {bytes / width}, {256}, to, from);
}

void move_strided(const CopyLayout& layout, size_t size, const BufferRange& to, const BufferRange& from) {
  if (has_wide_rows(layout, size, to, from)) return move_strided(widened(layout, size), kWide, to, from);
  const CopyGrid g(layout);
  if (is_transposed(layout) && size <= 4) {
    constexpr uint64_t kTile = 32;
    const Extent tiles{(g.grid.x + kTile - 1) / kTile, (g.grid.y + kTile - 1) / kTile, g.grid.z};
    launch_groups(kernel("copy", "move_transposed", {bits_type(size)}), tiles, {kTile}, to, from, layout);
  } else {
    launch_threads(kernel("copy", "move_strided",
                          {bits_type(size), step_along_x(layout.to[0]), step_along_x(layout.from[0])}),
                   g.grid, g.threadgroup, to, from, layout);
  }
}

}  // namespace torch_metal
