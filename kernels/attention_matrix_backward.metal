// The gradient of scaled dot-product attention by matrices of 8x8. One kernel has 32 queries a threadgroup and goes
// over the keys, another 32 keys and goes over the queries: scores are computed twice, nothing is added up in memory.
#include "attention_matrix.h"

using namespace metal;
using namespace torch_metal;

/// delta = grad_out . out for each row: the diagonal of a product, which sums up as those of grad_out and value do. So
/// a row whose weights are 1 and 0 has no gradient at all.
template <class T>
[[kernel]] void attention_matrix_delta(device float* delta [[buffer(0)]], device const T* grad_out [[buffer(1)]],
                                       device const T* out [[buffer(2)]],
                                       constant AttentionDeltaParams& p [[buffer(3)]],
                                       uint3 group [[threadgroup_position_in_grid]],
                                       uint simdgroup [[simdgroup_index_in_threadgroup]],
                                       uint lane [[thread_index_in_simdgroup]]) {
  threadgroup MatrixStaging<kBlock> staging;
  const StripPosition at{simdgroup, lane};
  const uint first = group.x * kBlock, head = group.y, batch = group.z;
  device const T* grads = at_head(grad_out, p.grad_out, batch, head);
  device const T* outs = at_head(out, p.out, batch, head);
  Matrix products = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
  for (uint e = 0; e < p.value_size; e += kBlock) {
    fill_tile<kBlock>(staging.tile, grads, p.grad_out.row, first, p.queries, e, p.value_size, at);
    fill_tile<kBlock>(staging.other, outs, p.out.row, first, p.queries, e, p.value_size, at);
    const uint own = kOwnRows * simdgroup * kBlock;
    for (uint f = 0; f < kBlock; f += 8) {
      Matrix x, y;
      simdgroup_load(x, staging.tile + own + f, kBlock);
      simdgroup_load(y, staging.other + own + f, kBlock, ulong2(0), true);
      simdgroup_multiply_accumulate(products, x, y, products);
    }
  }
  simdgroup_store(products, at.strip(staging.strips), kStripStride);
  simdgroup_barrier(mem_flags::mem_threadgroup);
  const uint query = first + kOwnRows * simdgroup + lane;
  if (lane < kOwnRows && query < p.queries) {
    delta[(long(batch) * p.heads + head) * p.queries + query] = at.strip(staging.strips)[lane * kStripStride + lane];
  }
}

