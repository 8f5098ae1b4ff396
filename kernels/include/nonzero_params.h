// Parameters of nonzero, shared by host and kernels.
#pragma once
#include "iteration_params.h"

namespace torch_metal {

#ifdef __METAL__
constant
#endif
constexpr uint32_t kNonzeroChunk = 1024;  ///< elements that a SIMD-group counts

struct NonzeroParams {
  IterationShape shape;
  uint32_t elements;
  int64_t row_stride;     ///< of the coordinates, in elements
  int64_t column_stride;
};

}  // namespace torch_metal
