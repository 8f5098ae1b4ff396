// Parameters of resizing to nearest neighbours, shared by host and kernels.
#pragma once
#include "divisor.h"
#include "volume_params.h"

namespace torch_metal {

/// Position i of the output takes (i + shift) * scale, rounded down, of the input, in each dimension.
struct NearestParams {
  Divisor out[3];    ///< sizes
  uint32_t last[3];  ///< positions of the input
  float scale[3];
  float shift;
  VolumeLayout out_layout, in_layout;
};

}  // namespace torch_metal