/// The gradient of 32 queries.
template <class T, uint capacity, class B, bool biased, bool dropout>
[[kernel]] void attention_matrix_queries(
    device T* grad_query [[buffer(0)]], device const T* grad_out [[buffer(1)]], device const T* query [[buffer(2)]],
    device const T* key [[buffer(3)]], device const T* value [[buffer(4)]], device const float* logsumexp [[buffer(5)]],
    device const float* remainder [[buffer(6)]], device const float* delta [[buffer(7)]],
    device const B* bias [[buffer(8)]], constant AttentionBackwardParams& params [[buffer(9)]],
    uint3 group [[threadgroup_position_in_grid]], uint simdgroup [[simdgroup_index_in_threadgroup]],
    uint lane [[thread_index_in_simdgroup]]) {
  constexpr uint depth = tile_depth(capacity);
  threadgroup MatrixStaging<depth> staging;
  constant AttentionParams& p = params.attention;
  const StripPosition at{simdgroup, lane};
  const uint first = group.x * kBlock, head = group.y, batch = group.z;
  device const T* keys = at_head(key, p.key, batch, head / p.group);
  device const T* values = at_head(value, p.value, batch, head / p.group);

  Matrix x[capacity / 8], grads[capacity / 8], sums[capacity / 8];
  load_own<capacity, depth>(x, staging.tile, at_head(query, p.query, batch, head), p.query.row, first, p.queries,
                            p.head_size, at);
  load_own<capacity, depth>(grads, staging.tile, at_head(grad_out, params.grad_out, batch, head), params.grad_out.row,
                            first, p.queries, p.value_size, at);
  clear<capacity / 8>(sums);

  const uint own = min(first + at.row(), p.queries - 1);  // rows past the end are the last one, and not stored
  const uint seen = p.causal ? min(p.keys, own + 1) : p.keys;
  const uint seen_by_any = p.causal ? min(p.keys, first + kBlock) : p.keys;
  const long row = row_number(p, batch, head, own);
  const float row_logsumexp = logsumexp[row], row_remainder = remainder[row], row_delta = delta[row];
  device const B* row_bias = at_head(bias, p.bias, batch, head) + own * p.bias.row;
  for (uint k = 0; k < seen_by_any; k += kBlock) {
    Matrix scores[kMatricesOfStrip], gradients[kMatricesOfStrip];
    clear<kMatricesOfStrip>(scores);
    clear<kMatricesOfStrip>(gradients);
#pragma clang loop unroll(full)
    for (uint e = 0; e < capacity; e += depth) {
      if (e < p.value_size) {
        fill_tile<depth>(staging.other, values, p.value.row, k, p.keys, e, p.value_size, at);
        add_scores<depth>(gradients, grads + e / 8, staging.other);
      }
    }
#pragma clang loop unroll(full)
    for (uint e = 0; e < capacity; e += depth) {
      if (e < p.head_size) {
        fill_tile<depth>(staging.tile, keys, p.key.row, k, p.keys, e, p.head_size, at);
        add_scores<depth>(scores, x + e / 8, staging.tile);
      }
    }

    float weights[kColumnsOfLane], changes[kColumnsOfLane];
    spread(scores, staging.strips, weights, at);
    spread(gradients, staging.strips, changes, at);
    const uint column = k + at.column();
    for (uint i = 0; i < kColumnsOfLane; ++i) {
      const bool is_seen = column + i < seen;
      float score = weights[i] * p.scale;
      if (biased && is_seen) score += float(strided_load(row_bias, column + i, p.bias_column));
      const float weight = is_seen ? weight_of(score, row_logsumexp, row_remainder) : 0;
      float factor = 1;
      if (dropout) factor = dropout_factor(p, dropout_words(p, row, (column + i) / 4)[i % 4]);
      changes[i] = column + i < p.keys ? p.scale * weight * (changes[i] * factor - row_delta) : 0;
    }
    gather(scores, staging.strips, changes, at);
#pragma clang loop unroll(full)
    for (uint e = 0; e < capacity; e += depth) {
      if (e < p.head_size) {
        if (capacity > depth) fill_tile<depth>(staging.tile, keys, p.key.row, k, p.keys, e, p.head_size, at);
        add_weighted<depth>(sums + e / 8, scores, staging.tile);
      }
    }
  }
  store_own<capacity, depth>(sums, staging.tile, at_head(grad_query, params.grad_query, batch, head),
                             params.grad_query.row, first, p.queries, p.head_size, at);
}

