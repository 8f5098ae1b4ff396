// Negative log likelihood and binary cross entropy.
#include <ATen/core/Reduction.h>

#include "loss_params.h"
#include "ops/narrow.h"
#include "ops/results.h"
#include "ops/structured.h"
#include "runtime/launch.h"

namespace torch_metal {
namespace {

using at::Tensor;
using OptionalTensor = std::optional<Tensor>;
namespace Reduction = at::Reduction;

constexpr uint64_t kThreads = 64;

/// A kernel reads all operands in the input's dtype.
void check_dtype(const Tensor& operand, const Tensor& self) {
  TORCH_CHECK(operand.scalar_type() == self.scalar_type(), "expected scalar type ", self.scalar_type(), " but found ",
              operand.scalar_type());
}

NllParams make_params(const Tensor& self, const Tensor& target, const Tensor& weight, int64_t reduction,
                      int64_t ignore_index) {
  const int64_t samples = target.numel(), classes = self.size(self.dim() == 1 ? 0 : 1);
  const int64_t batch = self.dim() == 1 ? 1 : self.size(0);
  if (weight.defined()) check_dtype(weight, self);
  NllParams params{};
  params.ignore_index = ignore_index;
  params.samples = narrow(samples, "nll_loss's number of samples");
  params.classes = narrow(classes, "nll_loss's number of classes");
  params.positions = batch == 0 ? 1 : samples / batch;
  params.groups = std::max<int64_t>(1, (samples + kNllChunk - 1) / kNllChunk);
  params.has_weight = weight.defined();
  params.mean = reduction == Reduction::Mean;
  return params;
}

/// Kernel `function` for the dtypes of a loss; a target is int64 or uint8.
const Kernel& nll_kernel(std::string_view function, const Tensor& self, const Tensor& target) {
  return kernel("loss", function, {metal_type(self.scalar_type()), metal_type(target.scalar_type())});
}

/// Losses into `out`, which has the shape of `target` or none; the sum of weights into `total_weight`.
void nll_forward(const Tensor& self_, const Tensor& target_, const Tensor& weight_, int64_t reduction,
                 int64_t ignore_index, const Tensor& out, const Tensor& total_weight) {
  const Tensor self = self_.contiguous(), target = target_.contiguous();
  const Tensor weight = weight_.defined() ? weight_.contiguous() : weight_;
  NllParams params = make_params(self, target, weight, reduction, ignore_index);
  const Tensor& bound_weight = weight.defined() ? weight : self;
  if (reduction == Reduction::None) {
    total_weight.zero_();
    const Tensor dense = out.is_contiguous() ? out : at::empty(out.sizes(), out.options());
    launch_threads(nll_kernel("nll_forward", self, target), {params.samples}, {kThreads}, self, target, bound_weight,
                   dense, error_buffer(), params);
    if (!dense.is_same(out)) out.copy_(dense);
    return;
  }
  const Tensor partials = at::empty({params.groups, 2}, self.options().dtype(at::kFloat));
  launch_groups(nll_kernel("nll_forward_sums", self, target), {params.groups}, {kThreads}, self, target, bound_weight,
                partials, error_buffer(), params);
  launch_groups(kernel("loss", "nll_forward_total", {metal_type(self.scalar_type())}), {1}, {kSimdWidth}, partials, out,
                total_weight, params);
}

void nll_backward(const Tensor& grad_, const Tensor& self, const Tensor& target_, const Tensor& weight_,
                  int64_t reduction, int64_t ignore_index, const Tensor& total_weight, const Tensor& grad_input) {
  const Tensor grad = grad_.contiguous(), target = target_.contiguous();
  const Tensor weight = weight_.defined() ? weight_.contiguous() : weight_;
  NllParams params = make_params(self, target, weight, reduction, ignore_index);
  params.grad_stride = reduction == Reduction::None;
  const Tensor dense = grad_input.is_contiguous() ? grad_input : at::empty(grad_input.sizes(), grad_input.options());
  dense.zero_();
  launch_threads(nll_kernel("nll_backward", self, target), {params.samples}, {kThreads}, grad, target,
                 weight.defined() ? weight : grad, total_weight, dense, error_buffer(), params);
  if (!dense.is_same(grad_input)) grad_input.copy_(dense);
}

Tensor tensor_or_undefined(at::OptionalTensorRef tensor) { return tensor.has_value() ? *tensor : Tensor(); }

struct NllForward : at::meta::structured_nll_loss_forward {
  void impl(const Tensor& self, const Tensor& target, at::OptionalTensorRef weight, int64_t reduction,
            int64_t ignore_index, const Tensor& output, const Tensor& total_weight) {
    nll_forward(self, target, tensor_or_undefined(weight), reduction, ignore_index, output, total_weight);
  }
};

struct NllBackward : at::meta::structured_nll_loss_backward {
  void impl(const Tensor& grad, const Tensor& self, const Tensor& target, at::OptionalTensorRef weight,
            int64_t reduction, int64_t ignore_index, const Tensor& total_weight, const Tensor& grad_input) {
    nll_backward(grad, self, target, tensor_or_undefined(weight), reduction, ignore_index, total_weight, grad_input);
  }
};

// PyTorch has no meta functions for images.

void check_image(const Tensor& self, const Tensor& target, const OptionalTensor& weight) {
  TORCH_CHECK(target.dim() == 3,
              "only batches of spatial targets supported (3D tensors) but got targets of dimension: ", target.dim());
  TORCH_CHECK(self.dim() == 4,
              "only batches of spatial inputs supported (4D tensors), but got input of dimension: ", self.dim());
  TORCH_CHECK(!weight || !weight->defined() || weight->numel() == self.size(1),
              "weight tensor should be defined either for all or no classes");
  TORCH_CHECK(self.size(0) == target.size(0) && self.size(2) == target.size(1) && self.size(3) == target.size(2),
              "input and target batch or spatial sizes don't match: target ", target.sizes(), ", input ", self.sizes());
}

std::tuple<Tensor, Tensor> nll_loss2d_forward(const Tensor& self, const Tensor& target, const OptionalTensor& weight,
                                              int64_t reduction, int64_t ignore_index) {
  check_image(self, target, weight);
  Tensor output = at::empty(reduction == Reduction::None ? target.sizes() : at::IntArrayRef(), self.options());
  Tensor total_weight = at::empty({}, self.options());
  nll_forward(self, target, weight.value_or(Tensor()), reduction, ignore_index, output, total_weight);
  return {output, total_weight};
}

Tensor nll_loss2d_backward(const Tensor& grad, const Tensor& self, const Tensor& target, const OptionalTensor& weight,
                           int64_t reduction, int64_t ignore_index, const Tensor& total_weight) {
  check_image(self, target, weight);
  Tensor grad_input = at::empty_like(self, at::MemoryFormat::Contiguous);
  nll_backward(grad, self, target, weight.value_or(Tensor()), reduction, ignore_index, total_weight, grad_input);
  return grad_input;
}

std::tuple<Tensor&, Tensor&> nll_loss2d_forward_out(const Tensor& self, const Tensor& target,
                                                   const OptionalTensor& weight, int64_t reduction,
                                                   int64_t ignore_index, Tensor& output, Tensor& total_weight) {
  const auto [loss, total] = torch_metal::nll_loss2d_forward(self, target, weight, reduction, ignore_index);
  return {give(loss, output), give(total, total_weight)};
}

Tensor& nll_loss2d_backward_out(const Tensor& grad, const Tensor& self, const Tensor& target,
                                const OptionalTensor& weight, int64_t reduction, int64_t ignore_index,
                                const Tensor& total_weight, Tensor& grad_input) {
  return give(
      torch_metal::nll_loss2d_backward(grad, self, target, weight, reduction, ignore_index, total_weight), grad_input);
}

// ---- Binary cross entropy ----

/// Dense operands of one shape; an absent weight is bound to the input.
struct BceOperands {
  BceOperands(const Tensor& self, const Tensor& target_, const OptionalTensor& weight_)
      : input(self.contiguous()), target(target_.contiguous()), has_weight(weight_ && weight_->defined()) {
    TORCH_CHECK(self.sizes() == target.sizes(), "Using a target size (", target.sizes(),
                ") that is different to the input size (", self.sizes(), ") is not supported");
    check_dtype(target, self);
    if (has_weight) check_dtype(*weight_, self);
    weight = has_weight ? weight_->expand(self.sizes()).contiguous() : input;
  }
  Tensor input, target, weight;
  uint32_t has_weight;
};

Tensor binary_cross_entropy(const Tensor& self, const Tensor& target, const OptionalTensor& weight, int64_t reduction) {
  const BceOperands operands(self, target, weight);
  const Tensor loss = at::empty_like(operands.input);
  launch_threads(kernel("loss", "bce_forward", {metal_type(self.scalar_type())}), {uint64_t(self.numel())}, {kThreads},
                 operands.input, operands.target, operands.weight, loss, operands.has_weight);
  return reduction == Reduction::Mean ? loss.mean() : reduction == Reduction::Sum ? loss.sum() : loss;
}

Tensor binary_cross_entropy_backward(const Tensor& grad, const Tensor& self, const Tensor& target,
                                     const OptionalTensor& weight, int64_t reduction) {
  const BceOperands operands(self, target, weight);
  const Tensor scaled = reduction == Reduction::Mean ? grad.div(self.numel()) : grad;
  const Tensor dense_grad = scaled.expand(self.sizes()).contiguous(), grad_input = at::empty_like(operands.input);
  launch_threads(kernel("loss", "bce_backward", {metal_type(self.scalar_type())}), {uint64_t(self.numel())}, {kThreads},
                 dense_grad, operands.input, operands.target, operands.weight, grad_input, operands.has_weight);
  return grad_input;
}

Tensor& binary_cross_entropy_out(const Tensor& self, const Tensor& target, const OptionalTensor& weight,
                                 int64_t reduction, Tensor& out) {
  return give(torch_metal::binary_cross_entropy(self, target, weight, reduction), out);
}

Tensor& binary_cross_entropy_backward_out(const Tensor& grad, const Tensor& self, const Tensor& target,
                                          const OptionalTensor& weight, int64_t reduction, Tensor& grad_input) {
  return give(torch_metal::binary_cross_entropy_backward(grad, self, target, weight, reduction), grad_input);
}

}  // namespace

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_STRUCTURED_CLASS(m, "nll_loss_forward.output", NllForward);
  METAL_STRUCTURED_CLASS(m, "nll_loss_backward.grad_input", NllBackward);
  METAL_IMPL(m, "nll_loss2d_forward", nll_loss2d_forward);
  METAL_IMPL(m, "nll_loss2d_backward", nll_loss2d_backward);
  METAL_IMPL(m, "nll_loss2d_forward.output", nll_loss2d_forward_out);
  METAL_IMPL(m, "nll_loss2d_backward.grad_input", nll_loss2d_backward_out);
  METAL_IMPL(m, "binary_cross_entropy", binary_cross_entropy);
  METAL_IMPL(m, "binary_cross_entropy.out", binary_cross_entropy_out);
  METAL_IMPL(m, "binary_cross_entropy_backward", binary_cross_entropy_backward);
  METAL_IMPL(m, "binary_cross_entropy_backward.grad_input", binary_cross_entropy_backward_out);
}

}  // namespace torch_metal
