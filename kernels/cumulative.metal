// Scans along one dimension of a dense tensor: running sums, products, extrema.
//
// An operator has the element type T, the second output's type Out2 (T if there is none), the accumulator Acc, and
// identity(), lift(value, index), combine(earlier, later), store(acc, out, out2).
#include <c10/metal/utils.h>

#include "accumulators.h"
#include "scalar_math.h"
#include "scan_params.h"

using namespace metal;
using namespace torch_metal;

namespace torch_metal {

template <class Value>
struct cumsum_op {
  using T = Value;
  using Out2 = Value;
  using Acc = typename Sum<T>::type;
  static Acc identity() { return Acc(0); }
  static Acc lift(T value, long) { return Acc(value); }
  static Acc combine(Acc a, Acc b) { return a + b; }
  static void store(Acc a, device T* out, device T*) { *out = T(a); }
};

template <class Value>
struct cumprod_op : cumsum_op<Value> {
  using Acc = typename Sum<Value>::type;
  static Acc identity() { return c10::metal::cast_to<Acc>(1.0f); }
  static Acc combine(Acc a, Acc b) { return c10::metal::mul(a, b); }
};

/// log(exp(a) + exp(b)).
inline float log_sum_exp(float a, float b) {
  const float high = a > b || isnan(a) ? a : b, low = a > b || isnan(a) ? b : a;
  return isinf(high) && high == low ? high : high + math::log1p(math::exp(low - high));
}
inline float2 log_sum_exp(float2 a, float2 b) {
  if (any(isnan(a)) || any(isnan(b))) return NAN;
  const float2 high = a.x < b.x ? b : a, low = a.x < b.x ? a : b;
  if (low.x == -INFINITY) return high;  // exp(low) is 0, whatever its angle
  if (isinf(high.x) && high.x == low.x) return math::log(math::exp(low) + math::exp(high));
  return high + math::log1p(math::exp(low - high));
}

template <class Value>
struct logcumsumexp_op : cumsum_op<Value> {
  using Acc = typename Sum<Value>::type;
  static Acc identity() { return c10::metal::cast_to<Acc>(-INFINITY); }
  static Acc combine(Acc a, Acc b) { return log_sum_exp(a, b); }
};

/// The last of the best values, or of the NaNs.
template <class Value, class Order>
struct RunningExtremum {
  using T = Value;
  using Out2 = long;
  using Acc = Indexed<typename Comparable<T>::type>;
  static Acc identity() { return {Order::template worst<typename Comparable<T>::type>(), 0}; }
  static Acc lift(T value, long index) { return {typename Comparable<T>::type(value), index}; }
  static Acc combine(Acc a, Acc b) { return Order::beats(a.value, b.value) ? a : b; }
  static void store(Acc a, device T* out, device long* index) {
    *out = T(a.value);
    *index = a.index;
  }
};
template <class T>
struct cummax_op : RunningExtremum<T, Greater> {};
template <class T>
struct cummin_op : RunningExtremum<T, Less> {};

/// Combines with the accumulators of all lanes before this one.
template <class Op>
inline typename Op::Acc simdgroup_scan(typename Op::Acc acc, uint lane) {
  for (uint distance = 1; distance < 32; distance *= 2) {
    const auto earlier = shuffle(acc, ushort(lane >= distance ? lane - distance : lane));
    if (lane >= distance) acc = Op::combine(earlier, acc);
  }
  return acc;
}

}  // namespace torch_metal

/// One SIMD-group for each row; inner is 1.
template <class Op>
kernel void scan_rows(device const typename Op::T* x [[buffer(0)]], device typename Op::T* out [[buffer(1)]],
                      device typename Op::Out2* out2 [[buffer(2)]], constant ScanParams& p [[buffer(3)]],
                      uint row [[threadgroup_position_in_grid]], uint lane [[thread_index_in_simdgroup]]) {
  x += row * p.size;
  out += row * p.size;
  out2 += row * p.size;
  typename Op::Acc carry = Op::identity();
  for (long block = 0; block < p.size; block += 32) {
    const long i = block + lane;
    typename Op::Acc acc = Op::identity();
    if (i < p.size) acc = Op::lift(x[i], i);
    acc = Op::combine(carry, simdgroup_scan<Op>(acc, lane));
    if (i < p.size) Op::store(acc, out + i, out2 + i);
    carry = shuffle(acc, 31);
  }
}

/// One thread for each line.
template <class Op>
kernel void scan_columns(device const typename Op::T* x [[buffer(0)]], device typename Op::T* out [[buffer(1)]],
                         device typename Op::Out2* out2 [[buffer(2)]], constant ScanParams& p [[buffer(3)]],
                         uint2 position [[thread_position_in_grid]]) {
  typename Op::Acc acc = Op::identity();
  for (long i = 0; i < p.size; ++i) {
    const long at = (position.y * p.size + i) * p.inner + position.x;
    acc = Op::combine(acc, Op::lift(x[at], i));
    Op::store(acc, out + at, out2 + at);
  }
}
