// A TensorIterator's shape and strides as kernels want them.
#pragma once

#include <ATen/native/TensorIterator.h>

#include <algorithm>

#include "iteration_params.h"

namespace torch_metal {

/// Throws if a shape has more dimensions, or more elements, than kernels count.
IterationShape iteration_shape(at::IntArrayRef sizes_innermost_first);
ByteStrides byte_strides(at::IntArrayRef strides_innermost_first);

/// Runs `kernel` on parts of `iter`, itself if it will do, with offsets of 32 bits and dimensions that kernels walk. Not
/// for reductions: parts split any dimension.
template <class Function>
void for_each_part(const at::TensorIteratorBase& iter, Function&& kernel) {
  if (iter.ndim() > int(kMaxDimensions)) {
    // The fewer there are along a dimension, the fewer parts.
    const int dim = std::min_element(iter.shape().begin(), iter.shape().end()) - iter.shape().begin();
    for (int64_t i = 0; i < iter.shape()[dim]; ++i) {
      at::TensorIterator part(iter);
      part.narrow(dim, i, 1);
      for_each_part(part, kernel);
    }
  } else if (!iter.can_use_32bit_indexing()) {
    for (const auto& part : iter.with_32bit_indexing()) for_each_part(part, kernel);
  } else {
    kernel(iter);
  }
}

inline IterationShape iteration_shape(const at::TensorIteratorBase& iter) { return iteration_shape(iter.shape()); }
inline ByteStrides byte_strides(const at::TensorIteratorBase& iter, int operand) {
  return byte_strides(iter.strides(operand));
}

}  // namespace torch_metal
