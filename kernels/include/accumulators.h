// What reductions and scans accumulate in, and how lanes exchange it.
#pragma once

#include <metal_stdlib>

namespace torch_metal {

/// Sums: float for the floating types, long for the integral ones, float2 for complex.
template <class T>
struct Sum {
  using type = metal::conditional_t<metal::is_integral_v<T>, long, float>;
};
template <>
struct Sum<float2> {
  using type = float2;
};

/// Comparisons: the smallest of int, long and float that holds every T.
template <class T>
struct Comparable {
  using type = metal::conditional_t<metal::is_integral_v<T>, int, float>;
};
template <>
struct Comparable<long> {
  using type = long;
};

// What makes a value a maximum or a minimum: a NaN beats everything.
struct Greater {
  template <class V>
  static bool beats(V a, V b) {
    return a > b || (a != a && b == b);
  }
  template <class V>
  static V worst() {
    return metal::is_integral_v<V> ? metal::numeric_limits<V>::lowest() : V(-INFINITY);
  }
};
struct Less {
  template <class V>
  static bool beats(V a, V b) {
    return a < b || (a != a && b == b);
  }
  template <class V>
  static V worst() {
    return metal::is_integral_v<V> ? metal::numeric_limits<V>::max() : V(INFINITY);
  }
};

/// The value of another lane. Accumulators of several values have their own overloads.
inline float shuffle(float value, ushort lane) { return metal::simd_shuffle(value, lane); }
inline int shuffle(int value, ushort lane) { return metal::simd_shuffle(value, lane); }
inline float2 shuffle(float2 value, ushort lane) { return metal::simd_shuffle(value, lane); }
inline long shuffle(long value, ushort lane) { return as_type<long>(metal::simd_shuffle(as_type<int2>(value), lane)); }

/// A value and where it was found.
template <class V>
struct Indexed {
  V value;
  long index;
};
template <class V>
inline Indexed<V> shuffle(Indexed<V> a, ushort lane) {
  return {torch_metal::shuffle(a.value, lane), torch_metal::shuffle(a.index, lane)};
}

/// Mean and sum of squared differences from it (Welford, Chan). The mean is kept as its distance from one of the values:
/// beside values far from zero it would lose the digits that the variance is made of.
struct Moments {
  float pivot, distance, m2, count;
};
inline Moments shuffle(Moments a, ushort lane) {
  return {shuffle(a.pivot, lane), shuffle(a.distance, lane), shuffle(a.m2, lane), shuffle(a.count, lane)};
}

}  // namespace torch_metal
