// How samples move with the parameters of their distribution while their quantile stays: d(sample) / d(parameter) =
// -(d(cdf) / d(parameter)) / density.
#include "dual.h"
#include "elementwise.h"

namespace {

constant constexpr uint kMostTerms = 2000;

/// log(a) - digamma(a), for a > 0.
float log_over_digamma(float a) {
  constexpr uint kSteps = 6;
  const float high = a + kSteps, square = high * high;
  float sum = (0.5f + (1 / 12.0f - (1 / 120.0f - 1 / 252.0f / square) / square) / high) / high;
  if (a > 1e5f) return 0.5f / a;
  for (uint k = 0; k < kSteps; ++k) sum += 1 / (a + k);
  return sum + precise::log(a / high);
}

// ---- Gamma: cdf P(a, x) = 1 - Q(a, x), density x^(a - 1) exp(-x) / gamma(a) ----

/// P = density * x / a * (1 + x / (a + 1) + x^2 / ((a + 1) (a + 2)) + ...), for x below a + 1.
float gamma_gradient_by_series(float a, float x) {
  Dual term{1, 0}, sum{1, 0};
  for (uint n = 1; n < kMostTerms && term.value > 1e-8f * sum.value; ++n) {
    term = term * x / Dual{a + n, 1};
    sum = sum + term;
  }
  const float log_ratio = precise::log(x / (a + 1)) + log_over_digamma(a + 1);
  return -x / a * (sum.value * log_ratio + sum.slope);
}

/// Q = density * x * F, for x above a + 1; F = 1 / (x + 1 - a - (1 - a) / (x + 3 - a - 2 (2 - a) / (x + 5 - a - ...))).
float gamma_gradient_by_fraction(float a, float x) {
  const Dual b{x + 1 - a, -1};
  ContinuedFraction fraction(b);
  for (uint n = 1; n < kMostTerms; ++n)
    if (!fraction.extend(Dual{a - n, 1} * n, b + 2 * n)) break;
  const float log_ratio = precise::log(x / a) + log_over_digamma(a);
  return x * (fraction.value.value * log_ratio + fraction.value.slope);
}

/// Of Cornish and Fisher's expansion of the quantile, at the normal quantile z that Wilson and Hilferty give.
float gamma_gradient_by_expansion(float a, float x) {
  const float root = precise::sqrt(a), z = 3 * root * (precise::pow(x / a, 1 / 3.0f) - 1 + 1 / (9 * a));
  return 1 + z / (2 * root) - z * (z * z - 7) / (72 * a * root);
}

float gamma_gradient(float a, float x) {
  if (x == 0) return 0;
  if (a > 1000) return gamma_gradient_by_expansion(a, x);
  return x <= a + 1 ? gamma_gradient_by_series(a, x) : gamma_gradient_by_fraction(a, x);
}

// ---- Beta: cdf I_x(a, b) = 1 - I_(1 - x)(b, a), density x^(a - 1) (1 - x)^(b - 1) / B(a, b) ----

/// I_x(a, b) / (density * x (1 - x)), for x below (a + 1) / (a + b + 2).
Dual beta_fraction(Dual a, Dual b, float x) {
  ContinuedFraction fraction(constant_dual(1));
  const Dual one = constant_dual(1);
  for (uint m = 0; m < kMostTerms; ++m) {
    const float k = m;
    const Dual even = a + 2 * k;
    const Dual odd_step = (a + k) * (a + b + k) * -x / (even * (even + 1.0f));
    const Dual even_step = (b - (k + 1)) * (x * (k + 1)) / ((even + 1.0f) * (even + 2.0f));
    const bool changed = fraction.extend(odd_step, one);
    if (!fraction.extend(even_step, one) && !changed) break;
  }
  return fraction.value / a;
}

/// Of a sample x from Beta(a, b) by a, over 1 - x.
float beta_gradient(float a, float b, float x) {
  if (x <= 0) return 0;
  const float log_ratio = precise::log(x * ((a + b) / a)) + log_over_digamma(a) - log_over_digamma(a + b);
  const bool below = x * (a + b + 2) <= a + 1;
  const Dual share = below ? beta_fraction({a, 1}, {b, 0}, x) : beta_fraction({b, 0}, {a, 1}, 1 - x);
  const float gradient = x * (share.value * log_ratio + share.slope);
  return below ? -gradient : gradient;
}

}  // namespace

namespace op {

BINARY(standard_gamma, gamma_gradient(x, y))
TERNARY(dirichlet, beta_gradient(y, z - y, x))

}  // namespace op
