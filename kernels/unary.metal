// Unary operators: one functor each, named as the operator.
#include "cephes.h"
#include "multi_tensor.h"
#include "scalar_math.h"

namespace op {

using c10::metal::is_complex_v;

template <class T>
inline T sign_of(T x) {
  return static_cast<T>((x > 0) - (x < 0));
}
inline float2 sign_of(float2 z) {
  const float r = math::abs(z);
  return r == 0 ? float2(0) : z / r;
}

template <class T>
inline auto magnitude(T x) {
  if constexpr (is_complex_v<T> || is_floating_point_v<T>) {
    return math::abs(x);
  } else if constexpr (is_signed_v<T>) {
    return static_cast<T>(x < 0 ? 0 - x : x);
  } else {
    return x;
  }
}

/// Reflected left of 0; the tangent's angle is taken from the nearest pole, which is exact.
inline float digamma_of(float x) {
  const float from_pole = x - rint(x);
  if (x >= 0 || from_pole == 0) return c10::metal::digamma(x);
  return c10::metal::digamma(1 - x) - M_PI_F / precise::tan(M_PI_F * from_pole);
}

inline float angle_of(float x) { return x != x ? x : (x < 0 ? M_PI_F : 0.0f); }
inline float angle_of(float2 z) { return math::arg(z); }

template <class T>
inline bool negative(T x) {
  if constexpr (is_floating_point_v<T>) {
    return metal::signbit(x);
  } else {
    return x < 0;
  }
}

template <class T>
inline T complement(T x) {
  if constexpr (is_same_v<T, bool>) {
    return !x;
  } else {
    return ~x;
  }
}

/// 1 - erf(x) without cancellation: exp(-x^2) erfcx(x), the square's rounding error put back.
inline float erfc_of(float x) {
  if (x < 0.5f) return 1 - c10::metal::erf(x);
  if (x > 11) return 0;
  const float square = x * x;
  return math::exp(-square) * (1 - metal::fma(x, x, -square)) * c10::metal::erfcx(x);
}
inline float log_ndtr_of(float x) {
  const float t = x * M_SQRT1_2_F;
  return x < -1 ? math::log(c10::metal::erfcx(-t) / 2) - t * t : math::log1p(-erfc_of(t) / 2);
}

/// Round half to even at a number of decimals that may be negative.
inline float round_to(float x, int decimals) {
  const float scale = metal::precise::pow(10.0f, static_cast<float>(metal::abs(decimals)));
  if (!metal::isfinite(x)) return x;
  return decimals < 0 ? metal::rint(x / scale) * scale : metal::rint(x * scale) / scale;
}

inline float polygamma_of(float x, long order) {
  return order == 1 ? c10::metal::trigamma(x) : c10::metal::polygamma(order, x);
}

inline float logit_of(float x, float eps) {
  const float z = eps < 0 ? x : metal::clamp(x, eps, 1 - eps);
  return math::log(z / (1 - z));
}

inline float nan_to_num_of(float x, float nan, float positive, float negative) {
  if (x != x) return nan;
  return x == INFINITY ? positive : (x == -INFINITY ? negative : x);
}

inline float2 nan_to_num_of(float2 x, float nan, float positive, float negative) {
  return {nan_to_num_of(x.x, nan, positive, negative), nan_to_num_of(x.y, nan, positive, negative)};
}

struct MantissaAndExponent {
  float mantissa;
  int exponent;
};
inline MantissaAndExponent mantissa_and_exponent(float x) {
  if (x == 0 || !metal::isfinite(x)) return {x, 0};
  MantissaAndExponent result;
  result.mantissa = metal::frexp(x, result.exponent);
  return result;
}

UNARY(zero, T(0))
UNARY(copy, x)
UNARY(neg, -x)
UNARY(abs, magnitude(x))
UNARY(sign, sign_of(x))
UNARY(sgn, sign_of(x))
UNARY(signbit, negative(x))
UNARY(angle, angle_of(x))
UNARY(conj_physical, math::conj(x))
UNARY(bitwise_not, complement(x))
UNARY(logical_not, !math::nonzero(x))
UNARY(isposinf, x == INFINITY)
UNARY(isneginf, x == -INFINITY)
UNARY(nan_to_num, nan_to_num_of(x, arg<float>(s, 0), arg<float>(s, 1), arg<float>(s, 2)))

UNARY(frexp_mantissa, mantissa_and_exponent(x).mantissa)
UNARY(frexp_exponent, mantissa_and_exponent(x).exponent)

UNARY(ceil, metal::ceil(x))
UNARY(floor, metal::floor(x))
UNARY(trunc, metal::trunc(x))
UNARY(round, metal::rint(x))
UNARY(round_decimals, round_to(x, arg<int>(s, 0)))
UNARY(frac, x - metal::trunc(x))

UNARY(reciprocal, math::reciprocal(x))
UNARY(sqrt, math::sqrt(x))
UNARY(rsqrt, math::rsqrt(x))
UNARY(square, math::mul(x, x))
UNARY(cube, math::mul(math::mul(x, x), x))
UNARY(reciprocal_square, math::reciprocal(math::mul(x, x)))
UNARY(exp, math::exp(x))
UNARY(exp2, math::exp2(x))
UNARY(expm1, math::expm1(x))
UNARY(log, math::log(x))
UNARY(log2, math::log2(x))
UNARY(log10, math::log10(x))
UNARY(log1p, math::log1p(x))
UNARY(sin, math::sin(x))
UNARY(cos, math::cos(x))
UNARY(tan, math::tan(x))
UNARY(asin, math::asin(x))
UNARY(acos, math::acos(x))
UNARY(atan, math::atan(x))
UNARY(sinh, math::sinh(x))
UNARY(cosh, math::cosh(x))
UNARY(tanh, math::tanh(x))
UNARY(asinh, math::asinh(x))
UNARY(acosh, math::acosh(x))
UNARY(atanh, math::atanh(x))
UNARY(sigmoid, math::sigmoid(x))
UNARY(logit, logit_of(x, arg<float>(s, 0)))

UNARY(erf, c10::metal::erf(x))
UNARY(erfc, erfc_of(x))
UNARY(erfinv, c10::metal::erfinv(x))
UNARY(lgamma, metal::isinf(x) ? INFINITY : c10::metal::log_gamma(x))
UNARY(digamma, digamma_of(x))
UNARY(polygamma, polygamma_of(x, arg<long>(s, 0)))
UNARY(i0, c10::metal::i0(x))
UNARY(sinc, c10::metal::sinc(x))
UNARY(special_i0e, c10::metal::i0e(x))
UNARY(special_i1, c10::metal::i1(x))
UNARY(special_i1e, c10::metal::i1e(x))
UNARY(special_entr, c10::metal::entr(x))
UNARY(special_erfcx, c10::metal::erfcx(x))
UNARY(special_log_ndtr, log_ndtr_of(x))
UNARY(special_ndtri, cephes::ndtri(x))
UNARY(special_airy_ai, cephes::airy_ai(x))
UNARY(special_bessel_j0, c10::metal::bessel_j0_forward(x))
UNARY(special_bessel_j1, c10::metal::bessel_j1_forward(x))
UNARY(special_bessel_y0, c10::metal::bessel_y0_forward(x))
UNARY(special_bessel_y1, c10::metal::bessel_y1_forward(x))
UNARY(special_modified_bessel_i0, c10::metal::modified_bessel_i0_forward(x))
UNARY(special_modified_bessel_i1, c10::metal::modified_bessel_i1_forward(x))
UNARY(special_modified_bessel_k0, c10::metal::modified_bessel_k0_forward(x))
UNARY(special_modified_bessel_k1, c10::metal::modified_bessel_k1_forward(x))
UNARY(special_scaled_modified_bessel_k0, c10::metal::scaled_modified_bessel_k0_forward(x))
UNARY(special_scaled_modified_bessel_k1, c10::metal::scaled_modified_bessel_k1_forward(x))
UNARY(special_spherical_bessel_j0, c10::metal::spherical_bessel_j0(x))

}  // namespace op
