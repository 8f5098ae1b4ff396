// Batch, layer and group normalisation, forward and backward. Statistics are computed in float32 whatever the dtype.
#include <ATen/ceil_div.h>
#include <ATen/native/Normalization.h>
#include <ATen/native/layer_norm.h>

#include <algorithm>
#include <array>
#include <string>

#include "normalization_params.h"
#include "ops/narrow.h"
#include "ops/reduce.h"
#include "ops/results.h"
#include "ops/structured.h"
#include "runtime/launch.h"

namespace torch_metal {
namespace {

using at::IntArrayRef;
using at::Tensor;
using OptionalTensor = std::optional<Tensor>;
using Tensors2 = std::tuple<Tensor, Tensor>;
using Tensors3 = std::tuple<Tensor, Tensor, Tensor>;
using Tensors4 = std::tuple<Tensor, Tensor, Tensor, Tensor>;
using Mask = std::array<bool, 3>;

Tensor value_or_undefined(const OptionalTensor& tensor) { return tensor.value_or(Tensor()); }
Tensor float_like(const Tensor& x, IntArrayRef sizes) { return at::empty(sizes, x.options().dtype(at::kFloat)); }

// ---- On tensors that broadcast together: x has the full shape, statistics and weights have ones in it ----

/// The template argument `unit` of those kernels.
std::string unit_strides(const NormalizationParams& params, int operands) {
  uint32_t unit = 0;
  for (int i = 0; i < operands; ++i) {
    const auto stride = params.strides[i][0];
    if (stride == 1) {
      unit |= 1u << i;
    } else if (stride != 0 || i == 0) {
      return "kAnyStride";
    }
  }
  return std::to_string(unit) + "u";
}

/// How many threads share a row, a SIMD-group for each block, and their threadgroup.
std::pair<uint64_t, Extent> threads_along(uint64_t width) {
  if (width < kSimdWidth) return {width, {width, 64 / width}};
  const uint64_t rows = std::clamp<uint64_t>(8 * kNormalizationBlock / width, 1, 8);
  return {kSimdWidth * at::ceil_div(width, uint64_t(kNormalizationBlock)), {kSimdWidth, rows}};
}

/// Launches normalize or normalize_backward; the first operand is the output.
template <class... Operands>
void launch_normalization(const std::string& function, const Tensor& weight, NormalizationParams params,
                          const Operands&... operands) {
  at::TensorIteratorConfig config;
  config.set_check_mem_overlap(false).check_all_same_dtype(false).resize_outputs(false);
  int count = 0;
  ((count++ == 0 ? config.add_output(operands) : config.add_const_input(operands)), ...);
  const at::TensorIterator iterator = config.build();
  if (iterator.numel() == 0) return;

  TORCH_CHECK_NOT_IMPLEMENTED(iterator.ndim() <= int(kNormalizationMaxDims), "metal: normalisation over ",
                              iterator.ndim(), " dimensions that cannot be merged");
  params.dims = std::max(1, iterator.ndim());
  params.sizes[0] = 1;
  for (int dim = 0; dim < iterator.ndim(); ++dim) {
    params.sizes[dim] = iterator.shape()[dim];
    for (int i = 0; i < iterator.ntensors(); ++i)
      params.strides[i][dim] = iterator.strides(i)[dim] / int64_t(iterator.element_size(i));
  }
  const uint64_t width = params.sizes[0], rows = iterator.numel() / width;
  TORCH_CHECK_NOT_IMPLEMENTED(rows < (uint64_t{1} << 32), "metal: normalisation of more than 2^32 rows");
  const auto [threads, group] = threads_along(width);
  const auto weight_type = weight.defined() ? weight.scalar_type() : at::kFloat;
  const Kernel& k = kernel("normalization", function, {metal_type(iterator.dtype(0)), metal_type(weight_type),
                                                      unit_strides(params, iterator.ntensors())});
  launch_threads(k, {threads, rows}, group, operands..., params);
}

/// Mean, and what `mode` makes of the variance.
void moments(const Tensor& x, const Tensor& mean, const Tensor& deviation, uint32_t mode, double value = 0) {
  launch_reduction(reduction_iterator({deviation, mean}, {x}), {.name = "var_op", .value = value, .mode = mode});
}

constexpr double kStatisticsAreReciprocal = -1;

void normalize(const Tensor& out, const Tensor& x, const Tensor& mean, const Tensor& deviation, const Tensor& weight,
               const Tensor& bias, double epsilon = kStatisticsAreReciprocal) {
  NormalizationParams params{};
  params.has_weight = weight.defined();
  params.has_bias = bias.defined();
  params.epsilon = epsilon;
  const Tensor& typed = weight.defined() ? weight : bias;
  // The kernel has one type for both.
  const Tensor same_type_bias = bias.defined() ? bias.to(typed.scalar_type()) : bias;
  launch_normalization("normalize", typed, params, out, x, mean, deviation, weight.defined() ? weight : mean,
                       bias.defined() ? same_type_bias : mean);
}

/// Sums of grad (times weight, if it is given) and of its product with the normalised x.
Tensors2 normalization_sums(const Tensor& grad, const Tensor& x, const Tensor& mean, const Tensor& rstd,
                            const Tensor& weight, IntArrayRef sizes) {
  Tensor sums = float_like(x, sizes), product_sums = float_like(x, sizes);
  if (x.numel() == 0) return {sums.zero_(), product_sums.zero_()};
  const Tensor float_weight = weight.defined() ? weight.to(at::kFloat) : rstd;
  launch_reduction(reduction_iterator({sums, product_sums}, {grad, x, mean, rstd, float_weight}),
                   {.name = "normalization_sums_op",
                    .mode = weight.defined(),
                    .family = "normalization",
                    .prefix = "normalization_sums"});
  return {sums, product_sums};
}

/// What an element's gradient takes from the others it was normalised with.
struct GroupSums {
  Tensor sums, product_sums;  ///< undefined if the statistics were constants
  bool weighted = false;
  int64_t count = 0;
};

void normalize_backward(const Tensor& out, const Tensor& grad, const Tensor& x, const Tensor& mean, const Tensor& rstd,
                        const Tensor& weight, const GroupSums& group) {
  NormalizationParams params{};
  params.has_weight = weight.defined();
  params.weighted = group.weighted;
  params.scale = group.sums.defined() ? 1.0 / group.count : 0;
  launch_normalization("normalize_backward", weight, params, out, grad, x, mean, rstd, weight.defined() ? weight : mean,
                       group.sums.defined() ? group.sums : mean, group.sums.defined() ? group.product_sums : mean);
}

/// `tensor`, an undefined one included, in another shape.
Tensor viewed(const Tensor& tensor, IntArrayRef sizes) { return tensor.defined() ? tensor.reshape(sizes) : tensor; }

/// A gradient of a weight, from float32 to its dtype and shape.
Tensor weight_gradient(const Tensor& sums, const Tensor& like, IntArrayRef sizes) {
  return sums.reshape(sizes).to(like.scalar_type());
}

// ---- Layer normalisation: statistics over the trailing dimensions ----

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

// ---- Group normalisation: the input as batch x groups x channels of a group x positions ----

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

// ---- Batch normalisation: everything but the channels, dimension 1, is normalised together ----

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

}  // namespace

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL(m, "native_layer_norm", native_layer_norm);
  METAL_IMPL(m, "native_layer_norm_backward", native_layer_norm_backward);
  METAL_IMPL(m, "native_group_norm", native_group_norm);
  METAL_IMPL(m, "native_group_norm_backward", native_group_norm_backward);
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

}  // namespace torch_metal
