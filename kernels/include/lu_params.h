// Parameters of LU factorisation, shared by host and kernels.
#pragma once
#include "iteration_params.h"
#include "matmul_params.h"

namespace torch_metal {

/// A panel: the columns from `start` on of a matrix, from row `start` on.
struct LuParams {
  uint32_t rows;
  uint32_t columns;
  uint32_t start;
  uint32_t pivots;    // of a whole matrix
  uint32_t pivoting;  // whether rows are interchanged
  MatrixLayout a;
};

/// Interchanges `start` to `start + count` of rows; a's first row is row `start`.
struct RowSwapParams {
  uint32_t start;
  uint32_t count;
  uint32_t pivots;    // of a whole matrix
  uint32_t backward;  // last interchange first
  MatrixLayout a;
};

/// Interchanges to be applied to permutations of `rows` rows.
struct UnpackPivotsParams {
  IterationShape shape;
  ByteStrides permutation;
  ByteStrides pivots;
  uint32_t count;
  uint32_t rows;
};

}  // namespace torch_metal
