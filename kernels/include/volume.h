// Where a thread's element is in an image or volume.
#pragma once
#include <metal_stdlib>

#include "divisor.h"
#include "volume_params.h"

namespace torch_metal {

/// A thread's element: a place in a grid of pixels (x), a channel (y), an image (z).
struct Place {
  uint position[3];

  Place(constant Divisor* sizes, uint pixel) {
    for (int d = 2; d > 0; --d) position[d] = sizes[d].split(pixel);
    position[0] = pixel;
  }
};

/// Pixel (x), channel (y) and image (z) of a thread. Threads run along the pixels, or along channels that lie next to
/// each other.
template <bool channels_last>
uint3 element_of(uint3 thread_position) {
  return channels_last ? thread_position.yxz : thread_position;
}

/// Where a thread's image and channel begin.
template <bool channels_last = false>
long plane_offset(constant VolumeLayout& layout, uint3 id) {
  return id.z * layout.batch + id.y * (channels_last ? 1 : layout.channel);
}

inline long spatial_offset(constant VolumeLayout& layout, uint depth, uint height, uint width) {
  return depth * layout.spatial[0] + height * layout.spatial[1] + width * layout.spatial[2];
}

template <bool channels_last = false>
long offset_of(constant VolumeLayout& layout, uint3 id, thread const Place& place) {
  return plane_offset<channels_last>(layout, id) +
         spatial_offset(layout, place.position[0], place.position[1], place.position[2]);
}

}  // namespace torch_metal
