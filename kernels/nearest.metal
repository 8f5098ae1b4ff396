// Images and volumes resized to their nearest neighbours.
#include <metal_stdlib>

#include "nearest_params.h"
#include "volume.h"

using namespace metal;
using namespace torch_metal;

/// One thread an output element. Bits moves elements of its size.
template <class Bits, bool channels_last>
[[kernel]] void nearest(device Bits* out [[buffer(0)]], device const Bits* in [[buffer(1)]],
                        constant NearestParams& p [[buffer(2)]], uint3 position [[thread_position_in_grid]]) {
  const uint3 id = element_of<channels_last>(position);
  const Place place(p.out, id.x);
  uint from[3];
  for (int d = 0; d < 3; ++d) from[d] = min(uint((float(place.position[d]) + p.shift) * p.scale[d]), p.last[d]);
  out[offset_of<channels_last>(p.out_layout, id, place)] =
      in[plane_offset<channels_last>(p.in_layout, id) + spatial_offset(p.in_layout, from[0], from[1], from[2])];
}
