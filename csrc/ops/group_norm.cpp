// Group normalisation: the input as batch x groups x channels of a group x positions.
#include <array>

#include "ops/normalization.h"
#include "ops/registration.h"

namespace torch_metal {
namespace {

using namespace normalization;
using at::IntArrayRef;
using at::Tensor;

struct GroupShape {
  GroupShape(int64_t n, int64_t c, int64_t positions, int64_t groups)
      : full{n, groups, c / groups, positions},
        statistics{n, groups, 1, 1},
        channels{n, groups, c / groups, 1},
        weights{1, groups, c / groups, 1},
        count(c / groups * positions) {}
  std::array<int64_t, 4> full, statistics, channels, weights;
  int64_t count;
};

bool has_adjacent_positions(const Tensor& x) { return x.stride(3) == 1 || x.size(3) == 1; }

/// Moments of each group, from those of its channels where these lie next to each other: then threads run along them.
void group_moments(const Tensor& x, const GroupShape& shape, const Tensor& mean, const Tensor& rstd, double eps) {
  if (has_adjacent_positions(x)) return moments(x, mean, rstd, kReciprocalDeviation, eps);
  const Tensor means = float_like(x, shape.channels), variances = float_like(x, shape.channels);
  moments(x, means, variances, kVariance);
  const Tensor within = variances.mean(2, /*keepdim=*/true), between = means.var(2, /*unbiased=*/false, true);
  mean.copy_(means.mean(2, /*keepdim=*/true));
  rstd.copy_(within.add(between).add_(eps).rsqrt_());
}

/// Statistics of groups as they suit x: those of each channel where channels lie next to each other, so that these are
/// one dimension.
Tensor spread_like(const Tensor& x, const Tensor& statistics, const GroupShape& shape) {
  return has_adjacent_positions(x) ? statistics : statistics.expand(shape.channels).contiguous();
}

Tensors3 native_group_norm(const Tensor& input, const OptionalTensor& weight, const OptionalTensor& bias, int64_t n,
                           int64_t c, int64_t positions, int64_t groups, double eps) {
  TORCH_CHECK(input.is_contiguous(input.suggest_memory_format()), "native_group_norm: the input is not contiguous");
  const GroupShape shape(n, c, positions, groups);
  const Tensor out = at::empty_like(input, input.suggest_memory_format());
  const Tensor mean = float_like(input, {n, groups}), rstd = float_like(input, {n, groups});
  const auto saved = weight && weight->defined() ? weight->scalar_type() : input.scalar_type();
  if (input.numel() == 0) return {out, mean.zero_().to(saved), rstd.zero_().to(saved)};
  const Tensor x = input.reshape(shape.full);
  const Tensor wide_mean = mean.view(shape.statistics), wide_rstd = rstd.view(shape.statistics);
  group_moments(x, shape, wide_mean, wide_rstd, eps);
  normalize(out.view(shape.full), x, spread_like(x, wide_mean, shape), spread_like(x, wide_rstd, shape),
            viewed(value_or_undefined(weight), shape.weights), viewed(value_or_undefined(bias), shape.weights));
  return {out, mean.to(saved), rstd.to(saved)};  // the dtype that PyTorch says
}

Tensors3 native_group_norm_backward(const Tensor& grad, const Tensor& input, const Tensor& mean, const Tensor& rstd,
                                    const OptionalTensor& weight_opt, int64_t n, int64_t c, int64_t positions,
                                    int64_t groups, Mask mask) {
  const GroupShape shape(n, c, positions, groups);
  const Tensor weight = viewed(value_or_undefined(weight_opt), shape.weights);
  const Tensor x = input.reshape(shape.full), wide_grad = grad.reshape(shape.full);
  const Tensor wide_mean = spread_like(x, mean.to(at::kFloat).reshape(shape.statistics), shape);
  const Tensor wide_rstd = spread_like(x, rstd.to(at::kFloat).reshape(shape.statistics), shape);
  // Sums of each channel of each image: of these, groups' are sums as well as weights'.
  const auto [sums, product_sums] = normalization_sums(wide_grad, x, wide_mean, wide_rstd, Tensor(), shape.channels);
  Tensors3 result;
  auto& [grad_input, grad_weight, grad_bias] = result;
  if (mask[0]) {
    const auto of_group = [&](const Tensor& of_channels) {
      const Tensor weighted = weight.defined() ? of_channels * weight.to(at::kFloat) : of_channels;
      return spread_like(x, weighted.sum(2, /*keepdim=*/true), shape);
    };
    grad_input = at::empty_like(input, input.suggest_memory_format());
    normalize_backward(grad_input.view(shape.full), wide_grad, x, wide_mean, wide_rstd, weight,
                       {of_group(sums), of_group(product_sums), true, shape.count});
  }
  const Tensor& like = weight.defined() ? weight : input;
  if (mask[1]) grad_weight = weight_gradient(product_sums.sum(0), like, {c});
  if (mask[2]) grad_bias = weight_gradient(sums.sum(0), like, {c});
  return result;
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL(m, "native_group_norm", native_group_norm);
  METAL_IMPL(m, "native_group_norm_backward", native_group_norm_backward);
}

}  // namespace
}  // namespace torch_metal
