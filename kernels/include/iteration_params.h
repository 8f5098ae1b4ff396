// Iteration over the elements of a few tensors with one shape and strides of their own.
#pragma once
#include "divisor.h"

namespace torch_metal {

#ifdef __METAL__
constant
#endif
constexpr uint32_t kMaxDimensions = 16;

/// A shape, innermost dimension first. Fewer than 2^31 elements.
struct IterationShape {
  uint32_t dimensions;
  Divisor sizes[kMaxDimensions];
};

/// Strides in bytes, innermost dimension first.
struct ByteStrides {
  int64_t values[kMaxDimensions];
};

#ifdef __METAL__
/// Coordinates of one element.
struct Coordinates {
  uint count;
  uint values[kMaxDimensions];

  Coordinates(constant IterationShape& shape, uint element) : count(shape.dimensions) {
    for (uint d = 0; d + 1 < count; ++d) values[d] = shape.sizes[d].split(element);
    if (count > 0) values[count - 1] = element;
  }

  /// Bytes from the first element to this one.
  long offset(constant ByteStrides& strides) const {
    long result = 0;
    for (uint d = 0; d < count; ++d) result += values[d] * strides.values[d];
    return result;
  }
};

template <class T>
device T& at_byte(device T* data, long offset) {
  return *reinterpret_cast<device T*>(reinterpret_cast<device char*>(data) + offset);
}
template <class T>
device const T& at_byte(device const T* data, long offset) {
  return *reinterpret_cast<device const T*>(reinterpret_cast<device const char*>(data) + offset);
}
#endif

}  // namespace torch_metal
