// A TensorIterator's shape and strides as kernels want them.
#pragma once

#include <ATen/native/TensorIterator.h>

#include "iteration_params.h"

namespace torch_metal {

/// Throws if a shape has more dimensions, or more elements, than kernels count.
IterationShape iteration_shape(at::IntArrayRef sizes_innermost_first);
ByteStrides byte_strides(at::IntArrayRef strides_innermost_first);

inline IterationShape iteration_shape(const at::TensorIteratorBase& iter) { return iteration_shape(iter.shape()); }
inline ByteStrides byte_strides(const at::TensorIteratorBase& iter, int operand) {
  return byte_strides(iter.strides(operand));
}

}  // namespace torch_metal
