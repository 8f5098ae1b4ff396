// Hinge losses of samples with one label (multi-margin) or several (multilabel-margin). One SIMD-group for each sample,
// lanes along the classes.
#include <c10/metal/error.h>
#include <metal_stdlib>

#include "margin_loss_params.h"

using namespace metal;
using namespace torch_metal;

/// Whether the label is a class; if not, that is reported.
static bool check_label(long label, uint classes, device c10::metal::ErrorMessages* errors) {
  const bool valid = label >= 0 && label < long(classes);
  if (!valid) TORCH_REPORT_ERROR(errors, "target ", label, " is out of range");
  return valid;
}

/// How far x[other] comes within the margin of x[label].
template <class T>
static float hinge(device const T* x, uint label, uint other, float margin) {
  return max(margin - float(x[label]) + float(x[other]), 0.0f);
}

template <class T>
kernel void multi_margin(device float* losses [[buffer(0)]], device const T* x [[buffer(1)]],
                         device const long* target [[buffer(2)]], device const T* weight [[buffer(3)]],
                         device c10::metal::ErrorMessages* errors [[buffer(4)]],
                         constant MarginLossParams& p [[buffer(5)]], uint sample [[threadgroup_position_in_grid]],
                         uint lane [[thread_index_in_simdgroup]]) {
  const long label = target[sample];
  if (!check_label(label, p.classes, errors)) return;
  x += ulong(sample) * p.classes;
  float sum = 0;
  for (uint c = lane; c < p.classes; c += 32) {
    const float z = c == label ? 0 : hinge(x, label, c, p.margin);
    sum += p.squared ? z * z : z;
  }
  sum = simd_sum(sum);
  if (p.has_weight) sum *= float(weight[label]);
  if (lane == 0) losses[sample] = sum * p.scale;
}

template <class T>
kernel void multi_margin_backward(device T* out [[buffer(0)]], device const T* grad [[buffer(1)]],
                                  device const T* x [[buffer(2)]], device const long* target [[buffer(3)]],
                                  device const T* weight [[buffer(4)]],
                                  device c10::metal::ErrorMessages* errors [[buffer(5)]],
                                  constant MarginLossParams& p [[buffer(6)]],
                                  uint sample [[threadgroup_position_in_grid]],
                                  uint lane [[thread_index_in_simdgroup]]) {
  const long label = target[sample];
  if (!check_label(label, p.classes, errors)) return;
  x += ulong(sample) * p.classes;
  out += ulong(sample) * p.classes;
  float g = p.scale * float(grad[sample * p.grad_stride]);
  if (p.has_weight) g *= float(weight[label]);
  float sum = 0;
  for (uint c = lane; c < p.classes; c += 32) {
    const float z = c == label ? 0 : hinge(x, label, c, p.margin);
    const float slope = p.squared ? 2 * z : float(z > 0);
    if (c != label) out[c] = T(g * slope);
    sum += slope;
  }
  sum = simd_sum(sum);
  if (lane == 0) out[label] = T(-g * sum);
}

/// Labels stand before the first negative one. Writes which classes are among them.
template <class T>
kernel void multilabel_margin(device float* losses [[buffer(0)]], device T* is_target [[buffer(1)]],
                              device const T* x [[buffer(2)]], device const long* target [[buffer(3)]],
                              device c10::metal::ErrorMessages* errors [[buffer(4)]],
                              constant MarginLossParams& p [[buffer(5)]],
                              uint sample [[threadgroup_position_in_grid]], uint lane [[thread_index_in_simdgroup]]) {
  x += ulong(sample) * p.classes;
  target += ulong(sample) * p.classes;
  is_target += ulong(sample) * p.classes;
  uint labels = 0;
  for (; labels < p.classes && target[labels] != -1; ++labels) {
    if (!check_label(target[labels], p.classes, errors)) return;
  }
  float sum = 0;
  for (uint c = lane; c < p.classes; c += 32) {
    bool among = false;
    float hinges = 0;
    for (uint j = 0; j < labels; ++j) {
      among = among || target[j] == c;
      hinges += hinge(x, target[j], c, 1);
    }
    is_target[c] = T(among);
    if (!among) sum += hinges;
  }
  sum = simd_sum(sum);
  if (lane == 0) losses[sample] = sum * p.scale;
}

template <class T>
kernel void multilabel_margin_backward(device T* out [[buffer(0)]], device const T* grad [[buffer(1)]],
                                       device const T* x [[buffer(2)]], device const long* target [[buffer(3)]],
                                       device const T* is_target [[buffer(4)]],
                                       constant MarginLossParams& p [[buffer(5)]],
                                       uint sample [[threadgroup_position_in_grid]],
                                       uint lane [[thread_index_in_simdgroup]]) {
  x += ulong(sample) * p.classes;
  out += ulong(sample) * p.classes;
  target += ulong(sample) * p.classes;
  is_target += ulong(sample) * p.classes;
  const float g = p.scale * float(grad[sample * p.grad_stride]);
  for (uint c = lane; c < p.classes; c += 32) {
    int hinges = 0;  // that push x[c] down, less those that pull it up
    if (float(is_target[c]) == 0) {
      for (uint j = 0; j < p.classes && target[j] >= 0; ++j) hinges += hinge(x, target[j], c, 1) > 0;
    } else {
      int times = 0, others = 0;
      for (uint j = 0; j < p.classes && target[j] >= 0; ++j) times += target[j] == c;
      for (uint k = 0; k < p.classes; ++k) others += float(is_target[k]) == 0 && hinge(x, c, k, 1) > 0;
      hinges = -times * others;
    }
    out[c] = T(g * hinges);
  }
}
