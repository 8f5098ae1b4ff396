// Which tile of kernels/include/gemm_tile.h a matrix product is cut into.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <string_view>

namespace torch_metal {

struct GemmTile {
  std::string_view name;  ///< the kernel's template argument
  uint64_t rows, columns;
  uint64_t threads;  ///< of a threadgroup
};

/// Whether products are fastest with their sums in registers, a lane to a column: so on CPUs with wide registers. GPUs
/// multiply matrices of 8x8. TORCH_METAL_GEMM_TILE, "matrix" or "register", overrules.
bool prefers_register_tiles();

/// Whether the device has instructions for matrices of 8x8: so GPUs. TORCH_METAL_GEMM_TILE overrules.
bool multiplies_matrices();

/// The tile for `batch` products of `rows` x `columns` elements of a floating dtype: of 8x8 matrices for bfloat16, and
/// where register tiles are not preferred.
const GemmTile& gemm_tile(c10::ScalarType dtype, uint64_t rows, uint64_t columns, uint64_t batch);

}  // namespace torch_metal
