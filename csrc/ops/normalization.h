// What layer, group and batch normalisation share. Statistics are float32 whatever the dtype.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <array>
#include <optional>
#include <tuple>

#include "reduction_params.h"

namespace torch_metal::normalization {

using OptionalTensor = std::optional<at::Tensor>;
using Tensors2 = std::tuple<at::Tensor, at::Tensor>;
using Tensors3 = std::tuple<at::Tensor, at::Tensor, at::Tensor>;
using Tensors4 = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor>;
using Mask = std::array<bool, 3>;  ///< which of the gradients of input, weight and bias are wanted

inline at::Tensor value_or_undefined(const OptionalTensor& tensor) { return tensor.value_or(at::Tensor()); }
inline at::Tensor float_like(const at::Tensor& x, at::IntArrayRef sizes) {
  return at::empty(sizes, x.options().dtype(at::kFloat));
}
/// `tensor`, an undefined one included, in another shape.
inline at::Tensor viewed(const at::Tensor& tensor, at::IntArrayRef sizes) {
  return tensor.defined() ? tensor.reshape(sizes) : tensor;
}

// On tensors that broadcast together: x has the full shape, statistics and weights have ones in it.

/// Mean, and what `mode` (of reduction_params.h) makes of the variance, `value` being its correction or epsilon.
void moments(const at::Tensor& x, const at::Tensor& mean, const at::Tensor& deviation, uint32_t mode, double value = 0);

constexpr double kStatisticsAreReciprocal = -1;

/// out = (x - mean) * deviation * weight + bias; weight and bias may be undefined. With an `epsilon`, deviation is a
/// variance, and 1 / sqrt(deviation + epsilon) is taken in its place.
void normalize(const at::Tensor& out, const at::Tensor& x, const at::Tensor& mean, const at::Tensor& deviation,
               const at::Tensor& weight, const at::Tensor& bias, double epsilon = kStatisticsAreReciprocal);

/// Sums of grad (times weight, if it is defined) and of its product with the normalised x, of shape `sizes`.
Tensors2 normalization_sums(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& mean, const at::Tensor& rstd,
                            const at::Tensor& weight, at::IntArrayRef sizes);

/// What an element's gradient takes from the others it was normalised with.
struct GroupSums {
  at::Tensor sums, product_sums;  ///< undefined if the statistics were constants
  bool weighted = false;
  int64_t count = 0;
};

/// The gradient of x.
void normalize_backward(const at::Tensor& out, const at::Tensor& grad, const at::Tensor& x, const at::Tensor& mean,
                        const at::Tensor& rstd, const at::Tensor& weight, const GroupSums& group);

/// A gradient of a weight, from float32 to the dtype of `like` and a shape.
at::Tensor weight_gradient(const at::Tensor& sums, const at::Tensor& like, at::IntArrayRef sizes);

}  // namespace torch_metal::normalization
