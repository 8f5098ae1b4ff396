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
};

}  // namespace torch_metal
