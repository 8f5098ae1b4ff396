// Parameters of triangular systems, shared by host and kernels.
#pragma once
#include "matmul_params.h"

namespace torch_metal {

/// The most rows of a block.
#ifdef __METAL__
constant
#endif
constexpr uint32_t kTriangularBlock = 32;

/// A triangular matrix of `size` rows, and the right-hand sides that the solution replaces.
struct TriangularParams {
  uint32_t size;
  uint32_t upper;
  uint32_t unit;  // the diagonal is all ones and not read
  MatrixLayout a;
  MatrixLayout x;
};

}  // namespace torch_metal
