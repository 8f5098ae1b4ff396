// Reductions: the operators, and the kernels that run any of them.
#include <c10/metal/utils.h>

#include "reduction.h"
#include "scalar_math.h"

using namespace metal;
using namespace torch_metal;

namespace torch_metal {

template <class T>
inline float magnitude(T x) {
  return fabs(float(x));
}
// To the bit what abs() returns: the gradient of a maximum norm compares the two.
inline float magnitude(float2 z) { return math::abs(z); }
inline float magnitude(half2 z) { return magnitude(float2(z)); }

template <class T, class Result>
struct Types {
  using In = T;
  using Out = Result;
  using Out2 = Result;
};

template <class T, class Result>
struct sum_op : Types<T, Result> {
  using Acc = typename Sum<T>::type;
  static Acc identity() { return Acc(0); }
  static Acc lift(T value, long, constant ReductionParams&) { return Acc(value); }
  static Acc combine(Acc a, Acc b) { return a + b; }
  static void store(Acc a, device Result* out, device Result*, constant ReductionParams&) { *out = Result(a); }
};

/// The bits that a number has as a 64-bit integer or, if it is real, as a double.
template <class T>
inline long wide_bits(T x) {
  return long(x);
}
inline long wide_bits(float x) {
  const uint bits = as_type<uint>(x);
  const ulong sign = ulong(bits >> 31) << 63;
  uint fraction = bits & 0x7fffff, exponent = bits >> 23 & 0xff;
  if (exponent == 0xff) return sign | 0x7fful << 52 | ulong(fraction) << 29;
  if (exponent == 0) {
    if (fraction == 0) return sign;
    const uint shift = clz(fraction) - 8;  // a double has an exponent for it
    fraction = fraction << shift & 0x7fffff;
    return sign | ulong(1023 - 126 - shift) << 52 | ulong(fraction) << 29;
  }
  return sign | ulong(exponent + 1023 - 127) << 52 | ulong(fraction) << 29;
}
inline long wide_bits(half x) { return wide_bits(float(x)); }
inline long wide_bits(bfloat x) { return wide_bits(float(x)); }

template <class T, class Result>
struct xor_op : Types<T, Result> {
  using Acc = long;
  static Acc identity() { return 0; }
  static Acc lift(T value, long, constant ReductionParams&) { return wide_bits(value); }
  static Acc combine(Acc a, Acc b) { return a ^ b; }
  static void store(Acc a, device Result* out, device Result*, constant ReductionParams&) { *out = Result(a); }
};

template <class T, class Result>
struct mean_op : sum_op<T, Result> {
  using Acc = typename Sum<T>::type;
  static void store(Acc a, device Result* out, device Result*, constant ReductionParams& p) {
    *out = Result(a / float(p.count));
  }
};

template <class T, class Result>
struct nansum_op : sum_op<T, Result> {
  using Acc = typename Sum<T>::type;
  static Acc lift(T value, long, constant ReductionParams&) { return isnan(float(value)) ? 0 : Acc(value); }
};

template <class T, class Result>
struct prod_op : Types<T, Result> {
  using Acc = typename Sum<T>::type;
  static Acc identity() { return c10::metal::cast_to<Acc>(1.0f); }
  static Acc lift(T value, long, constant ReductionParams&) { return Acc(value); }
  static Acc combine(Acc a, Acc b) { return c10::metal::mul(a, b); }
  static void store(Acc a, device Result* out, device Result*, constant ReductionParams&) { *out = Result(a); }
};

template <class T, class Result>
struct all_op : Types<T, Result> {
  using Acc = int;
  static Acc identity() { return 1; }
  static Acc lift(T value, long, constant ReductionParams&) { return value != T(0); }
  static Acc combine(Acc a, Acc b) { return a & b; }
  static void store(Acc a, device Result* out, device Result*, constant ReductionParams&) { *out = Result(a); }
};

template <class T, class Result>
struct any_op : all_op<T, Result> {
  using Acc = int;
  static Acc identity() { return 0; }
  static Acc combine(Acc a, Acc b) { return a | b; }
};

template <class T, class Result>
struct count_nonzero_op : Types<T, Result> {
  using Acc = long;
  static Acc identity() { return 0; }
  static Acc lift(T value, long, constant ReductionParams&) { return c10::metal::cast_to<bool>(value); }
  static Acc combine(Acc a, Acc b) { return a + b; }
  static void store(Acc a, device Result* out, device Result*, constant ReductionParams&) { *out = Result(a); }
};

// Minima and maxima: a NaN beats everything.

template <class T, class Result, class Order>
struct Extremum : Types<T, Result> {
  using Acc = typename Comparable<T>::type;
  static Acc identity() { return Order::template worst<Acc>(); }
  static Acc lift(T value, long, constant ReductionParams&) { return Acc(value); }
  static Acc combine(Acc a, Acc b) { return Order::beats(b, a) ? b : a; }
  static void store(Acc a, device Result* out, device Result*, constant ReductionParams&) { *out = Result(a); }
};
template <class T, class Result>
struct max_op : Extremum<T, Result, Greater> {};
template <class T, class Result>
struct min_op : Extremum<T, Result, Less> {};

template <class V>
struct Range {
  V low, high;
};
template <class V>
inline Range<V> shuffle(Range<V> a, ushort lane) {
  return {torch_metal::shuffle(a.low, lane), torch_metal::shuffle(a.high, lane)};
}

template <class T, class Result>
struct aminmax_op : Types<T, Result> {
  using V = typename Comparable<T>::type;
  using Acc = Range<V>;
  static Acc identity() { return {Less::worst<V>(), Greater::worst<V>()}; }
  static Acc lift(T value, long, constant ReductionParams&) { return {V(value), V(value)}; }
  static Acc combine(Acc a, Acc b) {
    return {Less::beats(b.low, a.low) ? b.low : a.low, Greater::beats(b.high, a.high) ? b.high : a.high};
  }
  static void store(Acc a, device Result* low, device Result* high, constant ReductionParams&) {
    *low = Result(a.low);
    *high = Result(a.high);
  }
};

/// The first of the best values.
template <class T, class Result, class Order>
struct ArgExtremum {
  using In = T;
  using Out = Result;
  using Out2 = long;
  using V = typename Comparable<T>::type;
  using Acc = Indexed<V>;
  static Acc identity() { return {Order::template worst<V>(), numeric_limits<long>::max()}; }
  static Acc lift(T value, long index, constant ReductionParams&) { return {V(value), index}; }
  static Acc combine(Acc a, Acc b) {
    const bool tie = !Order::beats(a.value, b.value) && b.index < a.index;
    return Order::beats(b.value, a.value) || tie ? b : a;
  }
  static void store(Acc a, device Result* value, device long* index, constant ReductionParams&) {
    *value = Result(a.value);
    *index = a.index;
  }
};
template <class T, class Result>
struct max_dim_op : ArgExtremum<T, Result, Greater> {};
template <class T, class Result>
struct min_dim_op : ArgExtremum<T, Result, Less> {};

template <class T, class Result>
struct argmax_op : ArgExtremum<T, Result, Greater> {
  static void store(Indexed<typename Comparable<T>::type> a, device Result* index, device long*,
                    constant ReductionParams&) {
    *index = a.index;
  }
};
template <class T, class Result>
struct argmin_op : ArgExtremum<T, Result, Less> {
  static void store(Indexed<typename Comparable<T>::type> a, device Result* index, device long*,
                    constant ReductionParams&) {
    *index = a.index;
  }
};

// Vector norms.

template <class T, class Result>
struct norm1_op : Types<T, Result> {
  using Acc = float;
  static Acc identity() { return 0; }
  static Acc lift(T value, long, constant ReductionParams&) { return magnitude(value); }
  static Acc combine(Acc a, Acc b) { return a + b; }
  static void store(Acc a, device Result* out, device Result*, constant ReductionParams&) { *out = Result(a); }
};

template <class T, class Result>
struct norm0_op : norm1_op<T, Result> {
  static float lift(T value, long, constant ReductionParams&) { return c10::metal::cast_to<bool>(value); }
};

template <class T, class Result>
struct norm2_op : norm1_op<T, Result> {
  static float lift(float value, long, constant ReductionParams&) { return value * value; }
  static float lift(float2 value, long, constant ReductionParams&) { return dot(value, value); }
  static float lift(half2 value, long i, constant ReductionParams& p) { return lift(float2(value), i, p); }
  static void store(float a, device Result* out, device Result*, constant ReductionParams&) {
    *out = Result(precise::sqrt(a));
  }
};

template <class T, class Result>
struct norm_op : norm1_op<T, Result> {
  static float lift(T value, long, constant ReductionParams& p) { return precise::pow(magnitude(value), p.value); }
  static void store(float a, device Result* out, device Result*, constant ReductionParams& p) {
    *out = Result(precise::pow(a, 1 / p.value));
  }
};

template <class T, class Result>
struct norm_max_op : norm1_op<T, Result> {
  static float combine(float a, float b) { return Greater::beats(b, a) ? b : a; }
};
template <class T, class Result>
struct norm_min_op : norm1_op<T, Result> {
  static float identity() { return INFINITY; }
  static float combine(float a, float b) { return Less::beats(b, a) ? b : a; }
};

}  // namespace torch_metal

