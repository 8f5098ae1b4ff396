// Negative log likelihood, of one label for each sample or for each position of an image; binary cross entropy.
#include <c10/metal/error.h>
#include <c10/metal/utils.h>

#include "loss_params.h"
#include "reduction.h"

using namespace metal;
using namespace torch_metal;

namespace torch_metal {

/// Sums of weighted losses and of weights, as x and y.
struct nll_sum_op {
  using Acc = float2;
  static Acc identity() { return 0; }
  static Acc combine(Acc a, Acc b) { return a + b; }
};

/// A sample's label. `valid` is false if it is ignored or out of range; the latter is reported.
struct Label {
  ulong offset;  ///< of the label's element in the input
  float weight;
  bool valid;
};

template <class T, class Target>
inline Label read_label(uint sample, device const Target* target, device const T* weight, constant NllParams& p,
                        device c10::metal::ErrorMessages* errors) {
  const long label = target[sample];
  if (label == p.ignore_index) return {0, 0, false};
  if (label < 0 || label >= p.classes) {
    TORCH_REPORT_ERROR(errors, "Target ", label, " is out of bounds.");
    return {0, 0, false};
  }
  const ulong batch = sample / p.positions, position = sample % p.positions;
  return {(batch * p.classes + label) * p.positions + position, p.has_weight ? float(weight[label]) : 1, true};
}

}  // namespace torch_metal

/// The loss of each sample.
template <class T, class Target>
kernel void nll_forward(device const T* x [[buffer(0)]], device const Target* target [[buffer(1)]],
                        device const T* weight [[buffer(2)]], device T* out [[buffer(3)]],
                        device c10::metal::ErrorMessages* errors [[buffer(4)]], constant NllParams& p [[buffer(5)]],
                        uint sample [[thread_position_in_grid]]) {
  const Label label = read_label(sample, target, weight, p, errors);
  out[sample] = label.valid ? T(-label.weight * float(x[label.offset])) : T(0);
}

/// Sums of losses and weights over a chunk of samples for each threadgroup.
template <class T, class Target>
kernel void nll_forward_sums(device const T* x [[buffer(0)]], device const Target* target [[buffer(1)]],
                             device const T* weight [[buffer(2)]], device float2* partials [[buffer(3)]],
                             device c10::metal::ErrorMessages* errors [[buffer(4)]],
                             constant NllParams& p [[buffer(5)]], uint group [[threadgroup_position_in_grid]],
                             uint lane [[thread_index_in_simdgroup]], uint simdgroup [[simdgroup_index_in_threadgroup]],
                             uint simdgroups [[simdgroups_per_threadgroup]]) {
  threadgroup float2 shared[32];
  const uint end = min(p.samples, (group + 1) * kNllChunk);
  float2 sums = 0;
  for (uint i = group * kNllChunk + simdgroup * 32 + lane; i < end; i += simdgroups * 32) {
    const Label label = read_label(i, target, weight, p, errors);
    if (label.valid) sums += float2(-label.weight * float(x[label.offset]), label.weight);
  }
  sums = threadgroup_combine<nll_sum_op>(sums, shared, lane, simdgroup, simdgroups);
  if (simdgroup == 0 && lane == 0) partials[group] = sums;
}

/// Adds up the chunks. One SIMD-group.
template <class T>
kernel void nll_forward_total(device const float2* partials [[buffer(0)]], device T* out [[buffer(1)]],
                              device T* total_weight [[buffer(2)]], constant NllParams& p [[buffer(3)]],
                              uint lane [[thread_index_in_simdgroup]]) {
  float2 sums = 0;
  for (uint i = lane; i < p.groups; i += 32) sums += partials[i];
  sums = simdgroup_combine<nll_sum_op>(sums, lane);
  if (lane != 0) return;
  *out = T(p.mean ? sums.x / sums.y : sums.x);
  *total_weight = T(sums.y);
}

/// Writes the gradients of the labels' elements; all others are zero already.
template <class T, class Target>
kernel void nll_backward(device const T* grad [[buffer(0)]], device const Target* target [[buffer(1)]],
                         device const T* weight [[buffer(2)]], device const T* total_weight [[buffer(3)]],
                         device T* out [[buffer(4)]], device c10::metal::ErrorMessages* errors [[buffer(5)]],
                         constant NllParams& p [[buffer(6)]], uint sample [[thread_position_in_grid]]) {
  const Label label = read_label(sample, target, weight, p, errors);
  if (!label.valid) return;
  const float g = -label.weight * float(grad[sample * p.grad_stride]);
  out[label.offset] = T(p.mean ? g / float(*total_weight) : g);
}

/// Binary cross entropy of each element of dense operands; logarithms are cut off at -100.
template <class T>
kernel void bce_forward(device const T* x [[buffer(0)]], device const T* target [[buffer(1)]],
                        device const T* weight [[buffer(2)]], device T* out [[buffer(3)]],
                        constant uint& has_weight [[buffer(4)]], uint i [[thread_position_in_grid]]) {
  const float p = float(x[i]), t = float(target[i]);
  const float loss = (t - 1) * max(c10::metal::log1p(-p), -100.0f) - t * max(precise::log(p), -100.0f);
  out[i] = T(has_weight ? loss * float(weight[i]) : loss);
}

template <class T>
kernel void bce_backward(device const T* grad [[buffer(0)]], device const T* x [[buffer(1)]],
                         device const T* target [[buffer(2)]], device const T* weight [[buffer(3)]],
                         device T* out [[buffer(4)]], constant uint& has_weight [[buffer(5)]],
                         uint i [[thread_position_in_grid]]) {
  const float p = float(x[i]);
  const float g = float(grad[i]) * (p - float(target[i])) / max((1 - p) * p, 1e-12f);
  out[i] = T(has_weight ? g * float(weight[i]) : g);
}
