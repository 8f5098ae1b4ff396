// Connectionist temporal classification (Graves et al. 2006, equations 6 to 16), in logarithms.
//
// A target's states are its labels with a blank before, between and after them. alpha[t][s] is the log probability of
// all ways to state s up to step t, beta[t][s] that of all ways from it on; both have step t's own probability in them.
#include <c10/metal/error.h>
#include <metal_stdlib>

#include "ctc_loss_params.h"

using namespace metal;
using namespace torch_metal;

namespace torch_metal {

/// log(exp(a) + exp(b) + exp(c)).
inline float log_sum_exp(float a, float b, float c = -INFINITY) {
  const float most = max(a, max(b, c));
  if (isinf(most)) return most;
  return most + precise::log(precise::exp(a - most) + precise::exp(b - most) + precise::exp(c - most));
}

/// One sample: its lengths, labels and log probabilities.
struct CtcSample {
  device const long* labels;
  device const float* log_probs;  ///< of step 0
  uint steps, states, step_stride, blank;

  /// `lengths` holds, for each sample, its steps, its labels, and where those begin.
  CtcSample(uint sample, device const float* log_probs, device const long* targets, device const long* lengths,
            constant CtcParams& p)
      : labels(targets + lengths[3 * sample + 2]),
        log_probs(log_probs + ulong(sample) * p.classes),
        steps(lengths[3 * sample]),
        states(2 * lengths[3 * sample + 1] + 1),
        step_stride(p.samples * p.classes),
        blank(p.blank) {}

  uint label(uint state) const { return state % 2 ? uint(labels[state / 2]) : blank; }
  float log_prob(uint step, uint state) const { return log_probs[ulong(step) * step_stride + label(state)]; }
  /// Whether a way may leap over the blank between two states.
  bool leaps(uint from, uint to) const { return label(from) != label(to); }
};

}  // namespace torch_metal

/// One threadgroup for each sample, threads along the states.
kernel void ctc_alpha(device float* losses [[buffer(0)]], device float* alpha [[buffer(1)]],
                      device const float* log_probs [[buffer(2)]], device const long* targets [[buffer(3)]],
                      device const long* lengths [[buffer(4)]], device c10::metal::ErrorMessages* errors [[buffer(5)]],
                      constant CtcParams& p [[buffer(6)]], uint sample [[threadgroup_position_in_grid]],
                      uint thread_index [[thread_index_in_threadgroup]], uint threads [[threads_per_threadgroup]]) {
  const CtcSample it(sample, log_probs, targets, lengths, p);
  for (uint i = 0; i < it.states / 2; ++i) {
    const long label = it.labels[i];
    if (label >= 0 && label < long(p.classes)) continue;
    TORCH_REPORT_ERROR(errors, "ctc_loss: target ", label, " is out of range");
    return;
  }
  alpha += ulong(sample) * p.steps * p.states;
  for (uint t = 0; t < it.steps; ++t) {
    for (uint s = thread_index; s < it.states; s += threads) {
      float reached = s < 2 ? 0 : -INFINITY;
      if (t > 0) {
        device const float* before = alpha + ulong(t - 1) * p.states;
        reached = log_sum_exp(before[s], s > 0 ? before[s - 1] : -INFINITY,
                              s > 1 && it.leaps(s - 2, s) ? before[s - 2] : -INFINITY);
      }
      alpha[ulong(t) * p.states + s] = reached + it.log_prob(t, s);
    }
    threadgroup_barrier(mem_flags::mem_device);
  }
  if (thread_index != 0) return;
  if (it.steps == 0) {
    losses[sample] = it.states == 1 ? 0 : INFINITY;
    return;
  }
  device const float* last = alpha + ulong(it.steps - 1) * p.states;
  losses[sample] = -log_sum_exp(last[it.states - 1], it.states > 1 ? last[it.states - 2] : -INFINITY);
}

kernel void ctc_beta(device float* beta [[buffer(0)]], device const float* log_probs [[buffer(1)]],
                     device const long* targets [[buffer(2)]], device const long* lengths [[buffer(3)]],
                     constant CtcParams& p [[buffer(4)]], uint sample [[threadgroup_position_in_grid]],
                     uint thread_index [[thread_index_in_threadgroup]], uint threads [[threads_per_threadgroup]]) {
  const CtcSample it(sample, log_probs, targets, lengths, p);
  beta += ulong(sample) * p.steps * p.states;
  for (uint step = it.steps; step > 0; --step) {
    const uint t = step - 1;
    for (uint s = thread_index; s < it.states; s += threads) {
      float onwards = s + 2 >= it.states ? 0 : -INFINITY;
      if (step < it.steps) {
        device const float* after = beta + ulong(step) * p.states;
        onwards = log_sum_exp(after[s], s + 1 < it.states ? after[s + 1] : -INFINITY,
                              s + 2 < it.states && it.leaps(s, s + 2) ? after[s + 2] : -INFINITY);
      }
      beta[ulong(t) * p.states + s] = onwards + it.log_prob(t, s);
    }
    threadgroup_barrier(mem_flags::mem_device);
  }
}

/// The gradient of one step of one sample: a thread for each.
kernel void ctc_gradient(device float* out [[buffer(0)]], device const float* grad [[buffer(1)]],
                         device const float* losses [[buffer(2)]], device const float* alpha [[buffer(3)]],
                         device const float* beta [[buffer(4)]], device const float* log_probs [[buffer(5)]],
                         device const long* targets [[buffer(6)]], device const long* lengths [[buffer(7)]],
                         constant CtcParams& p [[buffer(8)]], uint2 position [[thread_position_in_grid]]) {
  const uint sample = position.x, t = position.y;
  const CtcSample it(sample, log_probs, targets, lengths, p);
  const float loss = losses[sample];
  out += (ulong(t) * p.samples + sample) * p.classes;
  if (t >= it.steps || (p.zero_infinity && loss == INFINITY)) {
    for (uint c = 0; c < p.classes; ++c) out[c] = 0;
    return;
  }
  const ulong row = (ulong(sample) * p.steps + t) * p.states;
  for (uint c = 0; c < p.classes; ++c) out[c] = -INFINITY;
  for (uint s = 0; s < it.states; ++s) {
    device float& ways = out[it.label(s)];
    ways = log_sum_exp(ways, alpha[row + s] + beta[row + s]);
  }
  const float g = grad[sample * p.grad_stride];
  device const float* here = it.log_probs + ulong(t) * it.step_stride;
  for (uint c = 0; c < p.classes; ++c) out[c] = g * (precise::exp(here[c]) - precise::exp(out[c] + loss - here[c]));
}
