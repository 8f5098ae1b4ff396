// scaled_dot_product_attention, fused: the kernels, and when PyTorch is to choose them. docs/attention.md says why so.
#include <ATen/Context.h>
#include <ATen/ExpandUtils.h>
#include <ATen/ceil_div.h>
#include <ATen/core/Tensor.h>
#include <ATen/native/transformers/attention.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/scalar_tensor.h>

#include <algorithm>
#include <cmath>

#include "ops/attention_matrix.h"
#include "ops/gemm_tile.h"
#include "ops/narrow.h"
#include "ops/registration.h"
#include "runtime/generator.h"
#include "runtime/launch.h"

namespace torch_metal {
namespace {

using at::Tensor;

constexpr int64_t kMostFeatures = 256;
constexpr int64_t kBlock = kAttentionBlock;        // one a lane
constexpr int64_t kFewQueries = 12;                // up to here, SIMD-groups have a row of scores each
constexpr int64_t kManyScores = int64_t{1} << 28;  // floats of 1 GB
constexpr int64_t kSplitKeys = 512;                // what a SIMD-group should have, if a row is split
constexpr int64_t kBusyGroups = 16;                // threadgroups that fill a device

bool has_gradient(const Tensor& t) { return at::GradMode::is_enabled() && t.requires_grad(); }
bool has_tangent(const Tensor& t) { return t._fw_grad(0).defined(); }

/// Whether heads fit: as many of keys as of queries, or with enable_gqa a divisor of that.
bool heads_fit(const Tensor& query, const Tensor& key, bool enable_gqa) {
  const int64_t heads = query.size(1), shared = key.size(1);
  return heads == shared || (enable_gqa && shared > 0 && heads % shared == 0);
}

/// Whether the kernels compute this call. What they leave out is PyTorch's composition's business, its errors included.
bool fits_kernels(const Tensor& query, const Tensor& key, const Tensor& value, const std::optional<Tensor>& mask,
                  bool enable_gqa) {
  const auto is_plain = [&](const Tensor& t) {
    return !t.is_nested() && t.dim() == 4 && t.is_privateuseone() && t.scalar_type() == query.scalar_type() &&
           t.size(0) == query.size(0) && t.size(3) > 0 && t.size(3) <= kMostFeatures && !has_tangent(t);
  };
  const at::ScalarType dtype = query.scalar_type();
  if (dtype != at::kFloat && dtype != at::kHalf && dtype != at::kBFloat16) return false;
  if (!is_plain(query) || !is_plain(key) || !is_plain(value)) return false;
  if (query.size(3) != key.size(3) || key.size(2) != value.size(2) || key.size(1) != value.size(1)) return false;
  if (!heads_fit(query, key, enable_gqa)) return false;
  if (!mask || !mask->defined()) return true;
  return !mask->is_nested() && mask->is_privateuseone() && !has_gradient(*mask) && !has_tangent(*mask) &&
         at::is_expandable_to(mask->sizes(), {query.size(0), query.size(1), query.size(2), key.size(2)});
}

/// Whether each query has a SIMD-group. Not where gradients are wanted: the backward pass weighs keys by scores that it
/// sums up again, in the order of the blocks' kernel. In another order, large scores would differ by many roundings.
bool suits_rows(const Tensor& query, const Tensor& key, const Tensor& value) {
  return query.size(2) <= kFewQueries && !has_gradient(query) && !has_gradient(key) && !has_gradient(value);
}

/// Whether the kernels are worth it where PyTorch's composition would do: for few queries, by matrices on GPUs, and
/// where registers hold a lane's arrays. Else these are memory, and the kernels are for scores of 1 GB and more.
bool suits_device(const Tensor& query, const Tensor& key, const Tensor& value) {
  if (prefers_register_tiles() || suits_rows(query, key, value)) return true;
  if (multiplies_matrices() && suits_matrices(std::max(query.size(3), value.size(3)))) return true;
  return query.size(0) * query.size(1) * query.size(2) * key.size(2) > kManyScores;
}

int64_t fused_sdp_choice(const Tensor& query, const Tensor& key, const Tensor& value, const std::optional<Tensor>& mask,
                         double, bool is_causal, std::optional<double>, bool enable_gqa) {
  const at::Context& context = at::globalContext();
  const bool fused =
      context.userEnabledFlashSDP() || context.userEnabledMemEfficientSDP() || context.userEnabledOverrideableSDP();
  at::SDPBackend choice = context.userEnabledMathSDP() ? at::SDPBackend::math : at::SDPBackend::error;
  const bool is_composed = choice == at::SDPBackend::math && !(is_causal && mask && mask->defined());  // else an error
  if (fused && fits_kernels(query, key, value, mask, enable_gqa) &&
      (!is_composed || suits_device(query, key, value))) {
    choice = at::SDPBackend::overrideable;
  }
  return static_cast<int64_t>(choice);
}

}  // namespace

AttentionLayout attention_layout(const Tensor& t) { return {t.stride(0), t.stride(1), t.stride(2)}; }

Tensor with_adjacent_features(const Tensor& t) { return t.stride(3) == 1 || t.size(3) == 1 ? t : t.contiguous(); }

Tensor dense_in_order_of(const Tensor& like, at::IntArrayRef sizes) {
  const auto strides = at::infer_dense_strides(sizes, like.strides());
  return strides[3] == 1 ? at::empty_strided(sizes, strides, like.options()) : at::empty(sizes, like.options());
}

AttentionDeltaParams delta_params(const Tensor& grad_out, const Tensor& out) {
  return {attention_layout(grad_out), attention_layout(out), static_cast<uint32_t>(out.size(1)),
          static_cast<uint32_t>(out.size(2)), static_cast<uint32_t>(out.size(3))};
}

Attention::Attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& attn_bias, double dropout_p,
                     bool is_causal, std::optional<double> scale)
    : query(with_adjacent_features(q)),
      key(with_adjacent_features(k)),
      value(with_adjacent_features(v)),
      bias(query) {
  TORCH_CHECK(fits_kernels(q, k, v, attn_bias, /*enable_gqa=*/true),
              "metal: fused attention takes 4-D queries, keys and values of one floating dtype with up to ",
              kMostFeatures, " features and a mask that needs no gradient, got ", q.sizes(), ", ", k.sizes(), " and ",
              v.sizes(), " of ", q.scalar_type());
  params.query = attention_layout(query);
  params.key = attention_layout(key);
  params.value = attention_layout(value);
  params.heads = narrow(query.size(1), "attention's number of heads");
  params.group = key.size(1) == 0 ? 1 : params.heads / key.size(1);
  params.queries = narrow(query.size(2), "attention's number of queries");
  params.keys = narrow(key.size(2), "attention's number of keys");
  params.head_size = query.size(3);
  params.value_size = value.size(3);
  params.causal = is_causal;
  params.scale = scale.value_or(1 / std::sqrt(static_cast<double>(query.size(3))));
  params.dropout = dropout_p;
  params.kept_factor = dropout_p == 1 ? 0 : 1 / (1 - dropout_p);
  if (!attn_bias.defined()) return;
  is_biased = true;
  bias = attn_bias.expand({query.size(0), query.size(1), query.size(2), key.size(2)});
  params.bias = attention_layout(bias);
  params.bias_column = bias.stride(3);
}

