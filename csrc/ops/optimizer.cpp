// Fused optimisers (torch.optim's fused=True) and gradient scaling (torch.amp.GradScaler).
#include <ATen/NativeFunctions.h>

#include <algorithm>
#include <cmath>

#include "ops/multi_tensor.h"
#include "optimizer_params.h"

namespace torch_metal {

namespace {

using at::Tensor;
using at::TensorList;
using OptionalTensor = std::optional<Tensor>;

/// All tensors of a list that is not empty are of one dtype, contiguous alike and on metal.
void check_lists(const char* name, at::ArrayRef<TensorList> lists) {
  const auto dtype = lists[0][0].scalar_type();
  TORCH_CHECK_NOT_IMPLEMENTED(c10::isFloatingType(dtype), '"', name, "\" not implemented for '", dtype, "'");
  for (const TensorList list : lists) {
    if (list.empty()) continue;
    TORCH_CHECK(list.size() == lists[0].size(), name, ": lists must have the same length, got ", lists[0].size(),
                " and ", list.size());
    for (size_t i = 0; i < list.size(); ++i) {
      TORCH_CHECK(list[i].is_privateuseone() && list[i].scalar_type() == dtype &&
                      list[i].is_non_overlapping_and_dense() && list[i].sizes() == lists[0][i].sizes() &&
                      list[i].strides() == lists[0][i].strides(),
                  name, ": parameters, gradients and state must have the same device, dtype, sizes and strides");
    }
  }
}

/// The optional single-element tensors that a fused step reads on the device.
struct Inputs {
  Tensor lr, scale, found_inf;

