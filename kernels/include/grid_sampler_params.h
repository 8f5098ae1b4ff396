// Parameters of sampling at the points of a grid, shared by host and kernels.
#pragma once
#include "divisor.h"
#include "volume_params.h"

namespace torch_metal {

/// What lies outside of the input: nothing, its border, its mirror image. Numbered as PyTorch does.
enum SamplerPadding : uint32_t { kZeroPadding, kBorderPadding, kReflectionPadding };

struct GridSamplerParams {
  int32_t in[3];   ///< sizes
  Divisor out[3];  ///< sizes, which the grid has too
  uint32_t channels;
  VolumeLayout in_layout;
  VolumeLayout out_layout;
  VolumeLayout grid_layout;       ///< the channels are coordinates, width first
  VolumeLayout grad_grid_layout;
  uint32_t padding;
  uint32_t align_corners;  ///< -1 and 1 are the centers of the outermost pixels, not their outer edges
  uint32_t has_grad_in;
};

}  // namespace torch_metal
