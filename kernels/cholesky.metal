// Cholesky factorisation of blocks of at most 32 rows.
#include <metal_stdlib>

#include "cholesky_params.h"
#include "scalar_math.h"

using namespace metal;
using namespace torch_metal;

static float real_part(float x) { return x; }
static float real_part(float2 z) { return z.x; }
static void set_real(thread float& x, float value) { x = value; }
static void set_real(thread float2& z, float value) { z = float2(value, 0); }

/// Matrices of at most `width` rows, several to a SIMD-group: each has `width` lanes, a lane has a row of its lower
/// triangle in its registers.
template <class T, int width>
kernel void factor_block(device T* a [[buffer(0)]], device int* info [[buffer(1)]],
                         constant CholeskyParams& params [[buffer(2)]], uint thread_index [[thread_position_in_grid]],
                         ushort lane [[thread_index_in_simdgroup]]) {
  const uint row = thread_index % width, batch = thread_index / width, n = params.size;
  const ushort first_lane = lane - row;
  const bool is_left = info[batch] == 0;
  device T* const elements = a + batch * params.a.batch + row * params.a.row;
  T values[width];
  for (uint k = 0; k < width; ++k) values[k] = row < n && k <= row ? elements[k * params.a.column] : T(0);
  uint failed = 0;  // the order of the first leading minor that is not positive
#pragma unroll
  for (uint j = 0; j < width; ++j) {
    if (j >= n) continue;
    const float diagonal = simd_shuffle(real_part(values[j]), ushort(first_lane + j));
    if (failed == 0 && !(diagonal > 0)) failed = params.start + j + 1;
    const float root = precise::sqrt(diagonal);
    if (row == j) set_real(values[j], root);
    if (row > j) values[j] /= root;
    for (uint k = j + 1; k < width; ++k) {
      const T other = simd_shuffle(values[j], ushort(first_lane + k));
      if (row >= k) values[k] -= math::mul(values[j], math::conj(other));
    }
  }
  if (!is_left) return;
  if (failed != 0) {
    if (row == 0) info[batch] = int(failed);
    return;
  }
  for (uint k = 0; k < width; ++k)
    if (row < n && k <= row) elements[k * params.a.column] = values[k];
}
