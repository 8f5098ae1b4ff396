#include "ops/normalization.h"

#include <ATen/ceil_div.h>

#include <algorithm>
#include <string>

#include "normalization_params.h"
#include "ops/reduce.h"
#include "runtime/launch.h"

namespace torch_metal::normalization {
namespace {

using at::IntArrayRef;
using at::Tensor;

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

}  // namespace

void moments(const Tensor& x, const Tensor& mean, const Tensor& deviation, uint32_t mode, double value) {
  launch_reduction(reduction_iterator({deviation, mean}, {x}), {.name = "var_op", .value = value, .mode = mode});
}

void normalize(const Tensor& out, const Tensor& x, const Tensor& mean, const Tensor& deviation, const Tensor& weight,
               const Tensor& bias, double epsilon) {
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

void normalize_backward(const Tensor& out, const Tensor& grad, const Tensor& x, const Tensor& mean, const Tensor& rstd,
                        const Tensor& weight, const GroupSums& group) {
  NormalizationParams params{};
  params.has_weight = weight.defined();
  params.weighted = group.weighted;
  params.scale = group.sums.defined() ? 1.0 / group.count : 0;
  launch_normalization("normalize_backward", weight, params, out, grad, x, mean, rstd, weight.defined() ? weight : mean,
                       group.sums.defined() ? group.sums : mean, group.sums.defined() ? group.product_sums : mean);
}

Tensor weight_gradient(const Tensor& sums, const Tensor& like, IntArrayRef sizes) {
  return sums.reshape(sizes).to(like.scalar_type());
}

}  // namespace torch_metal::normalization
