// Padding by reflection and replication: one thread an element of the padded tensor, in a grid whose x and y are the two
// innermost dimensions and z the rest.
#include "copy_layout.h"
#include "padding_params.h"

using namespace metal;
using namespace torch_metal;

enum class Padding { reflection, replication };

/// Which position of a dimension the padded one shows at `position`.
template <Padding mode>
static int shown(constant PaddingParams& params, uint dim, uint position) {
  const int last = params.size[dim] - 1, at = int(position) - params.before[dim];
  return mode == Padding::reflection ? last - abs(last - abs(at)) : clamp(at, 0, last);
}

/// Bits is any type of the elements' size. Along x the padded tensor is contiguous; `pads_x`: x is padded, otherwise what
/// is padded is contiguous along it, too.
template <class Bits, Padding mode, bool pads_x>
kernel void pad(device Bits* out [[buffer(0)]], device const Bits* in [[buffer(1)]],
                constant PaddingParams& params [[buffer(2)]], uint3 p [[thread_position_in_grid]]) {
  constant CopyLayout& layout = params.layout;
  int from = 0, to = 0;
  uint rest = p.z;
  for (uint d = 2; d < layout.dims; ++d) {
    const uint next = rest / layout.sizes[d], position = rest - next * layout.sizes[d];
    from += shown<mode>(params, d, position) * layout.from[d];
    to += int(position) * layout.to[d];
    rest = next;
  }
  from += shown<mode>(params, 1, p.y) * layout.from[1];
  to += int(p.y) * layout.to[1];
  const long x = pads_x ? long(shown<mode>(params, 0, p.x)) * layout.from[0] : long(p.x);
  out[to + long(p.x)] = in[from + x];
}
