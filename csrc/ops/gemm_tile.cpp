#include "ops/gemm_tile.h"

#include <ATen/Parallel.h>
#include <ATen/ceil_div.h>
#include <c10/util/Exception.h>

#include <cstdlib>

#include "metal/host_threads.h"

namespace torch_metal {
namespace {

constexpr GemmTile kMatrixTiles[] = {{"MatrixTile<float, 32, 32>", 32, 32, 32},
                                     {"MatrixTile<float, 64, 64>", 64, 64, 128}};
constexpr GemmTile kBfloatTiles[] = {{"MatrixTile<bfloat, 32, 32>", 32, 32, 32},
                                     {"MatrixTile<bfloat, 64, 64>", 64, 64, 128}};
constexpr GemmTile kRegisterTiles[] = {
    {"RegisterTile<8>", 104, 64, 32},
    {"RegisterTile<5>", 65, 64, 32},
    {"RegisterTile<3>", 39, 64, 32},
    {"RegisterTile<1>", 13, 64, 32},
};

/// "matrix", "register", or empty: the device's own.
std::string_view wanted_tile() {
  const char* value = std::getenv("TORCH_METAL_GEMM_TILE");
  const std::string_view wanted = value ? value : "";
  TORCH_CHECK_VALUE(wanted.empty() || wanted == "matrix" || wanted == "register",
                    "TORCH_METAL_GEMM_TILE is \"matrix\" or \"register\", not \"", wanted, "\"");
  return wanted;
}

uint64_t tiles(const GemmTile& tile, uint64_t rows, uint64_t columns, uint64_t batch) {
  return at::ceil_div(rows, tile.rows) * at::ceil_div(columns, tile.columns) * batch;
}

}  // namespace

bool prefers_register_tiles() {
  static const bool prefers = wanted_tile().empty() ? has_wide_host_registers() : wanted_tile() == "register";
  return prefers;
}

bool multiplies_matrices() {
  static const bool multiplies = wanted_tile().empty() ? !kRunsOnHost : wanted_tile() == "matrix";
  return multiplies;
}

const GemmTile& gemm_tile(c10::ScalarType dtype, uint64_t rows, uint64_t columns, uint64_t batch) {
  if (dtype == c10::kBFloat16 || !prefers_register_tiles()) {
    const auto& [small, large] = dtype == c10::kBFloat16 ? kBfloatTiles : kMatrixTiles;
    // Large tiles read less, but only pay if there are enough of them to fill the device.
    return rows > 32 && columns > 32 && tiles(large, rows, columns, batch) >= 16 ? large : small;
  }
  // The time of the thread that has most to do: its tiles' rows, and loading their columns, which costs what 13 rows do.
  const auto time = [&](const GemmTile& tile) {
    return at::ceil_div<uint64_t>(tiles(tile, rows, columns, batch), at::get_num_threads()) * (tile.rows + 13);
  };
  const GemmTile* best = kRegisterTiles;
  for (const GemmTile& tile : kRegisterTiles)
    if (time(tile) < time(*best)) best = &tile;
  return *best;
}

}  // namespace torch_metal
