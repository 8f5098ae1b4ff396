// Images seen as volumes, so that one kernel serves two and three spatial dimensions.
#pragma once

#include <ATen/core/Tensor.h>

#include "ops/elementwise.h"
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

/// Whether the channels of all lie next to each other.
template <class... Volumes>
bool have_channels_last(const Volumes&... volumes) {
  return ((volumes.size(1) > 1 && volumes.stride(1) == 1) && ...);
}

/// One thread for each element of `volumes`: pixels, channels, images, or channels first.
inline Extent elements_of(const at::Tensor& volumes, bool channels_last = false) {
  const auto pixels = static_cast<uint64_t>(volumes.size(2) * volumes.size(3) * volumes.size(4));
  const auto channels = static_cast<uint64_t>(volumes.size(1)), images = static_cast<uint64_t>(volumes.size(0));
  return channels_last ? Extent{channels, pixels, images} : Extent{pixels, channels, images};
}

/// Threadgroups of elements_of().
inline Extent threadgroup_of_elements(const Extent& grid, bool channels_last) {
  return channels_last ? threadgroup_of(grid) : Extent{64};
}

}  // namespace torch_metal
