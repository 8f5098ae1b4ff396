// Numbers with a derivative: forward-mode differentiation of what is computed with them.
#pragma once

#include <metal_stdlib>

/// A value and its derivative by one variable.
struct Dual {
  float value, slope;
};

inline Dual constant_dual(float x) { return {x, 0}; }
inline Dual operator+(Dual a, Dual b) { return {a.value + b.value, a.slope + b.slope}; }
inline Dual operator-(Dual a, Dual b) { return {a.value - b.value, a.slope - b.slope}; }
inline Dual operator*(Dual a, Dual b) { return {a.value * b.value, a.slope * b.value + a.value * b.slope}; }
inline Dual operator/(Dual a, Dual b) {
  const float quotient = a.value / b.value;
  return {quotient, (a.slope - quotient * b.slope) / b.value};
}
inline Dual operator+(Dual a, float b) { return {a.value + b, a.slope}; }
inline Dual operator-(Dual a, float b) { return {a.value - b, a.slope}; }
inline Dual operator*(Dual a, float b) { return {a.value * b, a.slope * b}; }
inline Dual operator/(float a, Dual b) { return constant_dual(a) / b; }

/// A continued fraction 1 / (b0 + a1 / (b1 + a2 / (b2 + ...))) in the making (Lentz; Thompson and Barnett).
struct ContinuedFraction {
  Dual value, numerator, denominator;

  explicit ContinuedFraction(Dual b0) : value(1.0f / b0), numerator({1e30f, 0}), denominator(1.0f / b0) {}

  /// Takes the next a and b; whether they changed the value or its slope by more than rounding does.
  bool extend(Dual a, Dual b) {
    denominator = 1.0f / (a * denominator + b);
    numerator = b + a / numerator;
    const Dual factor = numerator * denominator;
    const float change = factor.slope * value.value;
    const float rounding = metal::fabs(numerator.slope * denominator.value * value.value);
    value = value * factor;
    return metal::fabs(factor.value - 1) > 5e-7f ||
           metal::fabs(change) > 1e-6f * metal::fabs(value.slope) + 5e-7f * rounding;
  }
};
