// The vector product of vectors of three elements.
#include <c10/metal/utils.h>
#include <metal_stdlib>

#include "accumulators.h"
#include "cross_params.h"

using namespace metal;
using namespace torch_metal;

/// One thread for each vector. Computed in float or, wrapping, in long.
template <class T>
kernel void cross_product(device T* out [[buffer(0)]], device const T* a [[buffer(1)]], device const T* b [[buffer(2)]],
                          constant CrossParams& params [[buffer(3)]], uint i [[thread_position_in_grid]]) {
  using c10::metal::mul;
  using Acc = typename Sum<T>::type;
  const Coordinates at(params.shape, i);
  device const T* const x = &at_byte(a, at.offset(params.strides[1]));
  device const T* const y = &at_byte(b, at.offset(params.strides[2]));
  device T* const z = &at_byte(out, at.offset(params.strides[0]));
  Acc u[3], v[3];
  for (uint c = 0; c < 3; ++c) {
    u[c] = Acc(x[c * params.component[1]]);
    v[c] = Acc(y[c * params.component[2]]);
  }
  for (uint c = 0; c < 3; ++c) {
    const uint d = (c + 1) % 3, e = (c + 2) % 3;
    z[c * params.component[0]] = T(mul(u[d], v[e]) - mul(u[e], v[d]));
  }
}
