// Softmax, log-softmax and their gradients along one dimension of a dense tensor; sums are in float.
#include "reduction.h"
#include "softmax_params.h"

using namespace metal;
using namespace torch_metal;

namespace torch_metal {

/// Maximum, and sum of exponentials relative to it.
struct ExpSum {
  float max, sum;
};
inline ExpSum shuffle(ExpSum a, ushort lane) { return {shuffle(a.max, lane), shuffle(a.sum, lane)}; }

/// e^(a - b), where -inf - -inf is no difference.
inline float exp_difference(float a, float b) { return a == b ? 1 : precise::exp(a - b); }

struct exp_sum_op {
  using Acc = ExpSum;
  static Acc identity() { return {-INFINITY, 0}; }
  static Acc combine(Acc a, Acc b) {
    const float max = a.max > b.max || isnan(a.max) ? a.max : b.max;
    return {max, a.sum * exp_difference(a.max, max) + b.sum * exp_difference(b.max, max)};
  }
};

struct softmax_op {
  static float value(float x, float max, float sum) { return precise::exp(x - max) / sum; }
  static float gradient_term(float grad, float y) { return grad * y; }
  static float gradient(float grad, float y, float sum) { return (grad - sum) * y; }
};
struct log_softmax_op {
  static float value(float x, float max, float sum) { return x - max - precise::log(sum); }
  static float gradient_term(float grad, float) { return grad; }
  static float gradient(float grad, float y, float sum) { return grad - precise::exp(y) * sum; }
};

/// Where the lanes of a threadgroup, or one thread, find the elements of a line.
struct Line {
  ulong base;
  uint first, step, size, stride;
};
inline Line row_line(uint row, uint lane, uint simdgroup, uint simdgroups, constant SoftmaxParams& p) {
  return {ulong(row) * p.size, simdgroup * 32 + lane, simdgroups * 32, p.size, 1};
}
inline Line column_line(uint2 position, constant SoftmaxParams& p) {
  return {ulong(position.y) * p.size * p.inner + position.x, 0, 1, p.size, p.inner};
}

template <class T>
inline ExpSum exp_sum(device const T* x, thread const Line& line) {
  float max = -INFINITY;
  for (uint i = line.first; i < line.size; i += line.step) {
    const float value = x[ulong(i) * line.stride];
    max = value > max || isnan(value) ? value : max;
  }
  const float shift = max == -INFINITY ? 0 : max;
  float sum = 0;
  for (uint i = line.first; i < line.size; i += line.step)
    sum += precise::exp(float(x[ulong(i) * line.stride]) - shift);
  return {max, sum};
}

template <class Op, class T, class Out>
inline void write_softmax(device const T* x, device Out* out, ExpSum total, thread const Line& line) {
  for (uint i = line.first; i < line.size; i += line.step)
    out[ulong(i) * line.stride] = Out(Op::value(float(x[ulong(i) * line.stride]), total.max, total.sum));
}

template <class Op, class T>
inline float gradient_sum(device const T* grad, device const T* y, thread const Line& line) {
  float sum = 0;
  for (uint i = line.first; i < line.size; i += line.step)
    sum += Op::gradient_term(float(grad[ulong(i) * line.stride]), float(y[ulong(i) * line.stride]));
  return sum;
}

template <class Op, class T, class Out>
inline void write_gradient(device const T* grad, device const T* y, device Out* out, float sum,
                           thread const Line& line) {
  for (uint i = line.first; i < line.size; i += line.step) {
    const ulong at = ulong(i) * line.stride;
    out[at] = Out(Op::gradient(float(grad[at]), float(y[at]), sum));
  }
}

}  // namespace torch_metal

/// One threadgroup for each row; inner is 1.
template <class Op, class T, class Out>
kernel void softmax_rows(device const T* x [[buffer(0)]], device Out* out [[buffer(1)]],
                         constant SoftmaxParams& p [[buffer(2)]], uint row [[threadgroup_position_in_grid]],
                         uint lane [[thread_index_in_simdgroup]], uint simdgroup [[simdgroup_index_in_threadgroup]],
                         uint simdgroups [[simdgroups_per_threadgroup]]) {
  threadgroup ExpSum shared[32];
  const Line line = row_line(row, lane, simdgroup, simdgroups, p);
  x += line.base;
  out += line.base;
  const ExpSum total = threadgroup_all<exp_sum_op>(exp_sum(x, line), shared, lane, simdgroup, simdgroups);
  write_softmax<Op>(x, out, total, line);
}

/// One thread for each line.
template <class Op, class T, class Out>
kernel void softmax_columns(device const T* x [[buffer(0)]], device Out* out [[buffer(1)]],
                            constant SoftmaxParams& p [[buffer(2)]], uint2 position [[thread_position_in_grid]]) {
  const Line line = column_line(position, p);
  x += line.base;
  write_softmax<Op>(x, out + line.base, exp_sum(x, line), line);
}

template <class Op, class T, class Out>
kernel void softmax_backward_rows(device const T* grad [[buffer(0)]], device const T* y [[buffer(1)]],
                                  device Out* out [[buffer(2)]], constant SoftmaxParams& p [[buffer(3)]],
                                  uint row [[threadgroup_position_in_grid]], uint lane [[thread_index_in_simdgroup]],
                                  uint simdgroup [[simdgroup_index_in_threadgroup]],
                                  uint simdgroups [[simdgroups_per_threadgroup]]) {
  threadgroup float shared[32];
  const Line line = row_line(row, lane, simdgroup, simdgroups, p);
  grad += line.base;
  y += line.base;
  const float sum = threadgroup_all<float_sum_op>(gradient_sum<Op>(grad, y, line), shared, lane, simdgroup, simdgroups);
  write_gradient<Op>(grad, y, out + line.base, sum, line);
}

template <class Op, class T, class Out>
kernel void softmax_backward_columns(device const T* grad [[buffer(0)]], device const T* y [[buffer(1)]],
                                     device Out* out [[buffer(2)]], constant SoftmaxParams& p [[buffer(3)]],
                                     uint2 position [[thread_position_in_grid]]) {
  const Line line = column_line(position, p);
  grad += line.base;
  y += line.base;
  write_gradient<Op>(grad, y, out + line.base, gradient_sum<Op>(grad, y, line), line);
}
