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

/// The tile for `batch` products of `rows` x `columns` elements of a floating dtype. TORCH_METAL_GEMM_TILE, "matrix" or
/// "register", chooses its kind; otherwise it is what the device is fastest with.
const GemmTile& gemm_tile(c10::ScalarType dtype, uint64_t rows, uint64_t columns, uint64_t batch);

}  // namespace torch_metal
