// Parameters of the vector product, shared by host and kernels.
#pragma once
#include "iteration_params.h"

namespace torch_metal {

/// Vectors of three elements: the shape of the rest, and for result, a and b its strides and the components'.
struct CrossParams {
  IterationShape shape;
  ByteStrides strides[3];  // in bytes
  int64_t component[3];    // in elements
};

}  // namespace torch_metal
