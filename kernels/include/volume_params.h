// Images and volumes, shared by host and kernels. One and two spatial dimensions are three with size 1.
#pragma once
#ifndef __METAL__
#include <cstdint>
#endif

namespace torch_metal {

/// Element strides of a tensor [batch, channel, depth, height, width].
struct VolumeLayout {
  int64_t batch;
  int64_t channel;
  int64_t spatial[3];
};

}  // namespace torch_metal
