// Parameters of pooling, shared by host and kernels.
#pragma once
#include "divisor.h"
#include "volume_params.h"

namespace torch_metal {

/// Which windows of the input (the larger side, usually) make the output.
struct PoolingParams {
  Divisor in[3];   ///< sizes
  Divisor out[3];  ///< sizes
  VolumeLayout in_layout;
  VolumeLayout out_layout;
  VolumeLayout index_layout;  ///< of what max pooling chose, in the output
  uint32_t adaptive;          ///< windows split the input evenly; what follows is unused but
  uint32_t wide;              ///< products of sizes need 64 bits
  int32_t window[3];
  Divisor stride[3];
  int32_t padding[3];
  int32_t dilation[3];
  uint32_t count_padding;  ///< averages count what is padded
  int32_t divisor;         ///< of averages, 0: the number of elements
};

}  // namespace torch_metal
