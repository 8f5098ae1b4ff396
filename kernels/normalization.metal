// Batch, layer and group normalisation. They differ only in which dimensions share statistics and which share
// weights, that is in the strides of the broadcast operands.
#include "normalization_params.h"
#include "reduction.h"

using namespace metal;
using namespace torch_metal;

namespace torch_metal {

/// Operands of the gradient sums; the weight counts if mode is not zero.
template <class T>
struct NormalizationInputs {
  device const T* grad;
  device const T* x;
  device const float* mean;
  device const float* rstd;
  device const float* weight;

  NormalizationInputs advanced(long i, uint dim, constant ReductionParams& p) const {
    return {grad + i * p.input_strides[0][dim], x + i * p.input_strides[1][dim], mean + i * p.input_strides[2][dim],
            rstd + i * p.input_strides[3][dim], weight + i * p.input_strides[4][dim]};
  }
  /// The gradient, and its product with the normalised value.
  float2 load(uint i, uint dim, constant ReductionParams& p) const {
    float g = strided_load(grad, i, p.input_strides[0][dim]);
    if (p.mode) g *= strided_load(weight, i, p.input_strides[4][dim]);
    const float centred =
        float(strided_load(x, i, p.input_strides[1][dim])) - strided_load(mean, i, p.input_strides[2][dim]);
    return float2(g, g * centred * strided_load(rstd, i, p.input_strides[3][dim]));
  }
};

/// Sums of the gradient and of its product with the normalised value.
template <class T, class Result>
struct normalization_sums_op {
  using In = T;
  using Out = Result;
  using Out2 = Result;
  using Acc = float2;
  static Acc identity() { return 0; }
  static Acc lift(float2 value, long, constant ReductionParams&) { return value; }
  static Acc combine(Acc a, Acc b) { return a + b; }
  static void store(Acc a, device Result* sum, device Result* product_sum, constant ReductionParams&) {
    *sum = Result(a.x);
    *product_sum = Result(a.y);
  }
};

inline void advance_all(thread long* offsets, uint operands, uint rest, constant NormalizationParams& p) {
  for (uint dim = 1; dim < p.dims; ++dim) {
    const uint i = rest % p.sizes[dim];
    rest /= p.sizes[dim];
    for (uint n = 0; n < operands; ++n) offsets[n] += long(i) * p.strides[n][dim];
  }
}

}  // namespace torch_metal

template <class Op>
kernel void normalization_sums_rows(
    device const typename Op::In* grad [[buffer(0)]], device const typename Op::In* x [[buffer(1)]],
    device const float* mean [[buffer(2)]], device const float* rstd [[buffer(3)]],
    device const float* weight [[buffer(4)]], device typename Op::Out* sums [[buffer(5)]],
    device typename Op::Out2* product_sums [[buffer(6)]], device typename Op::Acc* partials [[buffer(7)]],
    constant ReductionParams& p [[buffer(8)]], uint2 group [[threadgroup_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]], uint simdgroup [[simdgroup_index_in_threadgroup]],
    uint simdgroups [[simdgroups_per_threadgroup]]) {
  threadgroup typename Op::Acc shared[32];
  const NormalizationInputs<typename Op::In> input{grad, x, mean, rstd, weight};
  const auto acc = reduce_row<Op>(input, group.x, group.y, p, shared, lane, simdgroup, simdgroups);
  if (simdgroup == 0 && lane == 0) emit<Op>(acc, group.x, group.y, sums, product_sums, partials, p);
}

template <class Op>
kernel void normalization_sums_columns(
    device const typename Op::In* grad [[buffer(0)]], device const typename Op::In* x [[buffer(1)]],
    device const float* mean [[buffer(2)]], device const float* rstd [[buffer(3)]],
    device const float* weight [[buffer(4)]], device typename Op::Out* sums [[buffer(5)]],
    device typename Op::Out2* product_sums [[buffer(6)]], device typename Op::Acc* partials [[buffer(7)]],
    constant ReductionParams& p [[buffer(8)]], uint3 group [[threadgroup_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]], uint simdgroup [[simdgroup_index_in_threadgroup]],
    uint simdgroups [[simdgroups_per_threadgroup]]) {
  const uint column = (group.x * simdgroups + simdgroup) * 32 + lane;
  if (column >= p.sizes[p.reduced]) return;
  const NormalizationInputs<typename Op::In> input{grad, x, mean, rstd, weight};
  const auto acc = reduce_column<Op>(input, column, group.y, group.z, p);
  emit<Op>(acc, group.y * p.sizes[p.reduced] + column, group.z, sums, product_sums, partials, p);
}