  Inputs(const OptionalTensor& lr_, const OptionalTensor& scale_, const OptionalTensor& found_inf_, const Tensor& like,
         OptimizerParams& params) {
    const auto take = [&](const OptionalTensor& given, Tensor& taken, uint32_t& has) {
      has = given && given->defined();
      taken = has ? given->to(like.device(), at::kFloat) : like;  // something must be bound
    };
    take(lr_, lr, params.has_lr);
    take(scale_, scale, params.has_scale);
    take(found_inf_, found_inf, params.has_found_inf);
  }
};

template <class... Lists>
void run(std::string_view name, const OptimizerParams& params, const Inputs& inputs, const Lists&... lists) {
  const std::array<TensorList, sizeof...(lists)> all{lists...};
  const Kernel& kernel = torch_metal::kernel("optimizer", name, {metal_type(all[0][0].scalar_type())});
  for (const TensorChunk& chunk : tensor_chunks(all)) {
    launch_chunk(kernel, chunk, params, inputs.lr, inputs.scale, inputs.found_inf);
  }
}

void check_steps(const char* name, TensorList steps, TensorList self) {
  TORCH_CHECK(steps.size() == self.size(), name, ": expected a step for each parameter");
  for (const Tensor& step : steps) {
    TORCH_CHECK(step.is_privateuseone() && step.scalar_type() == at::kFloat && step.numel() == 1, name,
                ": steps must be float32 tensors of one element on metal");
  }
}

void adam(TensorList self, TensorList grads, TensorList exp_avgs, TensorList exp_avg_sqs, TensorList max_exp_avg_sqs,
          TensorList steps, double lr, const OptionalTensor& lr_tensor, double beta1, double beta2,
          double weight_decay, double eps, bool amsgrad, bool maximize, const OptionalTensor& scale,
          const OptionalTensor& found_inf, bool decoupled) {
  if (self.empty()) return;
  check_lists("fused_adam", {self, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs});
  check_steps("fused_adam", steps, self);
  OptimizerParams params{};
  params.lr = static_cast<float>(lr);
  params.weight_decay = static_cast<float>(weight_decay);
  params.beta2 = static_cast<float>(beta2);
  params.rest1 = static_cast<float>(1 - beta1);
  params.rest2 = static_cast<float>(1 - beta2);
  params.log_beta1 = static_cast<float>(std::log(beta1));
  params.log_beta2 = static_cast<float>(std::log(beta2));
  params.eps = static_cast<float>(eps);
  params.maximize = maximize;
  params.amsgrad = amsgrad;
  params.decoupled = decoupled;
  const Inputs inputs(lr_tensor, scale, found_inf, self[0], params);
  run("fused_adam", params, inputs, self, grads, exp_avgs, exp_avg_sqs, steps, max_exp_avg_sqs);
}

template <bool decoupled>
void fused_adam(TensorList self, TensorList grads, TensorList exp_avgs, TensorList exp_avg_sqs,
                TensorList max_exp_avg_sqs, TensorList steps, double lr, double beta1, double beta2,
                double weight_decay, double eps, bool amsgrad, bool maximize, const OptionalTensor& scale,
                const OptionalTensor& found_inf) {
  adam(self, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, steps, lr, std::nullopt, beta1, beta2, weight_decay, eps,
       amsgrad, maximize, scale, found_inf, decoupled);
}

template <bool decoupled>
void fused_adam_tensor_lr(TensorList self, TensorList grads, TensorList exp_avgs, TensorList exp_avg_sqs,
                          TensorList max_exp_avg_sqs, TensorList steps, const Tensor& lr, double beta1, double beta2,
                          double weight_decay, double eps, bool amsgrad, bool maximize, const OptionalTensor& scale,
                          const OptionalTensor& found_inf) {
  adam(self, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, steps, 0, lr, beta1, beta2, weight_decay, eps, amsgrad,
       maximize, scale, found_inf, decoupled);
}

void sgd(TensorList self, TensorList grads, TensorList momentum_buffers, double weight_decay, double momentum,
         double lr, const OptionalTensor& lr_tensor, double dampening, bool nesterov, bool maximize,
         bool is_first_step, const OptionalTensor& scale, const OptionalTensor& found_inf) {
  if (self.empty()) return;
  check_lists("fused_sgd", {self, grads, momentum_buffers});
  OptimizerParams params{};
  params.lr = static_cast<float>(lr);
  params.weight_decay = static_cast<float>(weight_decay);
  params.momentum = static_cast<float>(momentum);
  params.gain = static_cast<float>(1 - dampening);
  params.maximize = maximize;
  params.nesterov = nesterov;
  params.first_step = is_first_step;
  const Inputs inputs(lr_tensor, scale, found_inf, self[0], params);
  run("fused_sgd", params, inputs, self, grads, momentum_buffers);
}

void fused_sgd(TensorList self, TensorList grads, TensorList momentum_buffers, double weight_decay, double momentum,
               double lr, double dampening, bool nesterov, bool maximize, bool is_first_step,
               const OptionalTensor& scale, const OptionalTensor& found_inf) {
  sgd(self, grads, momentum_buffers, weight_decay, momentum, lr, std::nullopt, dampening, nesterov, maximize,
      is_first_step, scale, found_inf);
}

void fused_sgd_tensor_lr(TensorList self, TensorList grads, TensorList momentum_buffers, double weight_decay,
                         double momentum, const Tensor& lr, double dampening, bool nesterov, bool maximize,
                         bool is_first_step, const OptionalTensor& scale, const OptionalTensor& found_inf) {
  sgd(self, grads, momentum_buffers, weight_decay, momentum, 0, lr, dampening, nesterov, maximize, is_first_step,
      scale, found_inf);
}

void adagrad(TensorList self, TensorList grads, TensorList sums, TensorList steps, double lr,
             const OptionalTensor& lr_tensor, double lr_decay, double weight_decay, double eps, bool maximize,
             const OptionalTensor& scale, const OptionalTensor& found_inf) {
  if (self.empty()) return;
  check_lists("fused_adagrad", {self, grads, sums});
  check_steps("fused_adagrad", steps, self);
  OptimizerParams params{};
  params.lr = static_cast<float>(lr);
  params.lr_decay = static_cast<float>(lr_decay);
  params.weight_decay = static_cast<float>(weight_decay);
  params.eps = static_cast<float>(eps);
  params.maximize = maximize;
  const Inputs inputs(lr_tensor, scale, found_inf, self[0], params);
  run("fused_adagrad", params, inputs, self, grads, sums, steps);
}

void fused_adagrad(TensorList self, TensorList grads, TensorList sums, TensorList steps, double lr, double lr_decay,
                   double weight_decay, double eps, bool maximize, const OptionalTensor& scale,
                   const OptionalTensor& found_inf) {
  adagrad(self, grads, sums, steps, lr, std::nullopt, lr_decay, weight_decay, eps, maximize, scale, found_inf);
}

void fused_adagrad_tensor_lr(TensorList self, TensorList grads, TensorList sums, TensorList steps, const Tensor& lr,
                             double lr_decay, double weight_decay, double eps, bool maximize,
                             const OptionalTensor& scale, const OptionalTensor& found_inf) {
  adagrad(self, grads, sums, steps, 0, lr, lr_decay, weight_decay, eps, maximize, scale, found_inf);
}

void unscale(TensorList grads, Tensor& found_inf, const Tensor& inverse_scale) {
  if (grads.empty()) return;
  for (const Tensor* const number : {&std::as_const(found_inf), &inverse_scale}) {
    TORCH_CHECK(number->is_privateuseone() && number->scalar_type() == at::kFloat && number->numel() == 1,
                "_amp_foreach_non_finite_check_and_unscale_: found_inf and inv_scale must be float32 tensors of one "
                "element on metal");
  }
  const bool alike = std::all_of(grads.begin(), grads.end(), [&](const Tensor& grad) {
    return grad.is_non_overlapping_and_dense() && grad.scalar_type() == grads[0].scalar_type();
  });
  TORCH_CHECK(alike, "_amp_foreach_non_finite_check_and_unscale_: gradients must be dense and of one dtype");
  const Kernel& kernel = torch_metal::kernel("optimizer", "unscale", {metal_type(grads[0].scalar_type())});
  for (const TensorChunk& chunk : tensor_chunks({grads})) launch_chunk(kernel, chunk, found_inf, inverse_scale);
}

Tensor& update_scale(Tensor& scale, Tensor& growth_tracker, const Tensor& found_inf, double growth_factor,
                     double backoff_factor, int64_t growth_interval) {
  TORCH_CHECK(growth_tracker.scalar_type() == at::kInt && growth_tracker.numel() == 1,
              "growth_tracker must be an int tensor of one element.");
  TORCH_CHECK(scale.scalar_type() == at::kFloat && scale.numel() == 1, "current_scale must be a float tensor.");
  TORCH_CHECK(found_inf.scalar_type() == at::kFloat && found_inf.numel() == 1, "found_inf must be a float tensor.");
  const ScaleParams params{static_cast<float>(growth_factor), static_cast<float>(backoff_factor),
                           static_cast<int32_t>(growth_interval)};
  launch_threads(kernel("optimizer", "update_scale"), {1}, {1}, scale, growth_tracker, found_inf, params);
  return scale;
}

}  // namespace

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL(m, "_fused_adam_", fused_adam<false>);
  METAL_IMPL(m, "_fused_adam_.tensor_lr", fused_adam_tensor_lr<false>);
  METAL_IMPL(m, "_fused_adamw_", fused_adam<true>);
  METAL_IMPL(m, "_fused_adamw_.tensor_lr", fused_adam_tensor_lr<true>);
  METAL_IMPL(m, "_fused_sgd_", fused_sgd);
  METAL_IMPL(m, "_fused_sgd_.tensor_lr", fused_sgd_tensor_lr);
  METAL_IMPL(m, "_fused_adagrad_", fused_adagrad);
  METAL_IMPL(m, "_fused_adagrad_.tensor_lr", fused_adagrad_tensor_lr);
  METAL_IMPL(m, "_amp_foreach_non_finite_check_and_unscale_", unscale);
  METAL_IMPL(m, "_amp_update_scale_", update_scale);
}

}  // namespace torch_metal
