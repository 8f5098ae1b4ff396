// Elementary functions under one name for real and complex numbers: float, and float2 as real and imaginary part.
// (The functions of metal:: on a float2 work on its components.)
#pragma once

#include <c10/metal/special_math.h>
#include <metal_stdlib>

namespace math {

using cfloat = float2;

#define REAL(name) \
  inline float name(float x) { return ::metal::precise::name(x); }
REAL(exp) REAL(exp2) REAL(log) REAL(log2) REAL(log10) REAL(sqrt) REAL(rsqrt)
REAL(sin) REAL(cos) REAL(tan) REAL(asin) REAL(acos) REAL(atan)
REAL(sinh) REAL(cosh) REAL(tanh) REAL(asinh) REAL(acosh) REAL(atanh)
#undef REAL

inline float log1p(float x) { return ::c10::metal::log1p(x); }
/// By way of the hyperbolic tangent, which loses nothing near 0 (c10::metal::expm1f loses digits far from it).
inline float expm1(float x) { return tanh(0.5f * x) * (exp(x) + 1); }
inline float abs(float x) { return ::metal::fabs(x); }
inline float hypot(float x, float y) {
  const float a = abs(x), b = abs(y);
  if (::metal::isinf(a) || ::metal::isinf(b)) return INFINITY;
  return a == 0 && b == 0 ? 0 : ::c10::metal::hypot(a, b);
}

template <class T>
inline T mul(T x, T y) {
  return x * y;
}
inline cfloat mul(cfloat x, cfloat y) { return cfloat(x.x * y.x - x.y * y.y, x.x * y.y + x.y * y.x); }

template <class T>
inline T div(T x, T y) {
  return x / y;
}
/// Smith's method: scaling by the larger part keeps |y|^2 from overflowing.
inline cfloat div(cfloat x, cfloat y) {
  if (abs(y.x) >= abs(y.y)) {
    if (y.x == 0 && y.y == 0) return cfloat(x.x / abs(y.x), x.y / abs(y.x));
    const float r = y.y / y.x, d = y.x + y.y * r;
    return cfloat(x.x + x.y * r, x.y - x.x * r) / d;
  }
  const float r = y.x / y.y, d = y.x * r + y.y;
  return cfloat(x.x * r + x.y, x.y * r - x.x) / d;
}

template <class T>
inline T conj(T x) {
  return x;
}
inline cfloat conj(cfloat z) { return cfloat(z.x, -z.y); }

template <class T>
inline bool equal(T x, T y) {
  return x == y;
}
inline bool equal(cfloat x, cfloat y) { return x.x == y.x && x.y == y.y; }
template <class T>
inline bool nonzero(T x) {
  return x != 0;
}
inline bool nonzero(cfloat z) { return z.x != 0 || z.y != 0; }

inline float abs(cfloat z) { return hypot(z.x, z.y); }
inline float arg(cfloat z) { return ::metal::precise::atan2(z.y, z.x); }

/// z times i, and z times -i.
inline cfloat times_i(cfloat z) { return cfloat(-z.y, z.x); }
inline cfloat over_i(cfloat z) { return cfloat(z.y, -z.x); }

inline cfloat polar(float radius, float angle) {
  return angle == 0 ? cfloat(radius, angle) : radius * cfloat(cos(angle), sin(angle));
}
inline cfloat exp(cfloat z) { return polar(exp(z.x), z.y); }
inline cfloat exp2(cfloat z) { return exp(z * M_LN2_F); }
inline cfloat log(cfloat z) {
  const float r = abs(z);
  // Near the unit circle the logarithm of |z| is what is left of |z|^2 - 1.
  const bool near_one = r > 0.5f && r < 2.0f;
  return cfloat(near_one ? 0.5f * log1p((abs(z.x) - 1) * (abs(z.x) + 1) + z.y * z.y) : log(r), arg(z));
}
inline cfloat log2(cfloat z) { return log(z) * M_LOG2E_F; }
inline cfloat log10(cfloat z) { return log(z) * M_LOG10E_F; }
inline cfloat log1p(cfloat z) {
  if (abs(z) > 0.5f) return log(cfloat(z.x + 1, z.y));
  return cfloat(0.5f * log1p(z.x * (2 + z.x) + z.y * z.y), ::metal::precise::atan2(z.y, z.x + 1));
}
inline cfloat expm1(cfloat z) {
  const float s = sin(0.5f * z.y);
  return cfloat(expm1(z.x) * cos(z.y) - 2 * s * s, exp(z.x) * sin(z.y));
}
inline cfloat sqrt(cfloat z) {
  if (z.x == 0 && z.y == 0) return cfloat(0, z.y);
  const float t = sqrt(0.5f * (abs(z.x) + abs(z)));
  return z.x >= 0 ? cfloat(t, z.y / (2 * t)) : cfloat(abs(z.y) / (2 * t), ::metal::copysign(t, z.y));
}
inline cfloat rsqrt(cfloat z) { return div(cfloat(1, 0), sqrt(z)); }

inline cfloat sinh(cfloat z) { return cfloat(sinh(z.x) * cos(z.y), cosh(z.x) * sin(z.y)); }
inline cfloat cosh(cfloat z) { return cfloat(cosh(z.x) * cos(z.y), sinh(z.x) * sin(z.y)); }
inline cfloat sin(cfloat z) { return over_i(sinh(times_i(z))); }
inline cfloat cos(cfloat z) { return cosh(times_i(z)); }
/// Kahan's formula; for large |x| the fraction's parts would overflow.
inline cfloat tanh(cfloat z) {
  if (abs(z.x) > 11) {
    return cfloat(::metal::copysign(1.0f, z.x), 4 * sin(z.y) * cos(z.y) * exp(-2 * abs(z.x)));
  }
  const float t = tan(z.y), s = sinh(z.x);
  const float b = 1 + t * t, rho = sqrt(1 + s * s);
  if (::metal::isinf(t)) return cfloat(rho / s, 1 / t);
  return cfloat(b * rho * s, t) / (1 + b * s * s);
}
inline cfloat tan(cfloat z) { return over_i(tanh(times_i(z))); }

// Kahan, "Branch cuts for complex elementary functions".
inline cfloat asin(cfloat z) {
  const cfloat p = sqrt(cfloat(1 - z.x, -z.y)), q = sqrt(cfloat(1 + z.x, z.y));
  return cfloat(::metal::precise::atan2(z.x, mul(p, q).x), asinh(mul(conj(p), q).y));
}
inline cfloat acos(cfloat z) {
  const cfloat p = sqrt(cfloat(1 - z.x, -z.y)), q = sqrt(cfloat(1 + z.x, z.y));
  return cfloat(2 * ::metal::precise::atan2(p.x, q.x), asinh(mul(conj(q), p).y));
}
inline cfloat acosh(cfloat z) {
  const cfloat p = sqrt(cfloat(z.x - 1, z.y)), q = sqrt(cfloat(z.x + 1, z.y));
  return cfloat(asinh(mul(conj(p), q).x), 2 * ::metal::precise::atan2(p.y, q.x));
}
inline cfloat atanh(cfloat z) {
  const float x = abs(z.x), d = (1 - x) * (1 - x) + z.y * z.y;
  return cfloat(::metal::copysign(0.25f * log1p(4 * x / d), z.x),
                0.5f * ::metal::precise::atan2(2 * z.y, (1 - x) * (1 + x) - z.y * z.y));
}
inline cfloat asinh(cfloat z) { return over_i(asin(times_i(z))); }
inline cfloat atan(cfloat z) { return over_i(atanh(times_i(z))); }

template <class T>
inline T reciprocal(T x) {
  return 1 / x;
}
inline cfloat reciprocal(cfloat z) { return div(cfloat(1, 0), z); }
inline float sigmoid(float x) { return 1 / (1 + exp(-x)); }
inline cfloat sigmoid(cfloat z) {
  const cfloat e = exp(-z);
  return reciprocal(cfloat(1 + e.x, e.y));
}

/// x / y as integers. Where there is no quotient all bits are set, as on GPUs; nothing traps.
template <class T>
inline T quotient(T x, T y) {
  if (y == 0) return static_cast<T>(-1);
  if (::metal::is_signed_v<T> && y == static_cast<T>(-1)) return static_cast<T>(0 - x);
  return x / y;
}
/// The remainder of `quotient`, with the sign of x; x itself if y is 0.
template <class T>
inline T modulus(T x, T y) {
  if (y == 0) return x;
  if (::metal::is_signed_v<T> && y == static_cast<T>(-1)) return 0;
  return x % y;
}
inline float modulus(float x, float y) { return ::metal::fmod(x, y); }

}  // namespace math
