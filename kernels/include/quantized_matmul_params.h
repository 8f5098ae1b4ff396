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
  uint32_t group;  ///< of 4-bit weights: how many along k share a scale
};

}  // namespace torch_metal
