// Parameters of Fourier transforms along one dimension, shared by host and kernels. Data is dense, [outer, size, inner].
#pragma once
#include "divisor.h"

namespace torch_metal {

/// How what a transform reads and writes differs from `size` complex numbers. What is not read follows from Hermitian
/// symmetry, what is not written is left out.
struct FftEnds {
  uint32_t in_size;
  uint32_t out_size;
  uint32_t conjugate_in;   ///< with the next: the inverse transform
  uint32_t conjugate_out;
  float scale;
};

/// A pass of Stockham's algorithm.
struct FftPass {
  uint32_t size;
  uint32_t inner;
  Divisor done;  ///< the product of the radices of earlier passes
  FftEnds ends;
};

/// Bluestein's algorithm: a transform of `size` as a convolution of length `padded`.
struct ChirpParams {
  uint32_t size;
  uint32_t padded;
  Divisor inner;
  FftEnds ends;
};

}  // namespace torch_metal
