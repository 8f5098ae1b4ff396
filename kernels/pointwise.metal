// Operators of three inputs, and those that select or clamp.
#include "multi_tensor.h"
#include "scalar_math.h"

namespace op {

/// NaN in the value stays; among bounds it spreads.
template <class T>
inline T at_least(T x, T low) {
  return x < low || low != low ? low : x;
}
template <class T>
inline T at_most(T x, T high) {
  return x > high || high != high ? high : x;
}
template <class T>
inline T clamp_between(T x, T low, T high) {
  return x != x ? x : at_most(at_least(x, low), high);
}

/// The form that is exact at the nearer end.
inline float interpolate(float x, float y, float w) {
  return metal::fabs(w) < 0.5f ? x + w * (y - x) : y - (y - x) * (1 - w);
}
inline float2 interpolate(float2 x, float2 y, float2 w) {
  return metal::dot(w, w) < 0.25f ? x + math::mul(w, y - x) : y - math::mul(y - x, float2(1, 0) - w);
}

inline float smooth_l1_slope(float x, float beta) { return x <= -beta ? -1 : (x >= beta ? 1 : x / beta); }
inline float huber_slope(float x, float delta) { return metal::clamp(x, -delta, delta); }

TERNARY(where, x ? y : z)
BINARY(masked_fill, x ? arg<U>(s, 0) : y)
BINARY(masked_scale, x ? y * arg<U>(s, 0) : 0)
TERNARY(lerp, interpolate(x, y, z))
BINARY(lerp_scalar, interpolate(x, y, arg<T>(s, 0)))
TERNARY(addcmul, x + math::mul(math::mul(arg<T>(s, 0), y), z))
TERNARY(addcdiv, x + math::div(math::mul(arg<T>(s, 0), y), z))
TERNARY(clamp_tensor, clamp_between(x, y, z))
UNARY(clamp, clamp_between(x, arg<T>(s, 0), arg<T>(s, 1)))
UNARY(clamp_min, at_least(x, arg<T>(s, 0)))
UNARY(clamp_max, at_most(x, arg<T>(s, 0)))

// Losses: x input, y target, z gradient. Number 0 is the factor of the mean.
TERNARY(mse_backward, arg<float>(s, 0) * (x - y) * z)
TERNARY(smooth_l1_backward, arg<float>(s, 0) * smooth_l1_slope(x - y, arg<float>(s, 1)) * z)
TERNARY(huber_backward, arg<float>(s, 0) * huber_slope(x - y, arg<float>(s, 1)) * z)

}  // namespace op
