// Scaled dot-product attention that never writes the matrix of scores down: a block of queries at a time, or a query.
#include "attention.h"

using namespace metal;
using namespace torch_metal;

/// Adds the bias of queries first_query + lane and 32 keys.
template <uint depth, class B>
static void add_bias(thread float* scores, threadgroup Staging<depth>& staging, device const B* bias,
                     constant AttentionParams& p, uint first_query, uint first_key, uint lane) {
  if (p.bias.row == 0) {
    const uint inside = min(kBlock, p.keys - first_key);
#pragma clang loop unroll(disable)
    for (uint r = 0; r < inside; ++r) scores[r] += float(bias[(first_key + r) * p.bias_column]);
    return;
  }
  if (p.bias_column == 1) {
    load_tile<kBlock>(staging.tile, bias, p.bias.row, first_query, p.queries, first_key, p.keys, lane);
  } else {
    copy_tile<kBlock, kBlock, 1>(staging.tile, bias, p.bias.row, p.bias_column, first_query, first_key, p.queries,
                                 p.keys, 0, lane);
    simdgroup_barrier(mem_flags::mem_threadgroup);
  }
  transpose_tile<kBlock, kBlock>(staging.tile, staging.turned);
#pragma clang loop unroll_count(4)
  for (uint r = 0; r < kBlock; ++r) scores[r] += staging.turned[r * kBlock + lane];
  simdgroup_barrier(mem_flags::mem_threadgroup);
}

/// Turns the scores of a block of keys into weights, relative to the greatest score of each lane so far. Returns what
/// the lane's earlier weights are to be multiplied by.
static float exponentiate(thread float* scores, thread float& top, thread float& total) {
  float block_top = top;
#pragma clang loop unroll_count(4)
  for (uint r = 0; r < kBlock; ++r) block_top = max(block_top, scores[r]);
  const float base = finite_base(block_top);
  const float shrink = simd_any(block_top != top) ? exp(top - base) : 1;
  float sum = 0;
#pragma clang loop unroll_count(2)
  for (uint r = 0; r < kBlock; ++r) {
    scores[r] = exp(scores[r] - base);
    sum += scores[r];
  }
  total = total * shrink + sum;
  top = block_top;
  return shrink;
}

/// A block of queries. `capacity` is enough for the features of a head.
template <class T, uint capacity, class B, bool biased, bool dropout>
[[kernel]] void attention(device T* out [[buffer(0)]], device float* logsumexp [[buffer(1)]],
                          device float* remainder [[buffer(2)]], device const T* query [[buffer(3)]],
                          device const T* key [[buffer(4)]], device const T* value [[buffer(5)]],
                          device const B* bias [[buffer(6)]], constant AttentionParams& p [[buffer(7)]],
                          uint3 group [[threadgroup_position_in_grid]], uint lane [[thread_index_in_simdgroup]]) {
  constexpr uint depth = tile_depth(capacity);
  threadgroup Staging<depth> staging;
  const uint first = group.x * kBlock, head = group.y, batch = group.z;
  device const T* keys = at_head(key, p.key, batch, head / p.group);
  device const T* values = at_head(value, p.value, batch, head / p.group);

  float x[capacity], sums[capacity], scores[kBlock];
  load_lanes(x, staging, at_head(query, p.query, batch, head), p.query.row, first, p.queries, p.head_size, lane);
  clear<capacity>(sums);
  float top = -INFINITY, total = 0;

  const uint seen = p.causal ? min(p.keys, first + lane + 1) : p.keys;  // by this lane's query
  const uint seen_by_all = p.causal ? min(p.keys, first + 1) : p.keys;
  const uint seen_by_any = p.causal ? min(p.keys, first + kBlock) : p.keys;
  const long row = row_number(p, batch, head, first + lane);
  for (uint k = 0; k < seen_by_any; k += kBlock) {
    const uint count = min(kBlock, seen_by_any - k);
    clear<kBlock>(scores);
    for (uint e = 0; e < p.head_size; e += depth) {
      load_tile<depth>(staging.tile, keys, p.key.row, k, p.keys, e, p.head_size, lane);
      add_products<depth>(scores, staging.tile, count, x, e, filled<depth>(e, p.head_size));
      simdgroup_barrier(mem_flags::mem_threadgroup);
    }
#pragma clang loop unroll_count(4)
    for (uint r = 0; r < kBlock; ++r) scores[r] *= p.scale;
    if (biased) add_bias(scores, staging, at_head(bias, p.bias, batch, head), p, first, k, lane);
    if (k + kBlock > seen_by_all) {
#pragma clang loop unroll_count(4)
      for (uint r = 0; r < kBlock; ++r) scores[r] = k + r < seen ? scores[r] : -INFINITY;
    }

    const float shrink = exponentiate(scores, top, total);
    if (simd_any(shrink != 1)) {
#pragma clang loop unroll_count(4)
      for (uint e = 0; e < capacity; ++e) sums[e] *= shrink;
    }
    if (dropout) {
#pragma clang loop unroll(disable)
      for (uint r = 0; r < kBlock; r += 4) {
        const uint4 words = dropout_words(p, row, (k + r) / 4);
        for (uint i = 0; i < 4; ++i) scores[r + i] *= dropout_factor(p, words[i]);
      }
    }
    for (uint e = 0; e < p.value_size; e += depth) {
      load_tile<depth>(staging.tile, values, p.value.row, k, p.keys, e, p.value_size, lane);
      add_weighted_rows<depth>(sums, e, staging.tile, count, scores, filled<depth>(e, p.value_size));
      simdgroup_barrier(mem_flags::mem_threadgroup);
    }
  }

  store_lanes(sums, staging, at_head(out, p.out, batch, head), p.out.row, first, p.queries, p.value_size,
              total == 0 ? 0 : 1 / total, lane);
  if (first + lane < p.queries) store_logsumexp(logsumexp, remainder, row, top, total);
}