/// Element i of operand n along the first dimension. Bit n of `unit`: its elements are next to each other, otherwise it is
/// the same for all; kAnyStride if that is not known.
constant constexpr uint kAnyStride = ~0u;
template <uint unit, class T>
static device T& element_of(device T* operand, uint n, uint i, constant NormalizationParams& p) {
  if constexpr (unit == kAnyStride) return operand[long(i) * p.strides[n][0]];
  return operand[(unit >> n & 1) ? i : 0];
}

/// Whether operands are the same all along the first dimension, from operand `first` on.
constexpr bool same_along_rows(uint unit, uint first) { return unit != kAnyStride && unit >> first == 0; }

/// What an element is normalised by.
struct Affine {
  float mean, rstd, weight, bias;
};

/// (x - mean) * rstd * weight + bias. Each threadgroup takes a block of each of its rows.
template <class T, class W, uint unit>
kernel void normalize(device T* out [[buffer(0)]], device const T* x [[buffer(1)]],
                      device const float* mean [[buffer(2)]], device const float* deviation [[buffer(3)]],
                      device const W* weight [[buffer(4)]], device const W* bias [[buffer(5)]],
                      constant NormalizationParams& p [[buffer(6)]], uint2 position [[thread_position_in_grid]],
                      uint2 group [[threadgroup_position_in_grid]],
                      uint2 local [[thread_position_in_threadgroup]]) {
  long at[6] = {};
  advance_all(at, 6, position.y, p);
  const auto affine_at = [&](uint i) {
    float rstd = element_of<unit>(deviation + at[3], 3, i, p);
    if (p.epsilon >= 0) rstd = 1 / precise::sqrt(rstd + p.epsilon);
    return Affine{element_of<unit>(mean + at[2], 2, i, p), rstd,
                  p.has_weight ? float(element_of<unit>(weight + at[4], 4, i, p)) : 1,
                  p.has_bias ? float(element_of<unit>(bias + at[5], 5, i, p)) : 0};
  };
  Affine affine = {};
  if constexpr (same_along_rows(unit, 2)) affine = affine_at(0);
  const uint begin = group.x * kNormalizationBlock, end = min(begin + kNormalizationBlock, p.sizes[0]);
  for (uint i = begin + local.x; i < end; i += 32) {
    if constexpr (!same_along_rows(unit, 2)) affine = affine_at(i);
    const float centred = float(element_of<unit>(x + at[1], 1, i, p)) - affine.mean;
    element_of<unit>(out + at[0], 0, i, p) = T(centred * affine.rstd * affine.weight + affine.bias);
  }
}

