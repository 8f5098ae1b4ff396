// Cholesky factorisation of blocks of at most 32 rows.
#include <metal_stdlib>

#include "cholesky_params.h"
#include "scalar_math.h"

using namespace metal;
using namespace torch_metal;

constant constexpr uint kBlock = 32;

static float real_part(float x) { return x; }
static float real_part(float2 z) { return z.x; }
static void set_real(thread float& x, float value) { x = value; }
static void set_real(thread float2& z, float value) { z = float2(value, 0); }

/// One SIMD-group for each matrix, one lane for each row of its lower triangle.
template <class T>
kernel void factor_block(device T* a [[buffer(0)]], device int* info [[buffer(1)]],
                         constant CholeskyParams& params [[buffer(2)]], uint batch [[threadgroup_position_in_grid]],
                         uint row [[thread_index_in_simdgroup]]) {
  if (info[batch] != 0) return;
  const uint n = params.size;
  device T* const elements = a + batch * params.a.batch + row * params.a.row;
  T values[kBlock];
  for (uint k = 0; k < n; ++k) values[k] = row < n && k <= row ? elements[k * params.a.column] : T(0);
  for (uint j = 0; j < n; ++j) {
    const float diagonal = simd_shuffle(real_part(values[j]), ushort(j));
    if (!(diagonal > 0)) {
      if (row == 0) info[batch] = int(params.start + j + 1);
      return;
    }
    const float root = precise::sqrt(diagonal);
    if (row == j) set_real(values[j], root);
    if (row > j) values[j] /= root;
    for (uint k = j + 1; k < n; ++k) {
      const T other = simd_shuffle(values[j], ushort(k));
      if (row >= k) values[k] -= math::mul(values[j], math::conj(other));
    }
  }
  for (uint k = 0; k < n; ++k) {
    if (row < n && k <= row) elements[k * params.a.column] = values[k];
  }
}