template <class Op>
kernel void reduce_rows(device const typename Op::In* in [[buffer(0)]], device typename Op::Out* out [[buffer(1)]],
                        device typename Op::Out2* out2 [[buffer(2)]], device typename Op::Acc* partials [[buffer(3)]],
                        constant ReductionParams& p [[buffer(4)]], uint2 group [[threadgroup_position_in_grid]],
                        uint lane [[thread_index_in_simdgroup]], uint simdgroup [[simdgroup_index_in_threadgroup]],
                        uint simdgroups [[simdgroups_per_threadgroup]]) {
  threadgroup typename Op::Acc shared[32];
  const SingleInput<typename Op::In> input{in};
  const auto acc = reduce_row<Op>(input, group.x, group.y, p, shared, lane, simdgroup, simdgroups);
  if (simdgroup == 0 && lane == 0) emit<Op>(acc, group.x, group.y, out, out2, partials, p);
}

template <class Op>
kernel void reduce_columns(device const typename Op::In* in [[buffer(0)]], device typename Op::Out* out [[buffer(1)]],
                           device typename Op::Out2* out2 [[buffer(2)]],
                           device typename Op::Acc* partials [[buffer(3)]], constant ReductionParams& p [[buffer(4)]],
                           uint3 group [[threadgroup_position_in_grid]], uint lane [[thread_index_in_simdgroup]],
                           uint simdgroup [[simdgroup_index_in_threadgroup]],
                           uint simdgroups [[simdgroups_per_threadgroup]]) {
  const uint column = (group.x * simdgroups + simdgroup) * 32 + lane;
  if (column >= p.sizes[p.reduced]) return;
  const SingleInput<typename Op::In> input{in};
  const auto acc = reduce_column<Op>(input, column, group.y, group.z, p);
  emit<Op>(acc, group.y * p.sizes[p.reduced] + column, group.z, out, out2, partials, p);
}
