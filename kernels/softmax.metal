// Softmax, log-softmax and their gradients along one dimension of a dense tensor; sums are in float.
#include "reduction.h"
#include "softmax_params.h"

using namespace metal;
using namespace torch_metal;

namespace torch_metal {

/// A NaN beats everything.
struct float_max_op {
  using Acc = float;
  static Acc identity() { return -INFINITY; }
  static Acc combine(Acc a, Acc b) { return Greater::beats(b, a) ? b : a; }
};

// `scaled`: the result is the exponential times a factor that is the same for the whole line.
struct softmax_op {
  static constexpr constant bool scaled = true;
  static float value(float x, float max, float sum) { return precise::exp(x - max) / sum; }
  static float gradient_term(float grad, float y) { return grad * y; }
  static float gradient(float grad, float y, float sum) { return (grad - sum) * y; }
};
struct log_softmax_op {
  static constexpr constant bool scaled = false;
  static float value(float x, float max, float sum) { return x - max - precise::log(sum); }
  static float gradient_term(float grad, float) { return grad; }
  static float gradient(float grad, float y, float sum) { return grad - precise::exp(y) * sum; }
};

/// Where the lanes of a threadgroup, or one thread, find the elements of a line.
struct Line {
  ulong base;
  uint begin, end, step, stride;
};
inline Line row_line(uint row, uint lane, uint simdgroup, uint simdgroups, constant SoftmaxParams& p) {
  const LanePart part(p.size, lane, simdgroup, simdgroups);
  return {ulong(row) * p.size, part.begin, part.end, 32, 1};
}
inline Line column_line(uint2 position, constant SoftmaxParams& p) {
  return {ulong(position.y) * p.size * p.inner + position.x, 0, p.size, 1, p.inner};
}

template <class T>
inline float line_max(device const T* x, thread const Line& line) {
  float max = -INFINITY;
  for (uint i = line.begin; i < line.end; i += line.step)
    max = float_max_op::combine(max, float(x[ulong(i) * line.stride]));
  return max;
}

/// An output that holds exponentials as they are saves computing them twice.
template <class Op, class Out>
constexpr constant bool keeps_exponentials = Op::scaled && is_same_v<Out, float>;

template <class Op, class T, class Out>
inline float exponential_sum(device const T* x, device Out* out, float max, thread const Line& line) {
  float sum = 0;
  for (uint i = line.begin; i < line.end; i += line.step) {
    const float e = precise::exp(float(x[ulong(i) * line.stride]) - max);
    if constexpr (keeps_exponentials<Op, Out>) out[ulong(i) * line.stride] = e;
    sum += e;
  }
  return sum;
}

template <class Op, class T, class Out>
inline void write_softmax(device const T* x, device Out* out, float max, float sum, thread const Line& line) {
  const float factor = 1 / sum;
  for (uint i = line.begin; i < line.end; i += line.step) {
    const ulong at = ulong(i) * line.stride;
    if constexpr (keeps_exponentials<Op, Out>) {
      out[at] *= factor;
    } else {
      out[at] = Out(Op::value(float(x[at]), max, sum));
    }
  }
}

template <class Op, class T>
inline float gradient_sum(device const T* grad, device const T* y, thread const Line& line) {
  float sum = 0;
  for (uint i = line.begin; i < line.end; i += line.step)
    sum += Op::gradient_term(float(grad[ulong(i) * line.stride]), float(y[ulong(i) * line.stride]));
  return sum;
}

template <class Op, class T, class Out>
inline void write_gradient(device const T* grad, device const T* y, device Out* out, float sum,
                           thread const Line& line) {
  for (uint i = line.begin; i < line.end; i += line.step) {
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
  threadgroup float shared[2][32];
  const Line line = row_line(row, lane, simdgroup, simdgroups, p);
  x += line.base;
  out += line.base;
  const float max = threadgroup_all<float_max_op>(line_max(x, line), shared[0], lane, simdgroup, simdgroups);
  const float part = exponential_sum<Op>(x, out, max, line);
  const float sum = threadgroup_all<float_sum_op>(part, shared[1], lane, simdgroup, simdgroups);
  write_softmax<Op>(x, out, max, sum, line);
}

/// One thread for each line.
template <class Op, class T, class Out>
kernel void softmax_columns(device const T* x [[buffer(0)]], device Out* out [[buffer(1)]],
                            constant SoftmaxParams& p [[buffer(2)]], uint2 position [[thread_position_in_grid]]) {
  const Line line = column_line(position, p);
  x += line.base;
  out += line.base;
  const float max = line_max(x, line);
  write_softmax<Op>(x, out, max, exponential_sum<Op>(x, out, max, line), line);
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
