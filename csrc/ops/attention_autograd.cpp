// Second derivatives of fused attention. The kernels' gradients have none, so where one may be wanted
// (create_graph=True), gradients are those of PyTorch's composition.
#include <ATen/ops/_scaled_dot_product_attention_math.h>
#include <ATen/ops/_scaled_dot_product_fused_attention_overrideable_backward.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/library.h>

namespace torch_metal {
namespace {

using at::Tensor;
using Backward = at::_ops::_scaled_dot_product_fused_attention_overrideable_backward;

using Gradients = std::tuple<Tensor, Tensor, Tensor, Tensor>;

Gradients composed_backward(const Tensor& grad_out, const std::array<Tensor, 3>& inputs, const Tensor& attn_bias,
                            double dropout_p, bool is_causal, std::optional<double> scale) {
  TORCH_CHECK_NOT_IMPLEMENTED(dropout_p == 0, "metal: fused attention with dropout has no second derivative; call it "
                              "under torch.nn.attention.sdpa_kernel(SDPBackend.MATH)");
  const auto& [query, key, value] = inputs;
  const auto bias = attn_bias.defined() ? std::optional<Tensor>(attn_bias) : std::nullopt;
  const bool is_grouped = query.size(1) != key.size(1);
  const Tensor out = std::get<0>(at::_scaled_dot_product_attention_math(query, key, value, bias, 0, is_causal,
                                                                        std::nullopt, scale, is_grouped));
  std::vector<Tensor> wanted;
  for (const Tensor& input : inputs)
    if (input.requires_grad()) wanted.push_back(input);
  const auto found = torch::autograd::grad({out}, wanted, {grad_out}, /*retain_graph=*/true, /*create_graph=*/true);
  std::array<Tensor, 3> grads;
  for (size_t i = 0, next = 0; i < inputs.size(); ++i)
    if (inputs[i].requires_grad()) grads[i] = found[next++];
  return {grads[0], grads[1], grads[2], Tensor()};
}

Gradients backward(
    const Tensor& grad_out, const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& attn_bias,
    std::array<bool, 4> grad_input_mask, const Tensor& out, const Tensor& logsumexp, const Tensor& cum_seq_q,
    const Tensor& cum_seq_k, c10::SymInt max_q, c10::SymInt max_k, double dropout_p, bool is_causal,
    const Tensor& philox_seed, const Tensor& philox_offset, std::optional<double> scale) {
  const bool inputs_vary = query.requires_grad() || key.requires_grad() || value.requires_grad();
  if (at::GradMode::is_enabled() && grad_out.defined() && inputs_vary) {
    return composed_backward(grad_out, {query, key, value}, attn_bias, dropout_p, is_causal, scale);
  }
  const at::AutoDispatchBelowAutograd guard;
  return Backward::call(grad_out, query, key, value, attn_bias, grad_input_mask, out, logsumexp, cum_seq_q, cum_seq_k,
                        std::move(max_q), std::move(max_k), dropout_p, is_causal, philox_seed, philox_offset, scale);
}

}  // namespace

TORCH_LIBRARY_IMPL(aten, AutogradPrivateUse1, m) {
  m.impl(Backward::name, TORCH_FN(backward));
}

}  // namespace torch_metal
