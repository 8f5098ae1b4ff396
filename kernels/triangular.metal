// Triangular systems of at most kTriangularBlock rows.
#include <metal_stdlib>

#include "scalar_math.h"
#include "triangular_params.h"

using namespace metal;
using namespace torch_metal;

/// One thread for each right-hand side, by substitution from the row of one element on.
template <class T>
kernel void solve_block(device T* x [[buffer(0)]], device const T* a [[buffer(1)]],
                        constant TriangularParams& params [[buffer(2)]], uint2 position [[thread_position_in_grid]]) {
  a += position.y * params.a.batch;
  x += position.y * params.x.batch + position.x * params.x.column;
  const uint n = params.size;
  T known[kTriangularBlock];
  for (uint i = 0; i < n; ++i) {
    const uint row = params.upper ? n - 1 - i : i;
    T value = x[row * params.x.row];
    for (uint j = 0; j < i; ++j) {
      const uint column = params.upper ? n - 1 - j : j;
      value -= math::mul(a[row * params.a.row + column * params.a.column], known[j]);
    }
    if (!params.unit) value = math::div(value, a[row * params.a.row + row * params.a.column]);
    known[i] = value;
    x[row * params.x.row] = value;
  }
}