/// The gradients of 32 keys and their values, from all queries of the heads that share them.
template <class T, uint capacity, class B, bool biased, bool dropout>
[[kernel]] void attention_matrix_keys(
    device T* grad_key [[buffer(0)]], device T* grad_value [[buffer(1)]], device const T* grad_out [[buffer(2)]],
    device const T* query [[buffer(3)]], device const T* key [[buffer(4)]], device const T* value [[buffer(5)]],
    device const float* logsumexp [[buffer(6)]], device const float* remainder [[buffer(7)]],
    device const float* delta [[buffer(8)]], device const B* bias [[buffer(9)]],
    constant AttentionBackwardParams& params [[buffer(10)]], uint3 group [[threadgroup_position_in_grid]],
    uint simdgroup [[simdgroup_index_in_threadgroup]], uint lane [[thread_index_in_simdgroup]]) {
  constexpr uint depth = tile_depth(capacity);
  threadgroup MatrixStaging<depth> staging;
  constant AttentionParams& p = params.attention;
  const StripPosition at{simdgroup, lane};
  const uint first = group.x * kBlock, key_head = group.y, batch = group.z;

  Matrix own_key[capacity / 8], own_value[capacity / 8], key_sums[capacity / 8], value_sums[capacity / 8];
  load_own<capacity, depth>(own_key, staging.tile, at_head(key, p.key, batch, key_head), p.key.row, first, p.keys,
                            p.head_size, at);
  load_own<capacity, depth>(own_value, staging.tile, at_head(value, p.value, batch, key_head), p.value.row, first,
                            p.keys, p.value_size, at);
  clear<capacity / 8>(key_sums);
  clear<capacity / 8>(value_sums);

  const uint own = first + at.row();
  for (uint head = key_head * p.group; head < (key_head + 1) * p.group; ++head) {
    device const T* queries = at_head(query, p.query, batch, head);
    device const T* grads = at_head(grad_out, params.grad_out, batch, head);
    device const B* head_bias = at_head(bias, p.bias, batch, head);
    for (uint q = p.causal ? first : 0; q < p.queries; q += kBlock) {
      Matrix scores[kMatricesOfStrip], gradients[kMatricesOfStrip];
      clear<kMatricesOfStrip>(scores);
      clear<kMatricesOfStrip>(gradients);
#pragma clang loop unroll(full)
      for (uint e = 0; e < capacity; e += depth) {
        if (e < p.head_size) {
          fill_tile<depth>(staging.tile, queries, p.query.row, q, p.queries, e, p.head_size, at);
          add_scores<depth>(scores, own_key + e / 8, staging.tile);
        }
      }
      float weights[kColumnsOfLane], kept[kColumnsOfLane], dropped[kColumnsOfLane], changes[kColumnsOfLane];
      spread(scores, staging.strips, weights, at);
      const uint column = q + at.column();
      for (uint i = 0; i < kColumnsOfLane; ++i) {
        const uint number = column + i;
        const bool is_seen = own < p.keys && number < p.queries && (!p.causal || own <= number);
        const long row = row_number(p, batch, head, min(number, p.queries - 1));
        float score = weights[i] * p.scale;
        if (biased && is_seen) score += float(strided_load(head_bias + number * p.bias.row, own, p.bias_column));
        weights[i] = is_seen ? weight_of(score, logsumexp[row], remainder[row]) : 0;
        if (dropout) kept[i] = dropout_factor(p, dropout_words(p, row, own / 4)[own % 4]);
        dropped[i] = dropout ? weights[i] * kept[i] : weights[i];
      }
      gather(scores, staging.strips, dropped, at);
#pragma clang loop unroll(full)
      for (uint e = 0; e < capacity; e += depth) {
        if (e < p.value_size) {
          fill_tile<depth>(staging.other, grads, params.grad_out.row, q, p.queries, e, p.value_size, at);
          add_scores<depth>(gradients, own_value + e / 8, staging.other);
          add_weighted<depth>(value_sums + e / 8, scores, staging.other);
        }
      }
      spread(gradients, staging.strips, changes, at);
      for (uint i = 0; i < kColumnsOfLane; ++i) {
        const float change = dropout ? changes[i] * kept[i] : changes[i];
        const float subtracted = delta[row_number(p, batch, head, min(column + i, p.queries - 1))];
        changes[i] = column + i < p.queries ? p.scale * weights[i] * (change - subtracted) : 0;
      }
      gather(scores, staging.strips, changes, at);
#pragma clang loop unroll(full)
      for (uint e = 0; e < capacity; e += depth) {
        if (e < p.head_size) {
          if (capacity > depth) fill_tile<depth>(staging.tile, queries, p.query.row, q, p.queries, e, p.head_size, at);
          add_weighted<depth>(key_sums + e / 8, scores, staging.tile);
        }
      }
    }
  }
  store_own<capacity, depth>(key_sums, staging.tile, at_head(grad_key, params.grad_key, batch, key_head),
                             params.grad_key.row, first, p.keys, p.head_size, at);
  store_own<capacity, depth>(value_sums, staging.tile, at_head(grad_value, params.grad_value, batch, key_head),
                             params.grad_value.row, first, p.keys, p.value_size, at);
}
