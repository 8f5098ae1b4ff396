// Batch normalisation: everything but the channels, dimension 1, is normalised together.
#include <ATen/native/Normalization.h>

#include <vector>

#include "normalization_params.h"
#include "ops/normalization.h"
#include "ops/registration.h"
#include "ops/results.h"
#include "runtime/launch.h"

namespace torch_metal {
namespace {

using namespace normalization;
using at::IntArrayRef;
using at::Tensor;

struct BatchShape {
  explicit BatchShape(const Tensor& input) : statistics(input.dim(), 1) {
    TORCH_CHECK(input.dim() >= 2, "batch_norm: expected at least 2 dimensions, got ", input.dim());
    channels = statistics[1] = input.size(1);
    count = channels == 0 ? 0 : input.numel() / channels;
  }
  std::vector<int64_t> statistics;
  int64_t channels, count;
};

void check_channels(const Tensor& tensor, int64_t channels, const char* name) {
  TORCH_CHECK(!tensor.defined() || tensor.numel() == channels, name, " should contain ", channels, " elements not ",
              tensor.numel());
}

/// rstd of the batch; running statistics take their step.
void update_statistics(const Tensor& mean, const Tensor& variance, const Tensor& rstd, const Tensor& running_mean,
                       const Tensor& running_variance, double momentum, double eps, int64_t count) {
  RunningStatisticsParams params{};
  params.momentum = momentum;
  params.correction = double(count) / double(count - 1);
  params.epsilon = eps;
  params.has_mean = running_mean.defined();
  params.has_variance = running_variance.defined();
  if (params.has_mean) params.mean_stride = running_mean.stride(0);
  if (params.has_variance) params.variance_stride = running_variance.stride(0);
  const auto dtype = params.has_mean       ? running_mean.scalar_type()
                     : params.has_variance ? running_variance.scalar_type()
                                           : at::kFloat;
  launch_threads(kernel("normalization", "update_statistics", {metal_type(dtype)}), {uint64_t(mean.numel())}, {64},
                 mean, variance, rstd, params.has_mean ? running_mean : rstd,
                 params.has_variance ? running_variance : rstd, params);
}

Tensors3 batch_norm(const Tensor& input, const OptionalTensor& weight_opt, const OptionalTensor& bias_opt,
                    const Tensor& running_mean, const Tensor& running_variance, bool train, double momentum,
                    double eps) {
  const BatchShape shape(input);
  const Tensor weight = value_or_undefined(weight_opt), bias = value_or_undefined(bias_opt);
  check_channels(weight, shape.channels, "weight");
  check_channels(bias, shape.channels, "bias");
  check_channels(running_mean, shape.channels, "running_mean");
  check_channels(running_variance, shape.channels, "running_var");
  const Tensor wide_weight = viewed(weight, shape.statistics), wide_bias = viewed(bias, shape.statistics);
  const Tensor out = at::empty_like(input, input.suggest_memory_format());
  if (!train) {
    TORCH_CHECK(running_mean.defined() && running_variance.defined(),
                "batch_norm: running_mean and running_var are needed in evaluation mode");
    normalize(out, input, viewed(running_mean.to(at::kFloat), shape.statistics),
              viewed(running_variance.to(at::kFloat), shape.statistics), wide_weight, wide_bias, eps);
    return {out, float_like(input, {0}), float_like(input, {0})};
  }
  const Tensor mean = float_like(input, {shape.channels}), rstd = float_like(input, {shape.channels});
  if (input.numel() == 0) return {out, mean.zero_(), rstd.zero_()};
  const Tensor variance = float_like(input, {shape.channels});
  moments(input, mean.view(shape.statistics), variance.view(shape.statistics), kVariance);
  update_statistics(mean, variance, rstd, running_mean, running_variance, momentum, eps, shape.count);
  normalize(out, input, mean.view(shape.statistics), rstd.view(shape.statistics), wide_weight, wide_bias);
  return {out, mean, rstd};
}

Tensors3 native_batch_norm(const Tensor& input, const OptionalTensor& weight, const OptionalTensor& bias,
                           const OptionalTensor& running_mean, const OptionalTensor& running_variance, bool train,
                           double momentum, double eps) {
  return batch_norm(input, weight, bias, value_or_undefined(running_mean), value_or_undefined(running_variance), train,
                    momentum, eps);
}

Tensors3 batch_norm_legit(const Tensor& input, const OptionalTensor& weight, const OptionalTensor& bias,
                          Tensor& running_mean, Tensor& running_variance, bool train, double momentum, double eps) {
  return batch_norm(input, weight, bias, running_mean, running_variance, train, momentum, eps);
}

Tensors3 batch_norm_no_stats(const Tensor& input, const OptionalTensor& weight, const OptionalTensor& bias, bool train,
                             double momentum, double eps) {
  return batch_norm(input, weight, bias, Tensor(), Tensor(), train, momentum, eps);
}

Tensors4 batch_norm_with_update(const Tensor& input, const OptionalTensor& weight, const OptionalTensor& bias,
                                Tensor& running_mean, Tensor& running_variance, double momentum, double eps) {
  return std::tuple_cat(batch_norm(input, weight, bias, running_mean, running_variance, /*train=*/true, momentum, eps),
                        std::tuple(at::empty({0}, input.options().dtype(at::kByte))));
}

std::tuple<Tensor&, Tensor&, Tensor&> give(const Tensors3& results, Tensor& out, Tensor& mean, Tensor& rstd) {
  return {torch_metal::give(std::get<0>(results), out), torch_metal::give(std::get<1>(results), mean),
          torch_metal::give(std::get<2>(results), rstd)};
}

std::tuple<Tensor&, Tensor&, Tensor&> native_batch_norm_out(
    const Tensor& input, const OptionalTensor& weight, const OptionalTensor& bias, const OptionalTensor& running_mean,
    const OptionalTensor& running_variance, bool train, double momentum, double eps, Tensor& out, Tensor& mean,
    Tensor& rstd) {
  return give(torch_metal::native_batch_norm(input, weight, bias, running_mean, running_variance, train, momentum, eps),
              out, mean, rstd);
}

std::tuple<Tensor&, Tensor&, Tensor&> batch_norm_legit_out(const Tensor& input, const OptionalTensor& weight,
                                                           const OptionalTensor& bias, Tensor& running_mean,
                                                           Tensor& running_variance, bool train, double momentum,
                                                           double eps, Tensor& out, Tensor& mean, Tensor& rstd) {
  return give(batch_norm(input, weight, bias, running_mean, running_variance, train, momentum, eps), out, mean, rstd);
}

std::tuple<Tensor&, Tensor&, Tensor&> batch_norm_no_stats_out(const Tensor& input, const OptionalTensor& weight,
                                                              const OptionalTensor& bias, bool train, double momentum,
                                                              double eps, Tensor& out, Tensor& mean, Tensor& rstd) {
  return give(batch_norm_no_stats(input, weight, bias, train, momentum, eps), out, mean, rstd);
}

std::tuple<Tensor&, Tensor&, Tensor&, Tensor&> batch_norm_with_update_out(
    const Tensor& input, const OptionalTensor& weight, const OptionalTensor& bias, Tensor& running_mean,
    Tensor& running_variance, double momentum, double eps, Tensor& out, Tensor& mean, Tensor& rstd, Tensor& reserve) {
  give(batch_norm(input, weight, bias, running_mean, running_variance, /*train=*/true, momentum, eps), out, mean, rstd);
  return {out, mean, rstd, reserve};
}

Tensors3 native_batch_norm_backward(const Tensor& grad, const Tensor& input, const OptionalTensor& weight_opt,
                                    const OptionalTensor& running_mean, const OptionalTensor& running_variance,
                                    const OptionalTensor& save_mean, const OptionalTensor& save_rstd, bool train,
                                    double eps, Mask mask) {
  const BatchShape shape(input);
  const Tensor weight = value_or_undefined(weight_opt), wide_weight = viewed(weight, shape.statistics);
  const Tensor mean = train ? save_mean.value() : running_mean.value().to(at::kFloat);
  const Tensor rstd = train ? save_rstd.value() : running_variance.value().to(at::kFloat).add(eps).rsqrt();
  const Tensor wide_mean = mean.view(shape.statistics), wide_rstd = rstd.view(shape.statistics);

  GroupSums group;
  group.count = shape.count;
  if (train || mask[1] || mask[2])
    std::tie(group.sums, group.product_sums) =
        normalization_sums(grad, input, wide_mean, wide_rstd, Tensor(), shape.statistics);
  Tensors3 result;
  auto& [grad_input, grad_weight, grad_bias] = result;
  const Tensor& like = weight.defined() ? weight : input;
  if (mask[1]) grad_weight = weight_gradient(group.product_sums, like, {shape.channels});
  if (mask[2]) grad_bias = weight_gradient(group.sums, like, {shape.channels});
  if (mask[0]) {
    grad_input = at::empty_like(input, input.suggest_memory_format());
    normalize_backward(grad_input, grad, input, wide_mean, wide_rstd, wide_weight, train ? group : GroupSums{});
  }
  return result;
}

Tensors3 batch_norm_backward(const Tensor& grad, const Tensor& input, const Tensor& weight,
                             const OptionalTensor& running_mean, const OptionalTensor& running_variance,
                             const OptionalTensor& save_mean, const OptionalTensor& save_rstd, bool update, double eps,
                             Mask mask, const Tensor&) {
  return torch_metal::native_batch_norm_backward(grad, input, weight, running_mean, running_variance, save_mean,
                                                 save_rstd, update, eps, mask);
}

/// Mean and variance of each channel; running statistics take their step.
Tensors2 batch_norm_update_stats(const Tensor& input, const OptionalTensor& running_mean,
                                 const OptionalTensor& running_variance, double momentum) {
  const BatchShape shape(input);
  const Tensor mean = float_like(input, {shape.channels}), variance = float_like(input, {shape.channels});
  if (input.numel() == 0) return {mean.zero_(), variance.zero_()};
  moments(input, mean.view(shape.statistics), variance.view(shape.statistics), kVariance);
  update_statistics(mean, variance, float_like(input, {shape.channels}), value_or_undefined(running_mean),
                    value_or_undefined(running_variance), momentum, /*eps=*/0, shape.count);
  return {mean, variance};
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL(m, "native_batch_norm", native_batch_norm);
  METAL_IMPL(m, "_native_batch_norm_legit", batch_norm_legit);
  METAL_IMPL(m, "native_batch_norm.out", native_batch_norm_out);
  METAL_IMPL(m, "_native_batch_norm_legit.out", batch_norm_legit_out);
  METAL_IMPL(m, "_native_batch_norm_legit.no_stats", batch_norm_no_stats);
  METAL_IMPL(m, "_native_batch_norm_legit.no_stats_out", batch_norm_no_stats_out);
  METAL_IMPL(m, "_batch_norm_with_update", batch_norm_with_update);
  METAL_IMPL(m, "_batch_norm_with_update.out", batch_norm_with_update_out);
  METAL_IMPL(m, "batch_norm_update_stats", batch_norm_update_stats);
  METAL_IMPL(m, "native_batch_norm_backward", native_batch_norm_backward);
  METAL_IMPL(m, "batch_norm_backward", batch_norm_backward);
}

}  // namespace
}  // namespace torch_metal
