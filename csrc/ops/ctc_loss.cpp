// Connectionist temporal classification loss.
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>

#include <algorithm>

#include "ctc_loss_params.h"
#include "ops/registration.h"
#include "runtime/launch.h"

namespace torch_metal {
namespace {

using at::IntArrayRef;
using at::Tensor;
using Tensors2 = std::tuple<Tensor, Tensor>;

/// The arguments as the kernels want them, checked.
struct CtcArguments {
  CtcArguments(const Tensor& log_probs_, const Tensor& targets_, IntArrayRef input_lengths,
               IntArrayRef target_lengths, int64_t blank)
      : log_probs(log_probs_.contiguous()), targets(targets_.to(at::kLong).contiguous()) {
    TORCH_CHECK(log_probs.dim() == 3, "Expected 3-dimensional tensor, but got ", log_probs.dim(),
                "-dimensional tensor for argument #1 'log_probs' (while checking arguments for ctc_loss)");
    TORCH_CHECK_NOT_IMPLEMENTED(log_probs.scalar_type() == at::kFloat, "\"ctc_loss\" not implemented for '",
                                log_probs.scalar_type(), "'");
    TORCH_CHECK(targets_.scalar_type() == at::kLong || targets_.scalar_type() == at::kInt,
                "ctc_loss: targets must be int32 or int64, got ", targets_.scalar_type());
    const int64_t steps = log_probs.size(0), samples = log_probs.size(1), classes = log_probs.size(2);
    TORCH_CHECK(blank >= 0 && blank < classes, "blank must be in label range");
    TORCH_CHECK(int64_t(input_lengths.size()) == samples, "input_lengths must be of size batch_size");
    TORCH_CHECK(int64_t(target_lengths.size()) == samples, "target_lengths must be of size batch_size");
    int64_t longest = 0, total = 0;
    lengths = at::empty({samples, 3}, at::kLong);
    auto rows = lengths.accessor<int64_t, 2>();
    for (int64_t b = 0; b < samples; ++b) {
      TORCH_CHECK(input_lengths[b] >= 0 && input_lengths[b] <= steps,
                  "Expected input_lengths to have value at most ", steps, ", but got value ", input_lengths[b],
                  " (while checking arguments for ctc_loss)");
      TORCH_CHECK(target_lengths[b] >= 0, "Expected target_lengths to have value at least 0, but got value ",
                  target_lengths[b], " (while checking arguments for ctc_loss)");
      rows[b][0] = input_lengths[b];
      rows[b][1] = target_lengths[b];
      rows[b][2] = targets.dim() == 1 ? total : b * targets.size(1);
      longest = std::max(longest, target_lengths[b]);
      total += target_lengths[b];
    }
    if (targets.dim() == 1) {
      TORCH_CHECK(targets.size(0) == total, "Expected tensor to have size ", total, " at dimension 0, but got size ",
                  targets.size(0), " for argument #2 'targets' (while checking arguments for ctc_loss)");
    } else {
      TORCH_CHECK(targets.dim() == 2 && targets.size(0) == samples && targets.size(1) >= longest,
                  "Expected targets of at least ", samples, " rows by ", longest, " labels, but got ", targets.sizes(),
                  " (while checking arguments for ctc_loss)");
    }
    lengths = lengths.to(log_probs.device());
    params.steps = steps;
    params.samples = samples;
    params.classes = classes;
    params.states = 2 * longest + 1;
    params.blank = blank;
    threads = std::min<uint64_t>((params.states + 31) / 32 * 32, 256);
  }

  Tensor variables() const { return at::empty({params.samples, params.steps, params.states}, log_probs.options()); }

  Tensor log_probs, targets, lengths;
  CtcParams params{};
  uint64_t threads;  ///< of a threadgroup along the states
};

Tensors2 ctc_loss(const Tensor& log_probs, const Tensor& targets, IntArrayRef input_lengths,
                  IntArrayRef target_lengths, int64_t blank, bool) {
  const CtcArguments it(log_probs, targets, input_lengths, target_lengths, blank);
  const Tensor losses = at::empty({it.params.samples}, log_probs.options());
  const Tensor alpha = it.variables().fill_(-INFINITY);
  launch_groups(kernel("ctc_loss", "ctc_alpha"), {it.params.samples}, {it.threads}, losses, alpha, it.log_probs,
                it.targets, it.lengths, error_buffer(), it.params);
  return {losses, alpha};
}

Tensor ctc_loss_backward(const Tensor& grad, const Tensor& log_probs, const Tensor& targets,
                         IntArrayRef input_lengths, IntArrayRef target_lengths, const Tensor& losses,
                         const Tensor& alpha, int64_t blank, bool zero_infinity) {
  CtcArguments it(log_probs, targets, input_lengths, target_lengths, blank);
  it.params.zero_infinity = zero_infinity;
  it.params.grad_stride = grad.dim() > 0 ? grad.stride(0) : 0;
  const Tensor beta = it.variables(), result = at::empty_like(it.log_probs);
  launch_groups(kernel("ctc_loss", "ctc_beta"), {it.params.samples}, {it.threads}, beta, it.log_probs, it.targets,
                it.lengths, it.params);
  launch_threads(kernel("ctc_loss", "ctc_gradient"), {it.params.samples, it.params.steps}, {kSimdWidth}, result, grad,
                 losses.contiguous(), alpha.contiguous(), beta, it.log_probs, it.targets, it.lengths, it.params);
  return result;
}

/// Lengths given as a tensor: the host has to know them.
std::vector<int64_t> numbers(const Tensor& lengths) {
  TORCH_CHECK(at::isIntegralType(lengths.scalar_type(), false), "ctc_loss: lengths must be integral");
  const Tensor t = lengths.to(at::kCPU, at::kLong).contiguous();
  return {t.const_data_ptr<int64_t>(), t.const_data_ptr<int64_t>() + t.numel()};
}

Tensors2 ctc_loss_tensor(const Tensor& log_probs, const Tensor& targets, const Tensor& input_lengths,
                         const Tensor& target_lengths, int64_t blank, bool zero_infinity) {
  return torch_metal::ctc_loss(log_probs, targets, numbers(input_lengths), numbers(target_lengths), blank,
                               zero_infinity);
}

Tensor ctc_loss_backward_tensor(const Tensor& grad, const Tensor& log_probs, const Tensor& targets,
                                const Tensor& input_lengths, const Tensor& target_lengths, const Tensor& losses,
                                const Tensor& alpha, int64_t blank, bool zero_infinity) {
  return torch_metal::ctc_loss_backward(grad, log_probs, targets, numbers(input_lengths), numbers(target_lengths),
                                        losses, alpha, blank, zero_infinity);
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL(m, "_ctc_loss", ctc_loss);
  METAL_IMPL(m, "_ctc_loss.Tensor", ctc_loss_tensor);
  METAL_IMPL(m, "_ctc_loss_backward", ctc_loss_backward);
  METAL_IMPL(m, "_ctc_loss_backward.Tensor", ctc_loss_backward_tensor);
}

}  // namespace
}  // namespace torch_metal
