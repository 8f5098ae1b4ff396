// Places that indices name, for threads in a grid whose x and y are the two innermost dimensions and z the rest.
#pragma once
#include <c10/metal/error.h>
#include <metal_stdlib>

#include "indexing_params.h"

namespace torch_metal {

constant constexpr uint kAnyStride = ~0u;

struct IndexBuffers {
  device const long* data[kMaxIndices];
};

/// Byte offsets of out, in and some indices.
template <uint indices>
struct OperandOffsets {
  uint bytes[indices + 2];

  /// At coordinates y and z; x is the kernel's.
  OperandOffsets(constant IndexLayout& layout, uint y, uint z) {
    for (uint n = 0; n < indices + 2; ++n) bytes[n] = 0;
    for (uint d = 2; d < layout.outermost; ++d) {
      const uint position = layout.sizes[d].split(z);
      for (uint n = 0; n < indices + 2; ++n) bytes[n] += position * layout.strides[n][d];
    }
    for (uint n = 0; n < indices + 2; ++n)
      bytes[n] += z * layout.strides[n][layout.outermost] + y * layout.strides[n][1];
  }
};

/// Offset along x of operand `n`, whose elements take `size` bytes. Bit n of `unit`: it is contiguous along x,
/// otherwise the same for all x; kAnyStride if that is not known.
template <uint unit>
inline size_t x_offset(constant IndexLayout& layout, uint n, uint x, uint size) {
  if constexpr (unit == kAnyStride) {
    return x * layout.strides[n][0];
  } else {
    return (unit >> n & 1) ? size_t(x) * size : 0;
  }
}

/// Adds to `offset` the bytes from the start of the indexed dimension `i` to the place that `index` names. Reports an
/// index out of range.
inline bool add_place(thread long& offset, long index, uint i, constant IndexedSizes& indexed,
                      device c10::metal::ErrorMessages* errors) {
  const long size = indexed.size[i];
  if (index >= size || index < (indexed.wrap ? -size : 0)) {
    TORCH_REPORT_ERROR(errors, "index ", index, " is out of bounds for dimension ", long(indexed.first + i),
                       " with size ", size);
    return false;
  }
  offset += (index < 0 ? index + size : index) * indexed.step[i];
  return true;
}

}  // namespace torch_metal
