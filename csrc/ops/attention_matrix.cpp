#include "ops/attention_matrix.h"

#include <ATen/ceil_div.h>
#include <ATen/ops/empty.h>

#include "ops/gemm_tile.h"
#include "runtime/launch.h"

namespace torch_metal {
namespace {

constexpr int64_t kMostFeatures = 128;  // whose sums are in a SIMD-group's registers
constexpr uint64_t kThreads = 128;      // four SIMD-groups

uint64_t blocks(int64_t rows) { return at::ceil_div(rows, kAttentionBlock); }

/// grad_out . out of each row.
at::Tensor delta_of(const Attention& attention, const at::Tensor& grad_out, const at::Tensor& out) {
  const AttentionParams& p = attention.params;
  const at::Tensor delta = at::empty(out.sizes().slice(0, 3), out.options().dtype(at::kFloat));
  launch_groups(kernel("attention_matrix_backward", "attention_matrix_delta", {metal_type(out.scalar_type())}),
                {blocks(p.queries), p.heads, attention.batch()}, {kThreads}, delta, grad_out, out,
                delta_params(grad_out, out));
  return delta;
}

}  // namespace

bool suits_matrices(int64_t features) { return !prefers_register_tiles() && features <= kMostFeatures; }

void attend_by_matrices(const Attention& attention, const at::Tensor& out, const at::Tensor& logsumexp,
                        const at::Tensor& remainder) {
  const AttentionParams& p = attention.params;
  launch_groups(attention.kernel_of("attention_matrix", "attention_matrix"),
                {blocks(p.queries), p.heads, attention.batch()}, {kThreads}, out, logsumexp, remainder, attention.query,
                attention.key, attention.value, attention.bias, p);
}

AttentionGradients gradients_by_matrices(const Attention& attention, const at::Tensor& grad_out, const at::Tensor& out,
                                         const at::Tensor& logsumexp, const at::Tensor& remainder) {
  const auto& [query, key, value] = std::tie(attention.query, attention.key, attention.value);
  const AttentionGradients to{dense_in_order_of(query, query.sizes()), dense_in_order_of(key, key.sizes()),
                              dense_in_order_of(value, value.sizes())};
  const AttentionBackwardParams params{.attention = attention.params,
                                       .grad_out = attention_layout(grad_out),
                                       .grad_query = attention_layout(to.query),
                                       .grad_key = attention_layout(to.key),
                                       .grad_value = attention_layout(to.value),
                                       .grad_query_split = 0,
                                       .split_size = 0};
  const at::Tensor delta = delta_of(attention, grad_out, out);
  const uint64_t batch = attention.batch(), heads = attention.params.heads, key_heads = key.size(1);
  launch_groups(attention.kernel_of("attention_matrix_backward", "attention_matrix_queries"),
                {blocks(query.size(2)), heads, batch}, {kThreads}, to.query, grad_out, query, key, value, logsumexp,
                remainder, delta, attention.bias, params);
  launch_groups(attention.kernel_of("attention_matrix_backward", "attention_matrix_keys"),
                {blocks(key.size(2)), key_heads, batch}, {kThreads}, to.key, to.value, grad_out, query, key, value,
                logsumexp, remainder, delta, attention.bias, params);
  return to;
}

}  // namespace torch_metal
