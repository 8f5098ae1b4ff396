// Parameters of sliding blocks, shared by host and kernels.
#pragma once
#include "divisor.h"

namespace torch_metal {

/// An image [batch, channels, height, width] and its blocks [batch, channels * block, positions], both dense.
struct BlockParams {
  Divisor image[2];   ///< height and width
  Divisor blocks[2];  ///< how many there are, down and across
  Divisor block[2];   ///< size of one
  Divisor stride[2];
  int32_t padding[2];
  int32_t dilation[2];
};

/// Windows along one dimension: tensors [outer, size, inner] and [outer, windows, inner, window], both dense.
struct WindowParams {
  uint32_t size;
  uint32_t windows;
  uint32_t window;
  uint32_t step;
  uint32_t inner;
};

}  // namespace torch_metal