const Kernel& Attention::kernel_of(std::string_view family, std::string_view function,
                                   std::initializer_list<std::string_view> more) const {
  const int64_t size = features();
  const char* const capacity = size <= 32 ? "32" : size <= 64 ? "64" : size <= 128 ? "128" : "256";
  std::vector<std::string_view> arguments{metal_type(query.scalar_type()), capacity, metal_type(bias.scalar_type()),
                                          is_biased ? "true" : "false", params.dropout > 0 ? "true" : "false"};
  arguments.insert(arguments.end(), more);
  return kernel(family, function, arguments);
}

namespace {

/// Attention of few queries: splits of the keys, if there would be too few threadgroups else, which are joined.
void attend_rows(const Attention& attention, const Tensor& out, const Tensor& logsumexp, const Tensor& remainder) {
  const AttentionParams& params = attention.params;
  const int64_t keys = std::max<int64_t>(params.keys, 1);
  const int64_t wanted = std::clamp<int64_t>(kBusyGroups / attention.rows(), 1, at::ceil_div(keys, kSplitKeys));
  const int64_t split_size = at::ceil_div(at::ceil_div(keys, wanted), kBlock) * kBlock;
  const int64_t splits = at::ceil_div(keys, split_size);
  AttentionRowParams row_params{params, static_cast<uint32_t>(split_size), 0, 0};
  const auto launch = [&](const Tensor& to, const Tensor& logarithms, const Tensor& remainders) {
    launch_groups(attention.kernel_of("attention", "attention_row", {metal_type(to.scalar_type())}),
                  {uint64_t(splits), uint64_t(params.heads) * params.queries, attention.batch()}, {kBlock}, to,
                  logarithms, remainders, attention.query, attention.key, attention.value, attention.bias, row_params);
  };
  if (splits == 1) return launch(out, logsumexp, remainder);

  const auto options = logsumexp.options();
  const Tensor partial = at::empty({splits, out.size(0), out.size(1), out.size(2), out.size(3)}, options);
  const Tensor partial_logsumexp = at::empty({splits, attention.rows()}, options);
  const Tensor partial_remainder = at::empty_like(partial_logsumexp);
  row_params.attention.out = attention_layout(partial[0]);
  row_params.out_split = partial.stride(0);
  row_params.logsumexp_split = attention.rows();
  launch(partial, partial_logsumexp, partial_remainder);
  const AttentionJoinParams join{params.out,        params.heads,                  params.queries,
                                 params.value_size, static_cast<uint32_t>(splits), attention.rows()};
  launch_groups(kernel("attention", "attention_join", {metal_type(out.scalar_type())}),
                {params.queries, params.heads, attention.batch()}, {kBlock}, out, logsumexp, remainder, partial,
                partial_logsumexp, partial_remainder, join);
}

using Forward = std::tuple<Tensor, Tensor, Tensor, Tensor, c10::SymInt, c10::SymInt, Tensor, Tensor, Tensor>;

/// Output; logsumexp [batch, heads, queries] (float, natural logarithm); in the place of cum_seq_q, which only nested
/// tensors have, what is left off where logsumexp is rounded; seed and offset of the dropout, on the CPU.
Forward attention_forward(const Tensor& query, const Tensor& key, const Tensor& value,
                          const std::optional<Tensor>& attn_bias, double dropout_p, bool is_causal, bool,
                          std::optional<double> scale) {
  TORCH_CHECK(dropout_p >= 0 && dropout_p <= 1, "dropout probability has to be between 0 and 1, but got ", dropout_p);
  Attention attention(query, key, value, attn_bias.value_or(Tensor()), dropout_p, is_causal, scale);
  AttentionParams& params = attention.params;
  const Tensor out = dense_in_order_of(attention.query, {query.size(0), query.size(1), query.size(2), value.size(3)});
  const Tensor logsumexp = at::empty({query.size(0), query.size(1), query.size(2)}, query.options().dtype(at::kFloat));
  const Tensor remainder = at::empty_like(logsumexp);
  params.out = attention_layout(out);
  Tensor seed, offset;
  if (dropout_p > 0) {
    const PhiloxState state = reserve_philox(std::nullopt, attention.rows() * at::ceil_div<int64_t>(params.keys, 4));
    params.seed = state.seed;
    params.offset = state.offset;
    seed = at::scalar_tensor(params.seed, at::kLong);
    offset = at::scalar_tensor(params.offset, at::kLong);
  }
  if (out.numel() > 0) {
    if (suits_rows(query, key, value)) {
      attend_rows(attention, out, logsumexp, remainder);
    } else if (suits_matrices(attention.features())) {
      attend_by_matrices(attention, out, logsumexp, remainder);
    } else {
      launch_groups(attention.kernel_of("attention", "attention"),
                    {at::ceil_div<uint64_t>(params.queries, kBlock), params.heads, attention.batch()}, {kBlock}, out,
                    logsumexp, remainder, attention.query, attention.key, attention.value, attention.bias, params);
    }
  }
  return {out, logsumexp, remainder, Tensor(), query.size(2), key.size(2), seed, offset, Tensor()};
}

/// grad_out . out of each row.
Tensor delta_of(const Tensor& grad_out, const Tensor& out) {
  const Tensor delta = at::empty({out.size(0), out.size(1), out.size(2)}, out.options().dtype(at::kFloat));
  const AttentionDeltaParams params = delta_params(grad_out, out);
  launch_groups(kernel("attention_backward", "attention_delta", {metal_type(out.scalar_type())}),
                {at::ceil_div<uint64_t>(params.queries, kBlock), params.heads, uint64_t(out.size(0))}, {kBlock}, delta,
                grad_out, out, params);
  return delta;
}

std::tuple<Tensor, Tensor, Tensor, Tensor> attention_backward(
    const Tensor& grad_out, const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& attn_bias,
    std::array<bool, 4> grad_input_mask, const Tensor& out, const Tensor& logsumexp, const Tensor& remainder,
    const Tensor&, c10::SymInt, c10::SymInt, double dropout_p, bool is_causal, const Tensor& philox_seed,
    const Tensor& philox_offset, std::optional<double> scale) {
  if (!grad_out.defined()) return {};
  TORCH_CHECK_NOT_IMPLEMENTED(!grad_input_mask[3], "metal: fused attention has no gradient for its mask");
  Attention attention(query, key, value, attn_bias, dropout_p, is_causal, scale);
  if (dropout_p > 0) {
    attention.params.seed = philox_seed.item<int64_t>();
    attention.params.offset = philox_offset.item<int64_t>();
  }
  const Tensor grads = with_adjacent_features(grad_out);
  if (suits_matrices(attention.features())) {
    const auto [query_gradient, key_gradient, value_gradient] =
        gradients_by_matrices(attention, grads, out, logsumexp, remainder);
    return {query_gradient, key_gradient, value_gradient, Tensor()};
  }
  const Tensor grad_key = dense_in_order_of(attention.key, key.sizes());
  const Tensor grad_value = dense_in_order_of(attention.value, value.sizes());

  // A threadgroup adds up the gradients of all queries: keys are split as far as there would be too few threadgroups.
  const int64_t blocks = std::max<int64_t>(at::ceil_div(key.size(2), kBlock), 1);
  const int64_t heads = std::max<int64_t>(query.size(0) * key.size(1), 1);
  const int64_t split_blocks = at::ceil_div(blocks, std::clamp<int64_t>(kBusyGroups / heads, 1, blocks));
  const int64_t splits = at::ceil_div(blocks, split_blocks);
  Tensor sums = at::empty({splits, query.size(0), query.size(1), query.size(2), query.size(3)},
                                query.options().dtype(at::kFloat));
  const AttentionBackwardParams params{attention.params,
                                       attention_layout(grads),
                                       attention_layout(sums[0]),
                                       attention_layout(grad_key),
                                       attention_layout(grad_value),
                                       sums.stride(0),
                                       static_cast<uint32_t>(split_blocks * kBlock)};
  if (key.numel() == 0) {
    sums.zero_();
  } else {
    launch_groups(attention.kernel_of("attention_backward", "attention_backward"),
                  {uint64_t(splits), uint64_t(key.size(1)), attention.batch()}, {kBlock}, sums, grad_key, grad_value,
                  grads, attention.query, attention.key, attention.value, logsumexp, remainder,
                  delta_of(grads, out), attention.bias, params);
  }
  const Tensor grad_query = (splits == 1 ? sums.select(0, 0) : sums.sum(0)).to(query.scalar_type());
  return {grad_query, grad_key, grad_value, Tensor()};
}

}  // namespace

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL(m, "_fused_sdp_choice", fused_sdp_choice);
  METAL_IMPL(m, "_scaled_dot_product_fused_attention_overrideable", attention_forward);
  METAL_IMPL(m, "_scaled_dot_product_fused_attention_overrideable_backward", attention_backward);
}

}  // namespace torch_metal

namespace at::native {
REGISTER_PRIVATEUSE1_DISPATCH(_fused_sdp_choice_stub, &torch_metal::fused_sdp_choice)
}  // namespace at::native
