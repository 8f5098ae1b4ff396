// Fake quantisation: PyTorch checks arguments and calls the stubs; observers follow a moving average of the extremes.
#include <ATen/NativeFunctions.h>
#include <ATen/native/quantized/FakeQuantAffine.h>
#include <ATen/native/quantized/cpu/QuantUtils.h>

#include <limits>

#include "ops/elementwise.h"
#include "ops/structured.h"
#include "runtime/host_route.h"

namespace torch_metal {
namespace {

using at::Tensor;
using Tensors2 = std::tuple<Tensor, Tensor>;

/// An iterator over part of another's operands.
template <class... Inputs>
at::TensorIterator iterator(const Tensor& out, const Inputs&... inputs) {
  at::TensorIteratorConfig config;
  config.check_all_same_dtype(false).resize_outputs(false).add_output(out);
  (config.add_const_input(inputs), ...);
  return config.build();
}

void by_tensor(Tensor& output, Tensor& mask, const Tensor& input, float scale, int64_t zero_point, int64_t quant_min,
               int64_t quant_max) {
  const at::Scalar low = double(quant_min - zero_point), high = double(quant_max - zero_point);
  auto values = iterator(output, input);
  elementwise_as_stored(values, "fake_quantize", "fake_quantize", {scale, low, high});
  auto inside = iterator(mask, input);
  elementwise_as_stored(inside, "fake_quantize", "fake_quantize_mask", {scale, low, high});
}

void by_channel(at::TensorIterator& values, at::TensorIterator& mask, int64_t quant_min, int64_t quant_max) {
  const at::Scalar low = double(quant_min), high = double(quant_max);
  const auto zero_type = c10::isIntegralType(values.input_dtype(2), false) ? at::kInt : at::kFloat;
  const at::ScalarType types[] = {values.input_dtype(0), at::kFloat, zero_type};
  elementwise(values, "fake_quantize", "fake_quantize_channels", {low, high}, types);
  elementwise(mask, "fake_quantize", "fake_quantize_channels_mask", {low, high}, types);
}

/// Scale and zero point on the device, and a switch: nothing waits for their values.
void by_tensor_on_device(Tensor& output, Tensor& mask, const Tensor& input, const Tensor& scale,
                         const Tensor& zero_point, const Tensor& enabled, int64_t quant_min, int64_t quant_max) {
  const Tensor one_scale = scale.reshape({-1})[0], one_zero = zero_point.reshape({-1})[0].to(at::kInt);
  auto values = iterator(output, input, one_scale, one_zero);
  auto inside = iterator(mask, input, one_scale, one_zero);
  by_channel(values, inside, quant_min, quant_max);
  const Tensor off = enabled.reshape({-1})[0].eq(0);
  output.copy_(at::where(off, input, output));
  mask.logical_or_(off);
}

/// Gradients of learnt scales and zero points, element by element (Esser et al., "Learned step size quantization").
struct LearnableGradients {
  Tensor input, scale, zero_point;
};
LearnableGradients learnable_gradients(const Tensor& grad, const Tensor& x, const Tensor& scale, const Tensor& zero,
                                       int64_t quant_min, int64_t quant_max, double factor) {
  const Tensor inverse = scale.reciprocal(), q = (x * inverse).round_() + zero;
  const Tensor below = q.lt(quant_min), above = q.gt(quant_max), inside = below.logical_or(above).logical_not();
  const Tensor error = ((q - zero) * scale - x) * inverse;
  const Tensor slope = at::where(below, quant_min - zero, at::where(above, quant_max - zero, error));
  return {grad * inside, grad * slope * factor, at::where(inside, at::zeros_like(grad), grad * -scale * factor)};
}

void learnable_by_tensor(at::TensorIterator& iter, float scale, float, int64_t zero_point, int64_t quant_min,
                         int64_t quant_max, float factor) {
  const Tensor &x = iter.input(0), &grad = iter.input(1);
  const auto number = [&](double value) { return at::scalar_tensor(value, x.options()); };
  const auto gradients =
      learnable_gradients(grad, x, number(scale), number(double(zero_point)), quant_min, quant_max, factor);
  iter.output(0).copy_(gradients.input);
  iter.output(1).copy_(gradients.scale);
  iter.output(2).copy_(gradients.zero_point);
}

void learnable_by_channel(at::TensorIterator& iter, int64_t quant_min, int64_t quant_max, float factor) {
  const auto gradients = learnable_gradients(iter.input(1), iter.input(0), iter.input(2), iter.input(3), quant_min,
                                             quant_max, factor);
  iter.output(0).copy_(gradients.input);
  iter.output(1).copy_(gradients.scale);
  iter.output(2).copy_(gradients.zero_point);
}

// ---- Observers ----

/// The running extremes take their step; the first values are taken as they are.
void follow(const Tensor& running, const Tensor& latest, double averaging) {
  const Tensor step = running + (latest - running) * averaging;
  running.copy_(at::where(running.isinf(), latest, step));
}

/// Scale and zero point of each channel from its extremes, in float64 on the host: a handful of numbers.
void choose_parameters(const Tensor& low, const Tensor& high, const Tensor& scale, const Tensor& zero_point,
                       int64_t quant_min, int64_t quant_max, bool symmetric) {
  const Tensor lows = low.cpu(), highs = high.cpu();
  const Tensor scales = at::empty_like(lows), zeros = at::empty_like(lows, at::kInt);
  for (int64_t i = 0; i < lows.numel(); ++i) {
    const auto chosen = quant_utils::ChooseQuantizationParams(lows.const_data_ptr<float>()[i],
                                                        highs.const_data_ptr<float>()[i], int32_t(quant_min),
                                                        int32_t(quant_max), symmetric);
    scales.mutable_data_ptr<float>()[i] = static_cast<float>(chosen.scale);
    zeros.mutable_data_ptr<int32_t>()[i] = chosen.zero_point;
  }
  scale.copy_(scales);
  zero_point.copy_(zeros);
}

Tensors2 fused_moving_average_observer(const Tensor& self, const Tensor& observer_on, const Tensor& fake_quant_on,
                                       Tensor& running_min, Tensor& running_max, Tensor& scale, Tensor& zero_point,
                                       double averaging, int64_t quant_min, int64_t quant_max, int64_t axis,
                                       bool by_row, bool symmetric) {
  TORCH_CHECK(axis < self.dim(), "Error in fused_moving_avg_obs_fake_quant: ch_axis must be < self.dim()");
  const int64_t channels = by_row ? self.size(axis) : 1;
  if (by_row && running_min.numel() == 0) {
    running_min.resize_({channels}).fill_(std::numeric_limits<float>::infinity());
    running_max.resize_({channels}).fill_(-std::numeric_limits<float>::infinity());
    scale.resize_({channels}).fill_(1);
    zero_point.resize_({channels}).zero_();
  }
  if (observer_on.item().toInt() != 0) {
    const Tensor rows = by_row ? self.transpose(0, axis).reshape({channels, -1}) : self.reshape({1, -1});
    const auto [low, high] = at::aminmax(rows, 1);
    follow(running_min.view({-1}), low, averaging);
    follow(running_max.view({-1}), high, averaging);
  }
  if (fake_quant_on.item().toInt() == 0) return {self.clone(), at::ones_like(self, at::kBool)};
  choose_parameters(running_min.view({-1}), running_max.view({-1}), scale.view({-1}), zero_point.view({-1}), quant_min,
                    quant_max, symmetric);
  if (by_row)
    return at::fake_quantize_per_channel_affine_cachemask(self, scale, zero_point, axis, quant_min, quant_max);
  return at::fake_quantize_per_tensor_affine_cachemask(self, scale.item().toDouble(), zero_point.item().toLong(),
                                                       quant_min, quant_max);
}

}  // namespace
}  // namespace torch_metal

