// Layer normalisation: statistics over the trailing dimensions.
#include <ATen/native/layer_norm.h>

#include <algorithm>
#include <vector>

#include "normalization_params.h"
#include "ops/narrow.h"
#include "ops/normalization.h"
#include "ops/reduce.h"
#include "ops/registration.h"
#include "runtime/launch.h"

namespace torch_metal {
namespace {

using namespace normalization;
using at::IntArrayRef;
using at::Tensor;

struct LayerShape {
  LayerShape(const Tensor& input, IntArrayRef normalized)
      : statistics(input.sizes().vec()), weights(input.sizes().vec()), count(c10::multiply_integers(normalized)) {
    const size_t leading = input.dim() - normalized.size();
    std::fill(statistics.begin() + leading, statistics.end(), 1);
    std::fill(weights.begin(), weights.begin() + leading, 1);
  }
  std::vector<int64_t> statistics, weights;
  int64_t count;
};

Tensors3 native_layer_norm(const Tensor& input, IntArrayRef normalized_shape, const OptionalTensor& weight_opt,
                           const OptionalTensor& bias_opt, double eps) {
  const Tensor weight = value_or_undefined(weight_opt), bias = value_or_undefined(bias_opt);
  at::native::_check_layer_norm_inputs(input, normalized_shape, weight, bias);
  const LayerShape shape(input, normalized_shape);
  const Tensor out = at::empty_like(input, at::MemoryFormat::Contiguous);
  const Tensor mean = float_like(input, shape.statistics), rstd = float_like(input, shape.statistics);
  if (input.numel() == 0) return {out, mean.zero_(), rstd.zero_()};
  const LayerNormParams params{narrow(shape.count, "layer_norm's number of elements"), weight.defined(), bias.defined(),
                               float(eps)};
  const Tensor& typed = weight.defined() ? weight : bias.defined() ? bias : mean;
  const Tensor dense_weight = weight.defined() ? weight.contiguous() : typed;
  const Tensor dense_bias = bias.defined() ? bias.to(typed.scalar_type()).contiguous() : typed;
  const Kernel& rows =
      kernel("normalization", "layer_norm", {metal_type(input.scalar_type()), metal_type(typed.scalar_type())});
  const Tensor dense = input.contiguous();
  const uint64_t threads = row_threads(shape.count);
  for_each_group_range(mean.numel(), threads, [&](uint64_t first, uint64_t count) {
    launch_groups(rows, {count}, {threads}, elements_from(dense, first * shape.count),
                  elements_from(out, first * shape.count), elements_from(mean, first), elements_from(rstd, first),
                  dense_weight, dense_bias, params);
  });
  return {out, mean, rstd};
}

Tensors3 native_layer_norm_backward(const Tensor& grad, const Tensor& input, IntArrayRef normalized_shape,
                                    const Tensor& mean, const Tensor& rstd, const OptionalTensor& weight_opt,
                                    const OptionalTensor& bias_opt, Mask mask) {
  const Tensor weight = value_or_undefined(weight_opt), bias = value_or_undefined(bias_opt);
  const LayerShape shape(input, normalized_shape);
  const Tensor wide_weight = viewed(weight, shape.weights);
  Tensors3 result;
  auto& [grad_input, grad_weight, grad_bias] = result;
  if (mask[0]) {
    grad_input = at::empty_like(input, at::MemoryFormat::Contiguous);
    const auto [sums, product_sums] = normalization_sums(grad, input, mean, rstd, wide_weight, shape.statistics);
    normalize_backward(grad_input, grad, input, mean, rstd, wide_weight, {sums, product_sums, true, shape.count});
  }
  if (mask[1] || mask[2]) {
    const auto [sums, product_sums] = normalization_sums(grad, input, mean, rstd, Tensor(), shape.weights);
    const Tensor& like = weight.defined() ? weight : bias.defined() ? bias : input;
    if (mask[1]) grad_weight = weight_gradient(product_sums, like, normalized_shape);
    if (mask[2]) grad_bias = weight_gradient(sums, like, normalized_shape);
  }
  return result;
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL(m, "native_layer_norm", native_layer_norm);
  METAL_IMPL(m, "native_layer_norm_backward", native_layer_norm_backward);
}

}  // namespace
}  // namespace torch_metal
