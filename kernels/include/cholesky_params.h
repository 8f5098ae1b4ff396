// Parameters of Cholesky factorisation, shared by host and kernels.
#pragma once
#include "matmul_params.h"

namespace torch_metal {

/// A diagonal block of `size` rows, and its first row in the whole matrix.
struct CholeskyParams {
  uint32_t size;
  uint32_t start;
  MatrixLayout a;
};

}  // namespace torch_metal
