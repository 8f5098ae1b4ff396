// The gradient of scaled dot-product attention: weights are computed again, from logarithms that the forward pass kept.
#include "attention.h"

using namespace metal;
using namespace torch_metal;

/// delta = grad_out . out for each row: what the softmax's gradient subtracts. Summed in the order in which attention_backward
/// sums up grad_out . value, so that a row whose weights are 1 and 0 has no gradient at all.
template <class T>
[[kernel]] void attention_delta(device float* delta [[buffer(0)]], device const T* grad_out [[buffer(1)]],
                                device const T* out [[buffer(2)]], constant AttentionDeltaParams& p [[buffer(3)]],
                                uint3 group [[threadgroup_position_in_grid]],
                                uint lane [[thread_index_in_simdgroup]]) {
  threadgroup Staging<kBlock> x, y;
  const uint first = group.x * kBlock, head = group.y, batch = group.z;
  device const T* grads = at_head(grad_out, p.grad_out, batch, head);
  device const T* outs = at_head(out, p.out, batch, head);
  float sum = 0;
  for (uint e = 0; e < p.value_size; e += kBlock) {
    load_tile<kBlock>(x.tile, grads, p.grad_out.row, first, p.queries, e, p.value_size, lane);
    load_tile<kBlock>(y.tile, outs, p.out.row, first, p.queries, e, p.value_size, lane);
    transpose_tile<kBlock, kBlock>(x.tile, x.turned);
    transpose_tile<kBlock, kBlock>(y.tile, y.turned);
#pragma clang loop unroll_count(8)
    for (uint i = 0; i < kBlock; ++i) sum = fma(x.turned[i * kBlock + lane], y.turned[i * kBlock + lane], sum);
    simdgroup_barrier(mem_flags::mem_threadgroup);
  }
  if (first + lane < p.queries) delta[(long(batch) * p.heads + head) * p.queries + first + lane] = sum;
}

/// gradient[r] += sum over keys k of weights[r, k] * row k of the tile. Lanes have features.
template <uint depth>
static void add_to_gradient(device float* gradient, long stride, uint count, const threadgroup float* weights,
                            const threadgroup float* tile, uint features, uint lane) {
  for (uint c = lane; c < features; c += kSimdWidth) {
#pragma clang loop unroll(disable)
    for (uint row = 0; row < count; row += kTogether) {
      float sum[kTogether];
      for (uint i = 0; i < kTogether; ++i) sum[i] = row + i < count ? gradient[(row + i) * stride + c] : 0;
#pragma clang loop unroll_count(2)
      for (uint k = 0; k < kBlock; ++k) {
        const float y = tile[k * depth + c];
        for (uint i = 0; i < kTogether; ++i) sum[i] = fma(weights[(row + i) * kBlock + k], y, sum[i]);
      }
      for (uint i = 0; i < kTogether; ++i) {
        if (row + i < count) gradient[(row + i) * stride + c] = sum[i];
      }
    }
  }
}

/// Scores of 32 queries and the lane's key become weights, 0 where the key is not seen.
template <class B, bool biased>
static void weigh(thread float* scores, constant AttentionParams& p, device const B* bias,
                  device const float* logsumexp, device const float* remainder, uint first_query, uint count,
                  uint key) {
#pragma clang loop unroll_count(2)
  for (uint r = 0; r < count; ++r) {
    const uint query = first_query + r;
    const bool seen = key < p.keys && (!p.causal || key <= query);
    float score = scores[r] * p.scale;
    if (biased && seen) score += float(strided_load(bias + query * p.bias.row, key, p.bias_column));
    scores[r] = seen ? weight_of(score, logsumexp[r], remainder[r]) : 0;
  }
#pragma clang loop unroll(disable)
  for (uint r = count; r < kBlock; ++r) scores[r] = 0;
}

