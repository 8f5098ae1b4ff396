// Distances between the rows of two matrices: norms of differences.
//
// A norm has map(difference, p), combine(sum, mapped), finish(sum, p), and backward(difference, grad, distance, p): the
// gradient of the distance with respect to one difference, times grad. Where a norm has a kink its gradient is 0.
#include <metal_stdlib>

#include "distance_params.h"

using namespace metal;
using namespace torch_metal;

namespace torch_metal {

struct norm_any {
  static float map(float d, float p) { return precise::pow(fabs(d), p); }
  static float combine(float sum, float mapped) { return sum + mapped; }
  static float finish(float sum, float p) { return precise::pow(sum, 1 / p); }
  static float backward(float d, float grad, float distance, float p) {
    if (distance == 0 || (d == 0 && p < 2)) return 0;
    return sign(d) * precise::pow(fabs(d), p - 1) * grad / precise::pow(distance, p - 1);
  }
};

/// How many elements differ.
struct norm_zero : norm_any {
  static float map(float d, float) { return isnan(d) ? d : float(d != 0); }
  static float finish(float sum, float) { return sum; }
  static float backward(float, float, float, float) { return 0; }
};

struct norm_one : norm_any {
  static float map(float d, float) { return fabs(d); }
  static float finish(float sum, float) { return sum; }
  static float backward(float d, float grad, float, float) { return grad * sign(d); }
};

struct norm_two : norm_any {
  static float map(float d, float) { return d * d; }
  static float finish(float sum, float) { return precise::sqrt(sum); }
  static float backward(float d, float grad, float distance, float) { return distance == 0 ? 0 : grad * d / distance; }
};

struct norm_max : norm_one {
  static float combine(float most, float mapped) { return mapped > most || isnan(mapped) ? mapped : most; }
  static float backward(float d, float grad, float distance, float) {
    return fabs(d) == distance ? grad * sign(d) : 0;
  }
};

/// Where pair (i, j), i < j, of n rows stands in a condensed matrix of distances.
inline ulong condensed_index(ulong i, ulong j, ulong n) { return i * (2 * n - i - 1) / 2 + j - i - 1; }

}  // namespace torch_metal

/// One thread for each pair of rows; `columns` is the second matrix, transposed. Condensed: for i < j alone.
template <class T, class Norm, bool condensed>
kernel void distances(device T* out [[buffer(0)]], device const T* rows [[buffer(1)]],
                      device const T* columns [[buffer(2)]], constant DistanceParams& params [[buffer(3)]],
                      uint3 position [[thread_position_in_grid]]) {
  const ulong i = position.y, j = position.x, batch = position.z;
  if (condensed && i >= j) return;
  device const T* row = rows + (batch * params.rows1 + i) * params.size;
  device const T* column = columns + batch * params.size * params.rows2 + j;
  float sum = 0;
  for (ulong k = 0; k < params.size; ++k) {
    sum = Norm::combine(sum, Norm::map(float(row[k]) - float(column[k * params.rows2]), params.p));
  }
  const ulong at = condensed ? condensed_index(i, j, params.rows1) : (batch * params.rows1 + i) * params.rows2 + j;
  out[at] = T(Norm::finish(sum, params.p));
}

/// One thread for each element of the first matrix.
template <class T, class Norm, bool condensed>
kernel void distances_backward(device T* out [[buffer(0)]], device const T* grad [[buffer(1)]],
                               device const T* x1 [[buffer(2)]], device const T* x2 [[buffer(3)]],
                               device const T* distances [[buffer(4)]], constant DistanceParams& params [[buffer(5)]],
                               uint3 position [[thread_position_in_grid]]) {
  const ulong k = position.x, i = position.y, batch = position.z;
  const ulong element = (batch * params.rows1 + i) * params.size + k;
  const float x = float(x1[element]);
  float sum = 0;
  for (ulong j = 0; j < params.rows2; ++j) {
    if (condensed && i == j) continue;
    const ulong pair = condensed ? condensed_index(min(i, j), max(i, j), params.rows1)
                                 : (batch * params.rows1 + i) * params.rows2 + j;
    const float d = x - float(x2[(batch * params.rows2 + j) * params.size + k]);
    sum += Norm::backward(d, float(grad[pair]), float(distances[pair]), params.p);
  }
  out[element] = T(sum);
}
