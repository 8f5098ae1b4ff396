// Binary operators: one functor each, named as the operator. x and y have the common dtype.
#include "multi_tensor.h"
#include "orthogonal_polynomials.h"
#include "scalar_math.h"

namespace op {

using c10::metal::is_complex_v;

template <class T>
constexpr constant bool is_real_v = is_floating_point_v<T>;

/// Python's floor division: rounds towards minus infinity, exact where x / y would round up to an integer.
template <class T>
inline T floor_quotient(T x, T y) {
  if constexpr (is_real_v<T>) {
    if (y == 0) return x / y;
    const T remainder = metal::fmod(x, y);
    T q = (x - remainder) / y;
    if (remainder != 0 && (y < 0) != (remainder < 0)) q -= 1;
    if (q == 0) return metal::copysign(T(0), x / y);
    const T whole = metal::floor(q);
    return q - whole > T(0.5) ? whole + 1 : whole;
  } else {
    const T q = math::quotient(x, y), remainder = math::modulus(x, y);
    return y != 0 && remainder != 0 && (remainder < 0) != (y < 0) ? static_cast<T>(q - 1) : q;
  }
}

template <class T>
inline T trunc_quotient(T x, T y) {
  if constexpr (is_real_v<T>) {
    return metal::trunc(x / y);
  } else {
    return math::quotient(x, y);
  }
}

/// Python's %: the result has the sign of y.
template <class T>
inline T python_modulus(T x, T y) {
  const T m = math::modulus(x, y);
  return m != 0 && y != 0 && (m < 0) != (y < 0) ? static_cast<T>(m + y) : m;
}

template <class T>
inline T power(T x, T y) {
  if constexpr (is_real_v<T>) {
    return metal::precise::pow(x, y);
  } else if constexpr (is_same_v<T, bool>) {
    return x || !y;
  } else {
    return c10::metal::pow(x, y);
  }
}
inline float2 power(float2 x, float2 y) {
  if (y.x == 0 && y.y == 0) return float2(1, 0);
  return math::nonzero(x) ? math::exp(math::mul(y, math::log(x))) : float2(0);
}

template <class T>
inline T larger(T x, T y) {
  if constexpr (is_real_v<T>) {
    return x != x ? x : (y != y || y > x ? y : x);
  } else {
    return y > x ? y : x;
  }
}
template <class T>
inline T smaller(T x, T y) {
  if constexpr (is_real_v<T>) {
    return x != x ? x : (y != y || y < x ? y : x);
  } else {
    return y < x ? y : x;
  }
}
template <class T>
inline T larger_number(T x, T y) {
  return x != x || y > x ? y : x;
}
template <class T>
inline T smaller_number(T x, T y) {
  return x != x || y < x ? y : x;
}

/// Shifts by the width or more leave nothing, or the sign.
template <class T>
inline T shift_left(T x, T y) {
  constexpr int bits = sizeof(T) * 8;
  if (y < 0 || y >= static_cast<T>(bits)) return 0;
  return static_cast<T>(static_cast<ulong>(x) << static_cast<int>(y));
}
template <class T>
inline T shift_right(T x, T y) {
  constexpr int most = sizeof(T) * 8 - 1;
  if (y < 0 || y > static_cast<T>(most)) return is_signed_v<T> ? static_cast<T>(x >> most) : T(0);
  return static_cast<T>(x >> static_cast<int>(y));
}

template <class T>
inline T greatest_divisor(T x, T y) {
  x = x < 0 ? static_cast<T>(0 - x) : x;
  y = y < 0 ? static_cast<T>(0 - y) : y;
  while (y != 0) {
    const T r = x % y;
    x = y;
    y = r;
  }
  return x;
}
template <class T>
inline T least_multiple(T x, T y) {
  const T d = greatest_divisor(x, y);
  if (d == 0) return 0;
  const auto m = x / d * y;  // of int where T is narrower
  return static_cast<T>(m < 0 ? 0 - m : m);
}

/// The neighbour of x towards y, in a format whose bits Bits hold.
template <class Bits, class F>
inline F neighbour(F x, F y) {
  constexpr Bits sign = static_cast<Bits>(Bits(1) << (sizeof(Bits) * 8 - 1));
  if (x != x || y != y) return static_cast<F>(NAN);
  if (x == y) return y;
  if (x == 0) return as_type<F>(static_cast<Bits>((as_type<Bits>(y) & sign) | 1));
  const Bits bits = as_type<Bits>(x);
  return as_type<F>(static_cast<Bits>((y > x) == (x > 0) ? bits + 1 : bits - 1));
}
inline float next(float x, float y) { return neighbour<uint>(x, y); }
inline half next(half x, half y) { return neighbour<ushort>(x, y); }
inline bfloat next(bfloat x, bfloat y) { return neighbour<ushort>(x, y); }

/// log(exp(x) + exp(y)): the larger term comes out of the sum, equal infinities stay.
inline float log_sum_exp(float x, float y) { return c10::metal::logaddexp(x, y); }
inline float2 log_sum_exp(float2 x, float2 y) {
  const float2 big = x.x >= y.x ? x : y, small = x.x >= y.x ? y : x;
  return metal::isinf(big.x) ? big : big + math::log1p(math::exp(small - big));
}

inline float xlogy_of(float x, float y) { return c10::metal::xlogy(x, y); }
inline float smooth_l1_of(float z, float beta) { return z < beta ? 0.5f * z * z / beta : z - 0.5f * beta; }
inline float huber_of(float z, float delta) { return z <= delta ? 0.5f * z * z : delta * (z - 0.5f * delta); }

/// NaN stays.
template <class T>
inline T clamped(T x, T low, T high) {
  return x < low ? low : x > high ? high : x;
}

BINARY(add, x + y)
BINARY(sub, x - y)
BINARY(add_scaled, x + math::mul(y, arg<U>(s, 0)))
BINARY(add_clamped, clamped(static_cast<T>(x + y * arg<T>(s, 0)), arg<T>(s, 1), arg<T>(s, 2)))
BINARY(mul, math::mul(x, y))
BINARY(div, math::div(x, y))
BINARY(div_floor, floor_quotient(x, y))
BINARY(div_trunc, trunc_quotient(x, y))
BINARY(remainder, python_modulus(x, y))
BINARY(fmod, math::modulus(x, y))
BINARY(pow, power(x, y))
UNARY(pow_scalar, power(x, arg<T>(s, 0)))
BINARY(maximum, larger(x, y))
BINARY(minimum, smaller(x, y))
BINARY(fmax, larger_number(x, y))
BINARY(fmin, smaller_number(x, y))
BINARY(atan2, metal::precise::atan2(x, y))
BINARY(hypot, math::hypot(x, y))
BINARY(copysign, metal::copysign(x, y))
BINARY(heaviside, x == 0 ? y : static_cast<T>(x > 0))
/// F is the dtype in memory: the neighbour depends on it.
template <class F>
struct nextafter {
  static F apply(compute_t<F> x, compute_t<F> y, constant Scalars&) {
    return next(static_cast<F>(x), static_cast<F>(y));
  }
};

BINARY(bitwise_and, x & y)
BINARY(bitwise_or, x | y)
BINARY(bitwise_xor, x ^ y)
BINARY(lshift, shift_left(x, y))
BINARY(rshift, shift_right(x, y))
BINARY(gcd, greatest_divisor(x, y))
BINARY(lcm, least_multiple(x, y))
BINARY(logical_and, math::nonzero(x) && math::nonzero(y))
BINARY(logical_or, math::nonzero(x) || math::nonzero(y))
BINARY(logical_xor, math::nonzero(x) != math::nonzero(y))

BINARY(eq, math::equal(x, y))
BINARY(ne, !math::equal(x, y))
BINARY(lt, x < y)
BINARY(le, x <= y)
BINARY(gt, x > y)
BINARY(ge, x >= y)

BINARY(logaddexp, log_sum_exp(x, y))
BINARY(logaddexp2, c10::metal::logaddexp2(x, y))
BINARY(xlogy, xlogy_of(x, y))
BINARY(xlog1py, c10::metal::xlog1py(x, y))
BINARY(igamma, c10::metal::igamma(x, y))
BINARY(igammac, c10::metal::igammac(x, y))
BINARY(zeta, c10::metal::zeta(x, y))
BINARY(chebyshev_polynomial_t, c10::metal::chebyshev_polynomial_t_forward(x, static_cast<long>(y)))
BINARY(chebyshev_polynomial_u, c10::metal::chebyshev_polynomial_u_forward(x, static_cast<long>(y)))
BINARY(chebyshev_polynomial_v, c10::metal::chebyshev_polynomial_v_forward(x, static_cast<long>(y)))
BINARY(chebyshev_polynomial_w, c10::metal::chebyshev_polynomial_w_forward(x, static_cast<long>(y)))
BINARY(shifted_chebyshev_polynomial_t, c10::metal::shifted_chebyshev_polynomial_t_forward(x, static_cast<long>(y)))
BINARY(shifted_chebyshev_polynomial_u, c10::metal::shifted_chebyshev_polynomial_u_forward(x, static_cast<long>(y)))
BINARY(shifted_chebyshev_polynomial_v, c10::metal::shifted_chebyshev_polynomial_v_forward(x, static_cast<long>(y)))
BINARY(shifted_chebyshev_polynomial_w, c10::metal::shifted_chebyshev_polynomial_w_forward(x, static_cast<long>(y)))
BINARY(hermite_polynomial_h, c10::metal::hermite_polynomial_h_forward(x, static_cast<long>(y)))
BINARY(hermite_polynomial_he, c10::metal::hermite_polynomial_he_forward(x, static_cast<long>(y)))
BINARY(laguerre_polynomial_l, ::laguerre_polynomial_l(x, static_cast<long>(y)))
BINARY(legendre_polynomial_p, ::legendre_polynomial_p(x, static_cast<long>(y)))

BINARY(mse, (x - y) * (x - y))
BINARY(smooth_l1, smooth_l1_of(metal::fabs(x - y), arg<float>(s, 0)))
BINARY(huber, huber_of(metal::fabs(x - y), arg<float>(s, 0)))
BINARY(complex, float2(x, y))
BINARY(polar, math::polar(x, y))

}  // namespace op
