// Orthogonal polynomials that c10/metal lacks, by their three-term recurrences.
#pragma once
#include <metal_stdlib>

/// Degree n of Laguerre's polynomials; 0 below degree 0.
inline float laguerre_polynomial_l(float x, long n) {
  if (n < 0) return 0;
  if (x == 0) return 1;
  float last = 1, current = n == 0 ? 1 : 1 - x;
  for (long k = 1; k < n && current == current; ++k) {
    const float next = ((float(k + k) + (1 - x)) * current - float(k) * last) / float(k + 1);
    last = current;
    current = next;
  }
  return current;
}

/// Degree n of Legendre's polynomials; 0 below degree 0.
inline float legendre_polynomial_p(float x, long n) {
  if (n < 0) return 0;
  if (metal::fabs(x) == 1) return x > 0 || n % 2 == 0 ? 1 : -1;
  float last = 1, current = n == 0 ? 1 : x;
  for (long k = 1; k < n && current == current; ++k) {
    const float next = (float(k + k + 1) * x * current - float(k) * last) / float(k + 1);
    last = current;
    current = next;
  }
  return current;
}
