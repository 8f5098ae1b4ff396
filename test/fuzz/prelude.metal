#include <metal_stdlib>
using namespace metal;

// A product of its own: written as a * b, it might become one operation with a sum around it.
template <class T> T times(T a, T b) { return a * b; }

// Structures of two address spaces are not the operands of one ?:.
template <class T> T chosen(bool condition, T yes, T no) { return condition ? yes : no; }

// Least and greatest, without a negative zero: which zero is less is open.
template <class T> T least(T a, T b) { return fmin(a, b) + T(0); }
template <class T> T greatest(T a, T b) { return fmax(a, b) + T(0); }

// Not a NaN, whose bits are open.
template <class T> T clean(T x) { return x == x ? x : T(0); }
template <class T, int N> vec<T, N> clean(vec<T, N> x) {
  for (int i = 0; i < N; ++i) x[i] = clean(x[i]);
  return x;
}

// Whole numbers from -32 to 32: sums of 32 of them are exact in any order, in half too.
template <class T> T small(T x) { return x >= T(-32) && x <= T(32) ? T(trunc(float(x)) + 0.0f) : T(1); }
template <class T, int N> vec<T, N> small(vec<T, N> x) {
  for (int i = 0; i < N; ++i) x[i] = small(x[i]);
  return x;
}

// 1, -1 or 2: products are exact in any order.
template <class T> T factor(T x) { return x > T(8) ? T(2) : x < T(-8) ? T(-1) : T(1); }
template <class T, int N> vec<T, N> factor(vec<T, N> x) {
  for (int i = 0; i < N; ++i) x[i] = factor(x[i]);
  return x;
}

// Float to integer, 0 if it is out of range: what that gives is open.
template <class T> T whole(float x) {
  const float end = exp2(float(8 * sizeof(T) - (is_signed_v<T> ? 1 : 0)));
  return x < end && x >= (is_signed_v<T> ? -end : 0.0f) ? T(x) : T(0);
}
template <class T, int N> vec<T, N> whole(vec<float, N> x) {
  vec<T, N> result;
  for (int i = 0; i < N; ++i) result[i] = whole<T>(x[i]);
  return result;
}

// 0 if `lane` is not active: what an inactive lane gives is open.
template <class T> T active_shuffle(T value, ushort lane) {
  const uint active = uint(static_cast<ulong>(simd_ballot(true)));
  const T other = simd_shuffle(value, lane);
  return (active >> lane) & 1 ? other : T(0);
}

template <class T> T if_active(T value, uint source) {
  const uint active = uint(static_cast<ulong>(simd_ballot(true)));
  return (active >> source) & 1 ? value : T(0);
}

// An atomic addition by hand.
template <class A, class T> void add_by_exchange(device A* place, T value) {
  T old = atomic_load_explicit(place, memory_order_relaxed);
  while (!atomic_compare_exchange_weak_explicit(place, &old, T(uint(old) + uint(value)), memory_order_relaxed, memory_order_relaxed)) {
  }
}
template <class A, class T> void add_by_exchange(threadgroup A* place, T value) {
  T old = atomic_load_explicit(place, memory_order_relaxed);
  while (!atomic_compare_exchange_weak_explicit(place, &old, T(uint(old) + uint(value)), memory_order_relaxed, memory_order_relaxed)) {
  }
}
