// The operators that nn.MultiheadAttention and nn.TransformerEncoderLayer call for inference.
#include <ATen/native/transformers/attention.h>
#include <ATen/ops/_addmm_activation_meta.h>
#include <ATen/ops/_native_multi_head_attention_native.h>
#include <ATen/ops/_transformer_encoder_layer_fwd_native.h>
#include <ATen/ops/_softmax_backward_data.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/softmax.h>

#include <cmath>
#include <limits>

#include "ops/matmul.h"
#include "ops/structured.h"

namespace torch_metal {
namespace {

using at::Tensor;

/// Part `i` (0: query, 1: key, 2: value) of an input projection, split into heads: [batch, heads, length, head size].
Tensor project(const Tensor& input, const Tensor& weight, const Tensor& bias, int64_t i, int64_t heads) {
  const Tensor projected = at::linear(input, weight.chunk(3)[i], bias.chunk(3)[i]);
  return projected.unflatten(-1, {heads, -1}).transpose(1, 2);
}

/// What a mask hides, in the shape of scores [batch, heads, queries, keys].
Tensor hidden_scores(const Tensor& mask, std::optional<int64_t> mask_type, const Tensor& scores) {
  const Tensor hidden = mask.to(at::kBool);
  if (mask_type.value_or(2) == 0) return hidden.expand(scores.sizes());                            // [queries, keys]
  if (mask_type.value_or(2) == 1) return hidden.unsqueeze(1).unsqueeze(1).expand(scores.sizes());  // [batch, keys]
  return hidden.expand(scores.sizes());
}

std::tuple<Tensor, Tensor> native_multi_head_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                                                       int64_t embed_dim, int64_t num_head, const Tensor& qkv_weight,
                                                       const Tensor& qkv_bias, const Tensor& proj_weight,
                                                       const Tensor& proj_bias, const std::optional<Tensor>& mask,
                                                       bool need_weights, bool average_attn_weights,
                                                       std::optional<int64_t> mask_type) {
  TORCH_CHECK(query.dim() == 3 && key.dim() == 3 && value.dim() == 3, "expected 3-D `query`, `key` and `value`, got ",
              query.dim(), "-D, ", key.dim(), "-D and ", value.dim(), "-D tensors");
  TORCH_CHECK(embed_dim % num_head == 0 && query.size(2) == embed_dim, "passed-in embed_dim ", embed_dim,
              " didn't match last dim of query ", query.size(2), " or isn't divisible by num_head ", num_head);
  const Tensor q = project(query, qkv_weight, qkv_bias, 0, num_head);
  const Tensor k = project(key, qkv_weight, qkv_bias, 1, num_head);
  const Tensor v = project(value, qkv_weight, qkv_bias, 2, num_head);
  const auto project_out = [&](const Tensor& heads) {
    return at::linear(heads.transpose(1, 2).flatten(2), proj_weight, proj_bias);
  };
  const bool is_masked = mask && mask->defined();
  if (!need_weights && !is_masked) return {project_out(at::scaled_dot_product_attention(q, k, v)), Tensor()};
  // Rows that see nothing are NaN here, zeros there.
  Tensor scores = at::matmul(q / std::sqrt(static_cast<double>(embed_dim / num_head)), k.transpose(2, 3));
  if (is_masked) {
    scores.masked_fill_(hidden_scores(*mask, mask_type, scores), -std::numeric_limits<float>::infinity());
  }
  const Tensor weights = at::softmax(scores, -1);
  Tensor shown;
  if (need_weights) shown = average_attn_weights ? weights.mean(1) : weights;
  return {project_out(at::matmul(weights, v)), shown};
}

/// Whether `mask` (true: hidden) is of queries and keys (type 0), of keys (1) or of all scores (2).
Tensor masked_softmax(const Tensor& self, const Tensor& mask, std::optional<int64_t> dim,
                      std::optional<int64_t> mask_type) {
  TORCH_CHECK(mask.scalar_type() == at::kBool, "Mask should be a boolean tensor");
  TORCH_CHECK(mask_type && *mask_type >= 0 && *mask_type <= 2,
              "Mask Type should be 0 (src_mask), 1 (src_key_padding_mask), or 2 (default_mask)");
  TORCH_CHECK(*mask_type != 2 || mask.sizes() == self.sizes(), "For mask_type == 2 mask shape should match input shape");
  TORCH_CHECK(*mask_type != 1 || (self.dim() == 4 && mask.dim() == 2 && mask.size(0) == self.size(0) &&
                                  mask.size(1) == self.size(3)),
              "For mask_type == 1 mask shape should be (B, L)");
  TORCH_CHECK(*mask_type != 0 || (self.dim() == 4 && mask.dim() == 2 && mask.size(0) == self.size(2) &&
                                  mask.size(1) == self.size(3)),
              "For mask_type == 0 mask shape should be (L, L)");
  return at::softmax(self.masked_fill(hidden_scores(mask, mask_type, self), -std::numeric_limits<double>::infinity()),
                     dim.value_or(self.dim() - 1));
}

Tensor masked_softmax_backward(const Tensor& grad_output, const Tensor& output, const Tensor& mask,
                               std::optional<int64_t> dim) {
  TORCH_CHECK(mask.scalar_type() == at::kBool, "Mask should be a boolean tensor");
  const Tensor grad = at::_softmax_backward_data(grad_output, output, dim.value_or(output.dim() - 1),
                                                 output.scalar_type());
  return grad.masked_fill(mask.expand(grad.sizes()), 0);
}

/// A projection [batch, length, 3 * embed_dim] without its bias -> queries, divided by the root of their size, keys and
/// values, each [batch, heads, length, head size].
std::tuple<Tensor, Tensor, Tensor> transform_bias_rescale_qkv(const Tensor& qkv, const Tensor& bias, int64_t heads) {
  TORCH_CHECK(qkv.dim() == 3 && bias.dim() == 1 && qkv.size(2) == bias.size(0) && qkv.size(2) % (3 * heads) == 0,
              "_transform_bias_rescale_qkv: a projection of size ", qkv.sizes(), " and a bias of size ", bias.sizes(),
              " do not fit ", heads, " heads");
  const Tensor split = (qkv + bias).unflatten(2, {3, heads, -1}).permute({2, 0, 3, 1, 4});
  const double root = std::sqrt(static_cast<double>(split.size(4)));
  return {(split[0] / root).contiguous(), split[1].contiguous(), split[2].contiguous()};
}

struct AddmmActivation : at::meta::structured__addmm_activation {
  void impl(const Tensor& self, const Tensor& mat1, const Tensor& mat2, const at::Scalar& beta, const at::Scalar& alpha,
            bool use_gelu, const Tensor& out) {
    matmul_into(out, mat1, mat2, *at::expand_size(self, out.sizes(), "_addmm_activation"), beta, alpha);
    Tensor result = out;
    use_gelu ? at::gelu_(result) : at::relu_(result);
  }
};

}  // namespace

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_STRUCTURED_CLASS(m, "_addmm_activation.out", AddmmActivation);
  METAL_IMPL(m, "_native_multi_head_attention", native_multi_head_attention);
  METAL_IMPL(m, "_transformer_encoder_layer_fwd", at::native::transformer_encoder_layer_forward);
  METAL_IMPL(m, "_masked_softmax", masked_softmax);
  METAL_IMPL(m, "_masked_softmax_backward", masked_softmax_backward);
  METAL_IMPL(m, "_transform_bias_rescale_qkv", transform_bias_rescale_qkv);
}

}  // namespace torch_metal
