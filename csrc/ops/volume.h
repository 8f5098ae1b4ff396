// Images seen as volumes, so that one kernel serves two and three spatial dimensions.
#pragma once

#include <ATen/core/Tensor.h>

#include "runtime/launch.h"
#include "volume_params.h"

namespace torch_metal {

/// [batch, channel, depth, height, width], of a tensor with `spatial` (2 or 3) spatial dimensions and perhaps no batch.
inline at::Tensor as_volumes(const at::Tensor& tensor, int64_t spatial) {
  at::Tensor volumes = tensor.dim() == spatial + 1 ? tensor.unsqueeze(0) : tensor;
  return spatial == 2 ? volumes.unsqueeze(2) : volumes;
}

inline VolumeLayout layout_of(const at::Tensor& volumes) {
  return {volumes.stride(0), volumes.stride(1), {volumes.stride(2), volumes.stride(3), volumes.stride(4)}};
}

/// One thread for each element of `volumes`: pixels, channels, images.
inline Extent elements_of(const at::Tensor& volumes) {
  return {static_cast<uint64_t>(volumes.size(2) * volumes.size(3) * volumes.size(4)),
          static_cast<uint64_t>(volumes.size(1)), static_cast<uint64_t>(volumes.size(0))};
}

}  // namespace torch_metal
