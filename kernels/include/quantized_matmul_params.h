// Parameters of products with quantised weights, shared by host and kernels.
#pragma once
#ifndef __METAL__
#include <cstdint>
#endif

namespace torch_metal {

/// out[m, n] = a[m, k] times weights[n, k] transposed. Everything is contiguous.
struct QuantizedMatmulParams {
  uint32_t m;
  uint32_t n;
  uint32_t k;
  uint32_t group_shift;  ///< of 4-bit weights: as many as 2 to this share a scale along k
};

}  // namespace torch_metal
