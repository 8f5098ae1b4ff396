// Fused optimisers: one pass over parameters, gradients and state of many tensors.
#include "multi_tensor.h"
#include "optimizer_params.h"
#include "scalar_math.h"

/// The gradient as the update sees it: unscaled, and in the direction of descent. The unscaled value is written
/// back, as PyTorch's other kernels do.
template <class T>
inline float descent(device T* grad, ulong i, constant OptimizerParams& p, float inverse_scale) {
  float g = static_cast<float>(grad[i]);
  if (p.has_scale) {
    g *= inverse_scale;
    grad[i] = static_cast<T>(g);
  }
  return p.maximize ? -g : g;
}

/// Lists: parameter, gradient, first moment, second moment, step, and the largest second moment (AMSGrad).
/// Does nothing where `found_inf` is set: a step with infinite gradients is skipped.
template <class T>
kernel void fused_adam(constant TensorTable& table [[buffer(0)]],
                       constant OptimizerParams& p [[buffer(1)]],
                       device const float* lr_tensor [[buffer(2)]],
                       device const float* scale [[buffer(3)]],
                       device const float* found_inf [[buffer(4)]],
                       uint group [[threadgroup_position_in_grid]],
                       uint first [[thread_position_in_threadgroup]],
                       uint threads [[threads_per_threadgroup]]) {
  if (p.has_found_inf && *found_inf == 1) return;
  const Slice slice = slice_of(table, group);
  device T* const param = tensor_of<T>(table, 0, slice.tensor);
  device T* const grad = tensor_of<T>(table, 1, slice.tensor);
  device T* const exp_avg = tensor_of<T>(table, 2, slice.tensor);
  device T* const exp_avg_sq = tensor_of<T>(table, 3, slice.tensor);
  device T* const max_exp_avg_sq = tensor_of<T>(table, 5, slice.tensor);
  const float step = *tensor_of<float>(table, 4, slice.tensor);
  const float lr = p.has_lr ? *lr_tensor : p.lr;
  const float inverse_scale = p.has_scale ? 1 / *scale : 1;
  const float step_size = lr / -math::expm1(step * p.log_beta1);
  const float root_correction = precise::sqrt(-math::expm1(step * p.log_beta2));

  for (ulong i = slice.begin + first; i < slice.end; i += threads) {
    float w = static_cast<float>(param[i]);
    float g = descent(grad, i, p, inverse_scale);
    if (p.decoupled) {
      w -= lr * p.weight_decay * w;
    } else {
      g += p.weight_decay * w;
    }
    float m = static_cast<float>(exp_avg[i]), v = static_cast<float>(exp_avg_sq[i]);
    m += p.rest1 * (g - m);
    v = p.beta2 * v + p.rest2 * g * g;
    exp_avg[i] = static_cast<T>(m);
    exp_avg_sq[i] = static_cast<T>(v);
    if (p.amsgrad) {
      v = max(v, static_cast<float>(max_exp_avg_sq[i]));
      max_exp_avg_sq[i] = static_cast<T>(v);
    }
    param[i] = static_cast<T>(w - step_size * m / (precise::sqrt(v) / root_correction + p.eps));
  }
}

/// Lists: parameter, gradient, momentum.
template <class T>
kernel void fused_sgd(constant TensorTable& table [[buffer(0)]],
                      constant OptimizerParams& p [[buffer(1)]],
                      device const float* lr_tensor [[buffer(2)]],
                      device const float* scale [[buffer(3)]],
                      device const float* found_inf [[buffer(4)]],
                      uint group [[threadgroup_position_in_grid]],
                      uint first [[thread_position_in_threadgroup]],
                      uint threads [[threads_per_threadgroup]]) {
  if (p.has_found_inf && *found_inf == 1) return;
  const Slice slice = slice_of(table, group);
  device T* const param = tensor_of<T>(table, 0, slice.tensor);
  device T* const grad = tensor_of<T>(table, 1, slice.tensor);
  device T* const buffer = tensor_of<T>(table, 2, slice.tensor);
  const float lr = p.has_lr ? *lr_tensor : p.lr;
  const float inverse_scale = p.has_scale ? 1 / *scale : 1;

  for (ulong i = slice.begin + first; i < slice.end; i += threads) {
    const float w = static_cast<float>(param[i]);
    float g = descent(grad, i, p, inverse_scale) + p.weight_decay * w;
    if (p.momentum != 0) {
      const float old = static_cast<float>(buffer[i]);
      const float m = p.first_step ? g : p.momentum * old + p.gain * g;
      buffer[i] = static_cast<T>(m);
      g = p.nesterov ? g + p.momentum * m : m;
    }
    param[i] = static_cast<T>(w - lr * g);
  }
}