namespace at::native {
using namespace torch_metal;
REGISTER_PRIVATEUSE1_DISPATCH(fake_quant_tensor_cachemask_stub, &by_tensor)
REGISTER_PRIVATEUSE1_DISPATCH(fake_quant_tensor_cachemask_tensor_qparams_stub, &by_tensor_on_device)
REGISTER_PRIVATEUSE1_DISPATCH(fake_quant_per_channel_cachemask_stub, &by_channel)
REGISTER_PRIVATEUSE1_DISPATCH(fake_quant_grad_learnable_tensor_stub, &learnable_by_tensor)
REGISTER_PRIVATEUSE1_DISPATCH(fake_quant_grad_learnable_channel_stub, &learnable_by_channel)
}  // namespace at::native

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  using namespace torch_metal;
#define FAKE_QUANTIZE(name) METAL_IMPL(m, #name, at::native::name)
  FAKE_QUANTIZE(fake_quantize_per_tensor_affine_cachemask);
  FAKE_QUANTIZE(_fake_quantize_per_tensor_affine_cachemask_tensor_qparams);
  FAKE_QUANTIZE(fake_quantize_per_channel_affine_cachemask);
  FAKE_QUANTIZE(_fake_quantize_learnable_per_tensor_affine);
  FAKE_QUANTIZE(_fake_quantize_learnable_per_tensor_affine_backward);
  FAKE_QUANTIZE(_fake_quantize_learnable_per_channel_affine);
  FAKE_QUANTIZE(_fake_quantize_learnable_per_channel_affine_backward);
  METAL_IMPL(m, "_fused_moving_avg_obs_fq_helper", fused_moving_average_observer);
}