/// Gradients of 32 keys and values at a time, and what they add to the gradients of all queries.
template <class T, uint capacity, class B, bool biased, bool dropout>
[[kernel]] void attention_backward(
    device float* grad_query [[buffer(0)]], device T* grad_key [[buffer(1)]], device T* grad_value [[buffer(2)]],
    device const T* grad_out [[buffer(3)]], device const T* query [[buffer(4)]], device const T* key [[buffer(5)]],
    device const T* value [[buffer(6)]], device const float* logsumexp [[buffer(7)]],
    device const float* remainder [[buffer(8)]], device const float* delta [[buffer(9)]],
    device const B* bias [[buffer(10)]], constant AttentionBackwardParams& params [[buffer(11)]],
    uint3 group [[threadgroup_position_in_grid]], uint lane [[thread_index_in_simdgroup]]) {
  constexpr uint depth = tile_depth(capacity);
  threadgroup Staging<depth> staging;
  threadgroup float key_tile[kBlock * depth], score_gradients[kBlock * kBlock];
  constant AttentionParams& p = params.attention;
  const uint key_head = group.y, batch = group.z;
  device const T* keys = at_head(key, p.key, batch, key_head);
  device const T* values = at_head(value, p.value, batch, key_head);

  for (uint head = key_head * p.group; head < (key_head + 1) * p.group; ++head) {
    device float* query_sums = at_head(grad_query, params.grad_query, batch, head) + group.x * params.grad_query_split;
    for (uint c = lane; c < p.head_size; c += kSimdWidth) {
#pragma clang loop unroll(disable)
      for (uint r = 0; r < p.queries; ++r) query_sums[r * params.grad_query.row + c] = 0;
    }
  }

  float own_key[capacity], own_value[capacity], key_sums[capacity], value_sums[capacity];
  const uint end = min(p.keys, (group.x + 1) * params.split_size);
  for (uint first = group.x * params.split_size; first < end; first += kBlock) {
    const uint own = first + lane;
    load_lanes(own_key, staging, keys, p.key.row, first, p.keys, p.head_size, lane);
    load_lanes(own_value, staging, values, p.value.row, first, p.keys, p.value_size, lane);
    clear<capacity>(key_sums);
    clear<capacity>(value_sums);
    if (p.head_size <= depth) load_tile<depth>(key_tile, keys, p.key.row, first, p.keys, 0, p.head_size, lane);

    for (uint head = key_head * p.group; head < (key_head + 1) * p.group; ++head) {
      device const T* queries = at_head(query, p.query, batch, head);
      device const T* grads = at_head(grad_out, params.grad_out, batch, head);
      device float* query_sums = at_head(grad_query, params.grad_query, batch, head) +
                                 group.x * params.grad_query_split;
      for (uint q = p.causal ? first : 0; q < p.queries; q += kBlock) {
        const uint count = min(kBlock, p.queries - q);
        const long row = row_number(p, batch, head, q);
        float weights[kBlock], dropped[kBlock], kept[kBlock], gradients[kBlock];
        clear<kBlock>(weights);
        for (uint e = 0; e < p.head_size; e += depth) {
          load_tile<depth>(staging.tile, queries, p.query.row, q, p.queries, e, p.head_size, lane);
          add_products<depth>(weights, staging.tile, count, own_key, e, filled<depth>(e, p.head_size));
          simdgroup_barrier(mem_flags::mem_threadgroup);
        }
        weigh<B, biased>(weights, p, at_head(bias, p.bias, batch, head), logsumexp + row, remainder + row, q, count,
                         own);
#pragma clang loop unroll(disable)
        for (uint r = 0; r < kBlock; ++r) {
          if (dropout) kept[r] = dropout_factor(p, dropout_words(p, row + r, own / 4)[own % 4]);
          dropped[r] = dropout ? weights[r] * kept[r] : weights[r];
        }

        clear<kBlock>(gradients);
        for (uint e = 0; e < p.value_size; e += depth) {
          const uint features = filled<depth>(e, p.value_size);
          load_tile<depth>(staging.turned, grads, params.grad_out.row, q, p.queries, e, p.value_size, lane);
          add_products<depth>(gradients, staging.turned, count, own_value, e, features);
          add_weighted_rows<depth>(value_sums, e, staging.turned, count, dropped, features);
          simdgroup_barrier(mem_flags::mem_threadgroup);
        }
#pragma clang loop unroll_count(2)
        for (uint r = 0; r < kBlock; ++r) {
          const float subtracted = r < count ? delta[row + r] : 0;
          const float gradient = dropout ? gradients[r] * kept[r] : gradients[r];
          gradients[r] = p.scale * weights[r] * (gradient - subtracted);
          score_gradients[r * kBlock + lane] = gradients[r];
        }
        simdgroup_barrier(mem_flags::mem_threadgroup);

        for (uint e = 0; e < p.head_size; e += depth) {
          if (p.head_size > depth) {
            load_tile<depth>(staging.tile, queries, p.query.row, q, p.queries, e, p.head_size, lane);
            load_tile<depth>(key_tile, keys, p.key.row, first, p.keys, e, p.head_size, lane);
          }
          add_weighted_rows<depth>(key_sums, e, staging.tile, count, gradients, filled<depth>(e, p.head_size));
          add_to_gradient<depth>(query_sums + q * params.grad_query.row + e, params.grad_query.row, count,
                                 score_gradients, key_tile, min(depth, p.head_size - e), lane);
          simdgroup_barrier(mem_flags::mem_threadgroup);
        }
      }
    }
    store_lanes(key_sums, staging, at_head(grad_key, params.grad_key, batch, key_head), params.grad_key.row, first,
                p.keys, p.head_size, 1, lane);
    store_lanes(value_sums, staging, at_head(grad_value, params.grad_value, batch, key_head), params.grad_value.row,
                first, p.keys, p.value_size, 1, lane);
  }
}