/// Layer normalisation of dense rows in one go: one threadgroup for each row.
template <class T, class W>
kernel void layer_norm(device const T* x [[buffer(0)]], device T* out [[buffer(1)]], device float* means [[buffer(2)]],
                       device float* rstds [[buffer(3)]], device const W* weight [[buffer(4)]],
                       device const W* bias [[buffer(5)]], constant LayerNormParams& p [[buffer(6)]],
                       uint row [[threadgroup_position_in_grid]], uint lane [[thread_index_in_simdgroup]],
                       uint simdgroup [[simdgroup_index_in_threadgroup]],
                       uint simdgroups [[simdgroups_per_threadgroup]]) {
  threadgroup float shared[2][32];
  const LanePart part(p.size, lane, simdgroup, simdgroups);
  x += ulong(row) * p.size;
  out += ulong(row) * p.size;

  float sum = 0;
  for (uint i = part.begin; i < part.end; i += 32) sum += float(x[i]);
  const float mean = threadgroup_all<float_sum_op>(sum, shared[0], lane, simdgroup, simdgroups) / p.size;
  float squares = 0;
  for (uint i = part.begin; i < part.end; i += 32) {
    const float centred = float(x[i]) - mean;
    squares += centred * centred;
  }
  const float variance = threadgroup_all<float_sum_op>(squares, shared[1], lane, simdgroup, simdgroups) / p.size;
  const float rstd = 1 / precise::sqrt(variance + p.epsilon);

  for (uint i = part.begin; i < part.end; i += 32) {
    float y = (float(x[i]) - mean) * rstd;
    if (p.has_weight) y *= float(weight[i]);
    if (p.has_bias) y += float(bias[i]);
    out[i] = T(y);
  }
  if (simdgroup == 0 && lane == 0) {
    means[row] = mean;
    rstds[row] = rstd;
  }
}

/// What the gradient of an element is computed with.
struct GradientTerms {
  float mean, rstd, weight, sum, product_sum;
};

/// The gradient of `normalize` by x. Each threadgroup takes a block of each of its rows.
template <class T, class W, uint unit>
kernel void normalize_backward(device T* out [[buffer(0)]], device const T* grad [[buffer(1)]],
                               device const T* x [[buffer(2)]], device const float* mean [[buffer(3)]],
                               device const float* rstds [[buffer(4)]], device const W* weight [[buffer(5)]],
                               device const float* sums [[buffer(6)]], device const float* product_sums [[buffer(7)]],
                               constant NormalizationParams& p [[buffer(8)]],
                               uint2 position [[thread_position_in_grid]],
                               uint2 group [[threadgroup_position_in_grid]],
                               uint2 local [[thread_position_in_threadgroup]]) {
  long at[8] = {};
  advance_all(at, 8, position.y, p);
  const auto terms_at = [&](uint i) {
    return GradientTerms{element_of<unit>(mean + at[3], 3, i, p), element_of<unit>(rstds + at[4], 4, i, p),
                         p.has_weight ? float(element_of<unit>(weight + at[5], 5, i, p)) : 1,
                         element_of<unit>(sums + at[6], 6, i, p), element_of<unit>(product_sums + at[7], 7, i, p)};
  };
  GradientTerms t = {};
  if constexpr (same_along_rows(unit, 3)) t = terms_at(0);
  const uint begin = group.x * kNormalizationBlock, end = min(begin + kNormalizationBlock, p.sizes[0]);
  for (uint i = begin + local.x; i < end; i += 32) {
    if constexpr (!same_along_rows(unit, 3)) t = terms_at(i);
    float g = t.weight * float(element_of<unit>(grad + at[1], 1, i, p));
    if (p.scale > 0) {
      const float centred = float(element_of<unit>(x + at[2], 2, i, p)) - t.mean;
      g -= (p.weighted ? 1 : t.weight) * (t.sum + centred * t.rstd * t.product_sum) * p.scale;
    }
    element_of<unit>(out + at[0], 0, i, p) = T(g * t.rstd);
  }
}

/// After the moments of a batch: 1 / sqrt(variance + epsilon), and the running mean and variance moved towards it.
template <class T>
kernel void update_statistics(device const float* mean [[buffer(0)]], device const float* variance [[buffer(1)]],
                              device float* rstd [[buffer(2)]], device T* running_mean [[buffer(3)]],
                              device T* running_variance [[buffer(4)]],
                              constant RunningStatisticsParams& p [[buffer(5)]], uint i [[thread_position_in_grid]]) {
  rstd[i] = 1 / precise::sqrt(variance[i] + p.epsilon);
  if (p.has_mean) {
    device T& running = running_mean[i * p.mean_stride];
    running = T((1 - p.momentum) * float(running) + p.momentum * mean[i]);
  }
  if (p.has_variance) {
    device T& running = running_variance[i * p.variance_stride];
    running = T((1 - p.momentum) * float(running) + p.momentum * variance[i] * p.correction);
  }
}
