// Interpolation along one dimension: a sparse matrix, given by rows, times each line of the input.
#include <metal_stdlib>

#include "interpolation_params.h"

using namespace metal;
using namespace torch_metal;

/// One thread an output element: position and inner index (x), outer index (y). Row i has the entries
/// starts[i] <= k < starts[i + 1]. Bytes are computed in integers and rounded, as PyTorch does.
template <class Out, class In>
[[kernel]] void interpolate(device Out* out [[buffer(0)]], device const In* in [[buffer(1)]],
                            device const int* starts [[buffer(2)]], device const int* sources [[buffer(3)]],
                            device const float* weights [[buffer(4)]], constant InterpolationParams& p [[buffer(5)]],
                            uint2 id [[thread_position_in_grid]]) {
  uint position = id.x;
  const uint inner = p.inner.split(position);
  in += id.y * long(p.in_size) * p.inner.value + inner;
  const long to = (id.y * long(p.out_size) + position) * p.inner.value + inner;
  const int end = starts[position + 1];
  if constexpr (is_same_v<In, uchar>) {
    int sum = 1 << (p.precision - 1);
    for (int k = starts[position]; k < end; ++k) sum += int(weights[k]) * int(in[sources[k] * long(p.inner.value)]);
    out[to] = Out(clamp(sum >> p.precision, 0, 255));
  } else {
    float sum = 0;
    for (int k = starts[position]; k < end; ++k) sum += weights[k] * float(in[sources[k] * long(p.inner.value)]);
    out[to] = Out(sum);
  }
}
