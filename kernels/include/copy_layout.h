// Where a thread's element lies.
#pragma once
#include <metal_stdlib>

#include "copy_params.h"

namespace torch_metal {

/// Offset in elements of grid position `p` along `strides`.
inline int element_offset(constant CopyLayout& layout, constant const int* strides, uint3 p) {
  int offset = int(p.x) * strides[0] + int(p.y) * strides[1];
  uint rest = p.z;
  for (uint d = 2; d < layout.dims; ++d) {
    const uint next = rest / layout.sizes[d];
    offset += int(rest - next * layout.sizes[d]) * strides[d];
    rest = next;
  }
  return offset;
}

}  // namespace torch_metal
