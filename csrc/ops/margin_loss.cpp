// Hinge losses of classes: multi_margin_loss and multilabel_margin_loss.
#include <ATen/core/Reduction.h>
#include <ATen/native/LossMulti.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "margin_loss_params.h"
#include "ops/registration.h"
#include "ops/results.h"
#include "runtime/launch.h"

namespace torch_metal {
namespace {

using at::Scalar;
using at::Tensor;
using OptionalTensor = std::optional<Tensor>;
namespace Reduction = at::Reduction;

/// Samples by classes, whatever the dimensions of the input.
struct Samples {
  int64_t count = 0, classes = 0;
};

const Kernel& margin_kernel(std::string_view name, const Tensor& self) {
  TORCH_CHECK_NOT_IMPLEMENTED(self.is_floating_point(), '"', name, "\" not implemented for '", self.scalar_type(), "'");
  return kernel("margin_loss", name, {metal_type(self.scalar_type())});
}

/// Losses of samples, in float32, as they were asked for. Inputs of one dimension have one number.
Tensor reduced(const Tensor& losses, int64_t reduction, bool each, at::ScalarType dtype) {
  if (reduction == Reduction::None && each) return losses.to(dtype);
  const Tensor sum = losses.sum();
  return (reduction == Reduction::Mean && losses.numel() > 0 ? sum.div_(losses.numel()) : sum).to(dtype);
}

/// What each hinge counts in the gradient.
float gradient_scale(const Samples& samples, int64_t reduction) {
  return 1.0f / (samples.classes * (reduction == Reduction::Mean ? samples.count : 1));
}

void check_labels(const Tensor& target) {
  TORCH_CHECK(target.scalar_type() == at::kLong, "expected scalar type Long but found ", target.scalar_type());
}

// ---- One label for each sample ----

MarginLossParams multi_margin_params(const Tensor& self, const Tensor& target, const Scalar& p, const Scalar& margin,
                                     const OptionalTensor& weight, Samples& samples) {
  TORCH_CHECK(p.equal(1) || p.equal(2), "only p == 1 and p == 2 supported");
  at::native::multi_margin_loss_shape_check(samples.count, samples.classes, self.dim(), self, target, weight);
  check_labels(target);
  MarginLossParams params{};
  params.classes = samples.classes;
  params.squared = p.equal(2);
  params.has_weight = weight && weight->defined();
  params.margin = margin.toFloat();
  params.scale = 1.0f / samples.classes;
  return params;
}

Tensor multi_margin_loss(const Tensor& self, const Tensor& target, const Scalar& p, const Scalar& margin,
                         const OptionalTensor& weight, int64_t reduction) {
  Samples samples;
  const auto params = multi_margin_params(self, target, p, margin, weight, samples);
  const Tensor x = self.contiguous(), losses = at::empty({samples.count}, self.options().dtype(at::kFloat));
  launch_groups(margin_kernel("multi_margin", self), {uint64_t(samples.count)}, {kSimdWidth}, losses, x,
                target.contiguous(), params.has_weight ? weight->contiguous() : x, error_buffer(), params);
  return reduced(losses, reduction, target.dim() > 0, self.scalar_type());
}

Tensor& multi_margin_loss_out(const Tensor& self, const Tensor& target, const Scalar& p, const Scalar& margin,
                              const OptionalTensor& weight, int64_t reduction, Tensor& out) {
  return give(torch_metal::multi_margin_loss(self, target, p, margin, weight, reduction), out);
}

Tensor multi_margin_loss_backward(const Tensor& grad, const Tensor& self, const Tensor& target, const Scalar& p,
                                  const Scalar& margin, const OptionalTensor& weight, int64_t reduction) {
  Samples samples;
  auto params = multi_margin_params(self, target, p, margin, weight, samples);
  params.scale = gradient_scale(samples, reduction);
  params.grad_stride = grad.dim() > 0;
  const Tensor x = self.contiguous(), grad_input = at::empty_like(x);
  launch_groups(margin_kernel("multi_margin_backward", self), {uint64_t(samples.count)}, {kSimdWidth}, grad_input,
                grad.contiguous(), x, target.contiguous(), params.has_weight ? weight->contiguous() : x,
                error_buffer(), params);
  return grad_input;
}

Tensor& multi_margin_loss_backward_out(const Tensor& grad, const Tensor& self, const Tensor& target, const Scalar& p,
                                       const Scalar& margin, const OptionalTensor& weight, int64_t reduction,
                                       Tensor& grad_input) {
  return give(torch_metal::multi_margin_loss_backward(grad, self, target, p, margin, weight, reduction), grad_input);
}

// ---- Several labels for each sample ----

MarginLossParams multilabel_params(const Tensor& self, const Tensor& target, Samples& samples) {
  at::native::multilabel_margin_loss_shape_check(samples.count, samples.classes, self.dim(), self, target);
  check_labels(target);
  MarginLossParams params{};
  params.classes = samples.classes;
  params.scale = 1.0f / samples.classes;
  return params;
}

std::tuple<Tensor, Tensor> multilabel_margin_loss_forward(const Tensor& self, const Tensor& target,
                                                          int64_t reduction) {
  Samples samples;
  const auto params = multilabel_params(self, target, samples);
  const Tensor losses = at::empty({samples.count}, self.options().dtype(at::kFloat));
  const Tensor is_target = at::empty(target.sizes(), self.options());
  launch_groups(margin_kernel("multilabel_margin", self), {uint64_t(samples.count)}, {kSimdWidth}, losses, is_target,
                self.contiguous(), target.contiguous(), error_buffer(), params);
  return {reduced(losses, reduction, target.dim() > 1, self.scalar_type()), is_target};
}

Tensor multilabel_margin_loss_backward(const Tensor& grad, const Tensor& self, const Tensor& target, int64_t reduction,
                                       const Tensor& is_target) {
  Samples samples;
  auto params = multilabel_params(self, target, samples);
  params.scale = gradient_scale(samples, reduction);
  params.grad_stride = grad.dim() > 0;
  const Tensor x = self.contiguous(), grad_input = at::empty_like(x);
  launch_groups(margin_kernel("multilabel_margin_backward", self), {uint64_t(samples.count)}, {kSimdWidth}, grad_input,
                grad.contiguous(), x, target.contiguous(), is_target.contiguous(), params);
  return grad_input;
}

std::tuple<Tensor&, Tensor&> multilabel_margin_loss_forward_out(const Tensor& self, const Tensor& target,
                                                               int64_t reduction, Tensor& output, Tensor& is_target) {
  const auto [loss, mask] = torch_metal::multilabel_margin_loss_forward(self, target, reduction);
  return {give(loss, output), give(mask, is_target)};
}

Tensor& multilabel_margin_loss_backward_out(const Tensor& grad, const Tensor& self, const Tensor& target,
                                            int64_t reduction, const Tensor& is_target, Tensor& grad_input) {
  return give(torch_metal::multilabel_margin_loss_backward(grad, self, target, reduction, is_target), grad_input);
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL(m, "multi_margin_loss", multi_margin_loss);
  METAL_IMPL(m, "multi_margin_loss.out", multi_margin_loss_out);
  METAL_IMPL(m, "multi_margin_loss_backward", multi_margin_loss_backward);
  METAL_IMPL(m, "multilabel_margin_loss_forward", multilabel_margin_loss_forward);
  METAL_IMPL(m, "multi_margin_loss_backward.grad_input", multi_margin_loss_backward_out);
  METAL_IMPL(m, "multilabel_margin_loss_forward.output", multilabel_margin_loss_forward_out);
  METAL_IMPL(m, "multilabel_margin_loss_backward", multilabel_margin_loss_backward);
  METAL_IMPL(m, "multilabel_margin_loss_backward.grad_input", multilabel_margin_loss_backward_out);
}

}  // namespace
}  // namespace torch_metal