/// A query and a split of the keys: for fewer queries than fill lanes. Lanes have features, and then keys.
template <class T, uint capacity, class B, bool biased, bool dropout, class O>
[[kernel]] void attention_row(device O* out [[buffer(0)]], device float* logsumexp [[buffer(1)]],
                              device float* remainder [[buffer(2)]], device const T* query [[buffer(3)]],
                              device const T* key [[buffer(4)]], device const T* value [[buffer(5)]],
                              device const B* bias [[buffer(6)]], constant AttentionRowParams& params [[buffer(7)]],
                              uint3 group [[threadgroup_position_in_grid]], uint lane [[thread_index_in_simdgroup]]) {
  constexpr uint parts = capacity / kSimdWidth;
  constant AttentionParams& p = params.attention;
  const uint head = group.y / p.queries, batch = group.z, number = group.y % p.queries;
  device const T* keys = at_head(key, p.key, batch, head / p.group);
  device const T* values = at_head(value, p.value, batch, head / p.group);
  device const T* own = at_head(query, p.query, batch, head) + number * p.query.row;
  device const B* row_bias = at_head(bias, p.bias, batch, head) + number * p.bias.row;

  float x[parts], sums[parts];
  for (uint i = 0; i < parts; ++i) {
    const uint e = i * kSimdWidth + lane;
    x[i] = e < p.head_size ? float(own[e]) : 0;
    sums[i] = 0;
  }
  float top = -INFINITY, total = 0;
  const uint begin = group.x * params.split_size;
  const uint end = min(begin + params.split_size, p.causal ? min(p.keys, number + 1) : p.keys);
  const long row = row_number(p, batch, head, number);
  for (uint k = begin; k < end; k += kSimdWidth) {
    const uint count = min(kSimdWidth, end - k);
    float score = 0;
#pragma clang loop unroll_count(4)
    for (uint r = 0; r < count; ++r) {
      device const T* features = keys + (k + r) * p.key.row;
      float sum = 0;
      for (uint i = 0; i < parts; ++i) {
        const uint e = i * kSimdWidth + lane;
        if (e < p.head_size) sum = fma(float(features[e]), x[i], sum);
      }
      sum = simd_sum(sum);
      score = lane == r ? sum : score;
    }
    score = lane < count ? score * p.scale : -INFINITY;
    if (biased && lane < count) score += float(strided_load(row_bias, k + lane, p.bias_column));

    const float block_top = max(top, simd_max(score)), base = finite_base(block_top);
    const float shrink = exp(top - base);
    float weight = exp(score - base);
    total = total * shrink + simd_sum(weight);
    top = block_top;
    if (dropout) weight *= dropout_factor(p, dropout_words(p, row, (k + lane) / 4)[lane % 4]);
    for (uint i = 0; i < parts; ++i) sums[i] *= shrink;
#pragma clang loop unroll_count(4)
    for (uint r = 0; r < count; ++r) {
      device const T* features = values + (k + r) * p.value.row;
      const float factor = simd_shuffle(weight, ushort(r));
      for (uint i = 0; i < parts; ++i) {
        const uint e = i * kSimdWidth + lane;
        if (e < p.value_size) sums[i] = fma(float(features[e]), factor, sums[i]);
      }
    }
  }

  device O* to = at_head(out, p.out, batch, head) + group.x * params.out_split + number * p.out.row;
  const float factor = total == 0 ? 0 : 1 / total;
  for (uint i = 0; i < parts; ++i) {
    const uint e = i * kSimdWidth + lane;
    if (e < p.value_size) to[e] = O(factor * sums[i]);
  }
  if (lane == 0) store_logsumexp(logsumexp, remainder, group.x * params.logsumexp_split + row, top, total);
}

/// The softmax over all keys from those over splits of them.
template <class T>
[[kernel]] void attention_join(device T* out [[buffer(0)]], device float* logsumexp [[buffer(1)]],
                               device float* remainder [[buffer(2)]], device const float* partial [[buffer(3)]],
                               device const float* partial_logsumexp [[buffer(4)]],
                               device const float* partial_remainder [[buffer(5)]],
                               constant AttentionJoinParams& p [[buffer(6)]],
                               uint3 group [[threadgroup_position_in_grid]], uint lane [[thread_index_in_simdgroup]]) {
  const uint head = group.y, batch = group.z, query = group.x;
  const long row = (long(batch) * p.heads + head) * p.queries + query;
  float top = -INFINITY, total = 0;
  for (uint s = 0; s < p.splits; ++s) top = max(top, partial_logsumexp[s * p.rows + row]);
  const float base = finite_base(top);
  const auto weight_of = [&](uint split) {
    return exp(partial_logsumexp[split * p.rows + row] - base + partial_remainder[split * p.rows + row]);
  };
  for (uint s = 0; s < p.splits; ++s) total += weight_of(s);
  device T* to = at_head(out, p.out, batch, head) + query * p.out.row;
  for (uint e = lane; e < p.value_size; e += kSimdWidth) {
    float sum = 0;
    for (uint s = 0; s < p.splits; ++s) {
      sum = fma(partial[(s * p.rows + row) * p.value_size + e], weight_of(s), sum);
    }
    to[e] = T(total == 0 ? 0 : sum / total);
  }
  if (lane == 0) store_logsumexp(logsumexp, remainder, row, top, total);
}
