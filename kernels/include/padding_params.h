// Parameters of padding, shared by host and kernel.
#pragma once
#include "copy_params.h"

namespace torch_metal {

/// Dimensions as in the layout, whose sizes are those of the padded tensor. One that is not padded has nothing before.
struct PaddingParams {
  CopyLayout layout;
  int32_t before[kMaxCopyDims];
  int32_t size[kMaxCopyDims];  ///< of what is padded
};

}  // namespace torch_metal
