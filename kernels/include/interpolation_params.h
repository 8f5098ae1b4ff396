// Parameters of interpolation along one dimension, shared by host and kernels.
#pragma once
#include "divisor.h"

namespace torch_metal {

/// Dense tensors [outer, in_size, inner] and [outer, out_size, inner].
struct InterpolationParams {
  uint32_t in_size;
  uint32_t out_size;
  Divisor inner;
  uint32_t entries;    ///< of the matrix
  uint32_t row_size;   ///< entries of each row, if all rows have as many; otherwise 0
  uint32_t precision;  ///< of bytes: weights are integers, in units of 2^-precision
};

}  // namespace torch_metal
