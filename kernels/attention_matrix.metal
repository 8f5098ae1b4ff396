// Scaled dot-product attention by matrices of 8x8: 32 queries a threadgroup.
#include "attention_matrix.h"

using namespace metal;
using namespace torch_metal;

template <class T, uint capacity, class B, bool biased, bool dropout>
[[kernel]] void attention_matrix(device T* out [[buffer(0)]], device float* logsumexp [[buffer(1)]],
                                 device float* remainder [[buffer(2)]], device const T* query [[buffer(3)]],
                                 device const T* key [[buffer(4)]], device const T* value [[buffer(5)]],
                                 device const B* bias [[buffer(6)]], constant AttentionParams& p [[buffer(7)]],
                                 uint3 group [[threadgroup_position_in_grid]],
                                 uint simdgroup [[simdgroup_index_in_threadgroup]],
                                 uint lane [[thread_index_in_simdgroup]]) {
  constexpr uint depth = tile_depth(capacity);
  threadgroup MatrixStaging<depth> staging;
  const StripPosition at{simdgroup, lane};
  const uint first = group.x * kBlock, head = group.y, batch = group.z;
  device const T* keys = at_head(key, p.key, batch, head / p.group);
  device const T* values = at_head(value, p.value, batch, head / p.group);

  Matrix x[capacity / 8], sums[capacity / 8];
  load_own<capacity, depth>(x, staging.tile, at_head(query, p.query, batch, head), p.query.row, first, p.queries,
                            p.head_size, at);
  clear<capacity / 8>(sums);
  float top = -INFINITY, total = 0;

  const uint own = first + at.row();
  const uint seen = p.causal ? min(p.keys, own + 1) : p.keys;  // by this lane's query
  const uint seen_by_any = p.causal ? min(p.keys, first + kBlock) : p.keys;
  const long row = row_number(p, batch, head, own);
  device const B* row_bias = at_head(bias, p.bias, batch, head) + min(own, p.queries - 1) * p.bias.row;
  for (uint k = 0; k < seen_by_any; k += kBlock) {
    Matrix scores[kMatricesOfStrip];
    clear<kMatricesOfStrip>(scores);
#pragma clang loop unroll(full)
    for (uint e = 0; e < capacity; e += depth) {
      if (e < p.head_size) {
        fill_tile<depth>(staging.tile, keys, p.key.row, k, p.keys, e, p.head_size, at);
        add_scores<depth>(scores, x + e / 8, staging.tile);
      }
    }

    float weights[kColumnsOfLane];
    spread(scores, staging.strips, weights, at);
    const uint column = k + at.column();
    float block_top = top;
    for (uint i = 0; i < kColumnsOfLane; ++i) {
      const bool is_seen = column + i < seen;
      float score = weights[i] * p.scale;
      if (biased && is_seen) score += float(strided_load(row_bias, column + i, p.bias_column));
      weights[i] = is_seen ? score : -INFINITY;
      block_top = max(block_top, weights[i]);
    }
    block_top = row_max(block_top);
    const float base = finite_base(block_top), shrink = exp(top - base);
    float sum = 0;
    for (uint i = 0; i < kColumnsOfLane; ++i) {
      weights[i] = exp(weights[i] - base);
      sum += weights[i];
    }
    total = total * shrink + row_sum(sum);
    top = block_top;
    if (dropout) {
      for (uint i = 0; i < kColumnsOfLane; i += 4) {
        const uint4 words = dropout_words(p, row, (column + i) / 4);
        for (uint j = 0; j < 4; ++j) weights[i + j] *= dropout_factor(p, words[j]);
      }
    }
    if (simd_any(shrink != 1)) scale_rows<capacity / 8>(sums, staging.strips, shrink, at);
    gather(scores, staging.strips, weights, at);
#pragma clang loop unroll(full)
    for (uint e = 0; e < capacity; e += depth) {
      if (e < p.value_size) {
        fill_tile<depth>(staging.other, values, p.value.row, k, p.keys, e, p.value_size, at);
        add_weighted<depth>(sums + e / 8, scores, staging.other);
      }
    }
  }

  scale_rows<capacity / 8>(sums, staging.strips, total == 0 ? 0 : 1 / total, at);
  store_own<capacity, depth>(sums, staging.tile, at_head(out, p.out, batch, head), p.out.row, first, p.queries,
                             p.value_size, at);
  if (own < p.queries && at.column() == 0) store_logsumexp(logsumexp, remainder, row, top, total);
}
