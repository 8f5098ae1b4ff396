#include "ops/iteration.h"

#include <limits>

namespace torch_metal {

IterationShape iteration_shape(at::IntArrayRef sizes) {
  TORCH_CHECK_NOT_IMPLEMENTED(sizes.size() <= kMaxDimensions, "metal: tensors have at most ", kMaxDimensions,
                              " dimensions, but got ", sizes.size());
  IterationShape shape{};
  shape.dimensions = static_cast<uint32_t>(sizes.size());
  int64_t elements = 1;
  for (size_t d = 0; d < sizes.size(); ++d) {
    elements *= sizes[d];
    TORCH_CHECK_NOT_IMPLEMENTED(elements <= std::numeric_limits<int32_t>::max(),
                                "metal: not implemented for tensors of 2^31 elements or more");
    shape.sizes[d] = Divisor::of(static_cast<uint32_t>(sizes[d]));
  }
  return shape;
}

ByteStrides byte_strides(at::IntArrayRef strides) {
  ByteStrides result{};
  std::copy(strides.begin(), strides.end(), result.values);
  return result;
}

}  // namespace torch_metal