/// Lists: parameter, gradient, sum of squared gradients, step.
template <class T>
kernel void fused_adagrad(constant TensorTable& table [[buffer(0)]],
                          constant OptimizerParams& p [[buffer(1)]],
                          device const float* lr_tensor [[buffer(2)]],
                          device const float* scale [[buffer(3)]],
                          device const float* found_inf [[buffer(4)]],
                          uint group [[threadgroup_position_in_grid]],
                          uint first [[thread_position_in_threadgroup]],
                          uint threads [[threads_per_threadgroup]]) {
  if (p.has_found_inf && *found_inf == 1) return;
  const Slice slice = slice_of(table, group);
  device T* const param = tensor_of<T>(table, 0, slice.tensor);
  device T* const grad = tensor_of<T>(table, 1, slice.tensor);
  device T* const sum = tensor_of<T>(table, 2, slice.tensor);
  const float step = *tensor_of<float>(table, 3, slice.tensor);
  const float lr = (p.has_lr ? *lr_tensor : p.lr) / (1 + (step - 1) * p.lr_decay);
  const float inverse_scale = p.has_scale ? 1 / *scale : 1;

  for (ulong i = slice.begin + first; i < slice.end; i += threads) {
    const float w = static_cast<float>(param[i]);
    const float g = descent(grad, i, p, inverse_scale) + p.weight_decay * w;
    const float s = static_cast<float>(sum[i]) + g * g;
    sum[i] = static_cast<T>(s);
    param[i] = static_cast<T>(w - lr * g / (precise::sqrt(s) + p.eps));
  }
}

/// Gradient scaling: multiplies gradients by 1 / scale, and notes whether one of them is infinite or NaN.
template <class T>
kernel void unscale(constant TensorTable& table [[buffer(0)]],
                    device float* found_inf [[buffer(1)]],
                    device const float* inverse_scale [[buffer(2)]],
                    uint group [[threadgroup_position_in_grid]],
                    uint first [[thread_position_in_threadgroup]],
                    uint threads [[threads_per_threadgroup]]) {
  const Slice slice = slice_of(table, group);
  device T* const grad = tensor_of<T>(table, 0, slice.tensor);
  const float factor = *inverse_scale;
  bool finite = true;
  for (ulong i = slice.begin + first; i < slice.end; i += threads) {
    const float g = static_cast<float>(grad[i]);
    finite = finite && isfinite(g);
    grad[i] = static_cast<T>(g * factor);
  }
  if (!finite) *found_inf = 1;
}

/// One thread: shrinks the scale after a step with infinite gradients, grows it after enough steps without.
kernel void update_scale(device float* scale [[buffer(0)]],
                         device int* growth_tracker [[buffer(1)]],
                         device const float* found_inf [[buffer(2)]],
                         constant ScaleParams& p [[buffer(3)]],
                         uint thread_index [[thread_position_in_grid]]) {
  if (*found_inf != 0) {
    *scale *= p.backoff_factor;
    *growth_tracker = 0;
    return;
  }
  const int successful = *growth_tracker + 1;
  const bool grow = successful == p.growth_interval;
  const float grown = *scale * p.growth_factor;
  if (grow && isfinite(grown)) *scale = grown;
  *growth_tracker = grow ? 0 : successful;
}
