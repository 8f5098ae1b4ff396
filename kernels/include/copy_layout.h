// Where a thread's element lies.
#pragma once
#include <metal_stdlib>

#include "copy_params.h"

namespace torch_metal {

/// A step along x that is not known.
constant constexpr int kAnyStep = 0x7fffffff;

/// Offset in elements of position x along `strides`, the first of which is `step` if that is known.
template <int step>
inline long x_offset(uint x, constant const int* strides) {
  return long(x) * (step == kAnyStep ? strides[0] : step);
}

/// Offset in elements of grid position `p` along `strides`.
template <int step = kAnyStep>
inline long element_offset(constant CopyLayout& layout, constant const int* strides, uint3 p) {
  int offset = int(p.y) * strides[1];
  uint rest = p.z;
  const uint outermost = metal::max(layout.dims, 3u) - 1;
  for (uint d = 2; d < outermost; ++d) {
    const uint next = rest / layout.sizes[d];
    offset += int(rest - next * layout.sizes[d]) * strides[d];
    rest = next;
  }
  offset += int(rest) * strides[outermost];
  return offset + x_offset<step>(p.x, strides);
}

}  // namespace torch_metal
