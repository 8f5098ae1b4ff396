// Sequences of different lengths: packed one after the other, from offsets[b] to offsets[b + 1], or padded to one length.
#include <c10/metal/error.h>
#include <metal_stdlib>

#include "jagged_params.h"

using namespace metal;
using namespace torch_metal;

/// One thread for each element of the padded tensor [batch, length, inner].
template <class T, class I>
[[kernel]] void jagged_to_padded(device T* padded [[buffer(0)]], device const T* packed [[buffer(1)]],
                                 device const I* offsets [[buffer(2)]], device const T* padding [[buffer(3)]],
                                 constant JaggedParams& p [[buffer(4)]],
                                 device c10::metal::ErrorMessages* errors [[buffer(5)]],
                                 uint3 id [[thread_position_in_grid]]) {
  const long begin = offsets[id.z], end = offsets[id.z + 1];
  if (begin < 0 || end > long(p.packed)) {
    if (id.x == 0 && id.y == 0) {
      TORCH_REPORT_ERROR(errors, "sequence ", id.z, " from ", begin, " to ", end, " is not within the ",
                         long(p.packed), " positions of the values");
    }
    return;
  }
  const bool inside = begin + long(id.y) < end;
  padded[(id.z * p.length + id.y) * p.inner + id.x] = inside ? packed[(begin + id.y) * p.inner + id.x] : *padding;
}

/// One thread for each element of the packed tensor [packed, inner]. What the padded one has cut off is zero.
template <class T, class I>
[[kernel]] void padded_to_jagged(device T* packed [[buffer(0)]], device const T* padded [[buffer(1)]],
                                 device const I* offsets [[buffer(2)]], constant JaggedParams& p [[buffer(3)]],
                                 uint2 id [[thread_position_in_grid]]) {
  ulong low = 0, high = p.batch;  // the sequence of this position: the last that does not begin after it
  while (high - low > 1) {
    const ulong middle = (low + high) / 2;
    if (long(offsets[middle]) <= long(id.y)) {
      low = middle;
    } else {
      high = middle;
    }
  }
  const long position = long(id.y) - long(offsets[low]);
  const bool inside = position >= 0 && position < long(p.length) && long(id.y) < long(offsets[low + 1]);
  packed[id.y * p.inner + id.x] = inside ? padded[(low * p.length + position) * p.inner + id.x] : T(0);
}
