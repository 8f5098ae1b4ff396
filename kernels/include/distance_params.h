// Parameters of distances, shared by host and kernels.
#pragma once
#ifndef __METAL__
#include <cstdint>
#endif

namespace torch_metal {

/// Two sets of rows of `size` elements, and the order of the norm of their differences.
struct DistanceParams {
  uint32_t rows1;
  uint32_t rows2;
  uint32_t size;
  float p;
};

}  // namespace torch_metal
