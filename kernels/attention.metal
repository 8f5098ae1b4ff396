// Scaled dot-product attention, forward and backward, that never writes the matrix of scores down.
//
// A SIMD-group has a block of 32 queries, or of keys in the backward pass, one a lane: their features and sums are
// arrays of the lane. The other side comes by in tiles of 32 rows. So each product is a sum of elements of a tile, which
// are the same for all lanes, times elements of the lane, and the softmax of a row is a lane's own business.
#include <metal_stdlib>

#include "attention_params.h"
#include "gemm_tile.h"
#include "random_words.h"
#include "reduction.h"

using namespace metal;
using namespace torch_metal;

/// Rows of a tile whose sums are in registers at a time: 16 registers of 512 bits.
constant constexpr uint kTogether = 8;

/// Where tiles of `depth` features go: 32 rows, and the same turned.
template <uint depth>
struct Staging {
  float tile[kBlock * depth];
  float turned[depth * kBlock];
};

/// How many features of a tile that begins at `from` there are. Tiles are filled with zeros.
template <uint depth>
static uint filled(uint from, uint size) {
  return min(depth, (size - from + kTogether - 1) / kTogether * kTogether);
}

/// Features [feature, feature + depth) of 32 rows from `first` on, zeros beyond the last of `count` rows and of `size`
/// features.
template <uint depth, class T>
static void load_tile(threadgroup float* tile, device const T* rows, long stride, uint first, uint count, uint feature,
                      uint size, uint lane) {
  const uint inside = min(kBlock, count - first);
#pragma clang loop unroll(disable)
  for (uint c = 0; c < depth; c += kSimdWidth) {
    threadgroup float* to = tile + c + lane;
    device const T* from = rows + first * stride + feature + c + lane;
    const bool within = feature + c + lane < size;
    uint r = 0;
    if (feature + c + kSimdWidth <= size) {
#pragma clang loop unroll_count(4)
      for (; r < inside; ++r, from += stride, to += depth) *to = float(*from);
    } else {
#pragma clang loop unroll(disable)
      for (; r < inside; ++r, from += stride, to += depth) *to = within ? float(*from) : 0;
    }
#pragma clang loop unroll(disable)
    for (; r < kBlock; ++r, to += depth) *to = 0;
  }
  simdgroup_barrier(mem_flags::mem_threadgroup);
}

/// Row first + lane goes to the lane's x.
template <uint depth, class T>
static void load_lanes(thread float* x, threadgroup Staging<depth>& staging, device const T* rows, long stride,
                       uint first, uint count, uint size, uint lane) {
  for (uint e = 0; e < size; e += depth) {
    load_tile<depth>(staging.tile, rows, stride, first, count, e, size, lane);
    transpose_tile<kBlock, depth>(staging.tile, staging.turned);
#pragma clang loop unroll_count(4)
    for (uint i = 0; i < depth; ++i) x[e + i] = staging.turned[i * kBlock + lane];
    simdgroup_barrier(mem_flags::mem_threadgroup);
  }
}

/// The reverse, times a factor.
template <uint depth, class T>
static void store_lanes(thread const float* x, threadgroup Staging<depth>& staging, device T* rows, long stride,
                        uint first, uint count, uint size, float factor, uint lane) {
  const uint inside = min(kBlock, count - first);
  for (uint e = 0; e < size; e += depth) {
#pragma clang loop unroll_count(4)
    for (uint i = 0; i < depth; ++i) staging.turned[i * kBlock + lane] = factor * x[e + i];
    simdgroup_barrier(mem_flags::mem_threadgroup);
    transpose_tile<depth, kBlock>(staging.turned, staging.tile);
    for (uint c = lane; c < depth; c += kSimdWidth) {
      if (e + c < size) {
#pragma clang loop unroll(disable)
        for (uint r = 0; r < inside; ++r) rows[(first + r) * stride + e + c] = T(staging.tile[r * depth + c]);
      }
    }
    simdgroup_barrier(mem_flags::mem_threadgroup);
  }
}

/// sums[r] += row r of the tile . x[from...] for the first `rows`
template <uint depth>
static void add_products(thread float* sums, const threadgroup float* tile, uint rows, thread const float* x, uint from,
                         uint features) {
#pragma clang loop unroll(disable)
  for (uint row = 0; row < rows; row += kTogether) {
    float sum[kTogether];
    for (uint r = 0; r < kTogether; ++r) sum[r] = sums[row + r];
#pragma clang loop unroll_count(2)
    for (uint e = 0; e < features; ++e) {
      const float y = x[from + e];
      for (uint r = 0; r < kTogether; ++r) sum[r] = fma(tile[(row + r) * depth + e], y, sum[r]);
    }
    for (uint r = 0; r < kTogether; ++r) sums[row + r] = sum[r];
  }
}

/// x[from...] += sum over the first `rows` r of weights[r] * row r of the tile
template <uint depth>
static void add_weighted_rows(thread float* x, uint from, const threadgroup float* tile, uint rows,
                              thread const float* weights, uint features) {
#pragma clang loop unroll(disable)
  for (uint e = 0; e < features; e += kTogether) {
    float sum[kTogether];
    for (uint i = 0; i < kTogether; ++i) sum[i] = x[from + e + i];
#pragma clang loop unroll_count(2)
    for (uint r = 0; r < rows; ++r) {
      const float weight = weights[r];
      for (uint i = 0; i < kTogether; ++i) sum[i] = fma(tile[r * depth + e + i], weight, sum[i]);
    }
    for (uint i = 0; i < kTogether; ++i) x[from + e + i] = sum[i];
  }
}

/// A head of a tensor.
template <class T>
static T at_head(T data, AttentionLayout layout, uint batch, uint head) {
  return data + (batch * layout.batch + head * layout.head);
}

/// Number of a query among all rows of scores.
static long row_number(constant AttentionParams& p, uint batch, uint head, uint query) {
  return (long(batch) * p.heads + head) * p.queries + query;
}

/// Random words for keys 4 * quad to 4 * quad + 3 of a row.
static uint4 dropout_words(constant AttentionParams& p, long row, uint quad) {
  return c10::metal::philox4::rand(p.seed, p.offset + row * ((long(p.keys) + 3) / 4) + quad);
}

static float dropout_factor(constant AttentionParams& p, uint word) {
  return random_words::unit(word) < p.dropout ? 0 : p.kept_factor;
}

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

/// What exponents are relative to: rows that see nothing have no greatest score.
static float finite_base(float top) { return top == -INFINITY ? 0 : top; }

/// Stores the logarithm of total * exp(top), and what its rounding leaves off: scores far from 0 would lose all of total.
static void store_logsumexp(device float* logsumexp, device float* remainder, long row, float top, float total) {
  const float logarithm = log(total), sum = top + logarithm;
  logsumexp[row] = sum;
  remainder[row] = isinf(sum) ? 0 : top - sum + logarithm;
}

/// `capacity` holds the features of a head: a multiple of `depth`, those of a tile.
template <class T, uint capacity, class B, bool biased, bool dropout>
[[kernel]] void attention(device T* out [[buffer(0)]], device float* logsumexp [[buffer(1)]],
                          device float* remainder [[buffer(2)]], device const T* query [[buffer(3)]],
                          device const T* key [[buffer(4)]], device const T* value [[buffer(5)]],
                          device const B* bias [[buffer(6)]], constant AttentionParams& p [[buffer(7)]],
                          uint3 group [[threadgroup_position_in_grid]],
                          uint lane [[thread_index_in_simdgroup]]) {
  constexpr uint depth = capacity < 64 ? capacity : 64;
  threadgroup Staging<depth> staging;
  const uint first = group.x * kBlock, head = group.y, batch = group.z;
  device const T* keys = at_head(key, p.key, batch, head / p.group);
  device const T* values = at_head(value, p.value, batch, head / p.group);

  float x[capacity], sums[capacity], scores[kBlock];
  load_lanes(x, staging, at_head(query, p.query, batch, head), p.query.row, first, p.queries, p.head_size, lane);
#pragma clang loop unroll(disable)
  for (uint e = 0; e < capacity; ++e) sums[e] = 0;
  float top = -INFINITY, total = 0;

  const uint seen = p.causal ? min(p.keys, first + lane + 1) : p.keys;          // by this lane's query
  const uint seen_by_all = p.causal ? min(p.keys, first + 1) : p.keys;          // of the block
  const uint seen_by_any = p.causal ? min(p.keys, first + kBlock) : p.keys;
  const long row = row_number(p, batch, head, first + lane);
  for (uint k = 0; k < seen_by_any; k += kBlock) {
    const uint count = min(kBlock, seen_by_any - k);
#pragma clang loop unroll_count(4)
    for (uint r = 0; r < kBlock; ++r) scores[r] = 0;
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

    float block_top = top;
#pragma clang loop unroll_count(4)
    for (uint r = 0; r < kBlock; ++r) block_top = max(block_top, scores[r]);
    const float base = finite_base(block_top);
    if (simd_any(block_top != top)) {
      const float shrink = exp(top - base);
      total *= shrink;
#pragma clang loop unroll_count(4)
      for (uint e = 0; e < capacity; ++e) sums[e] *= shrink;
      top = block_top;
    }
#pragma clang loop unroll_count(2)
    for (uint r = 0; r < kBlock; ++r) {
      scores[r] = exp(scores[r] - base);
      total += scores[r];
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

/// One row of scores for a SIMD-group, of a split of the keys: for fewer queries than fill lanes. Features and then keys
/// are what lanes have.
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
    float score = -INFINITY;
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
    score *= p.scale;
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
  for (uint s = 0; s < p.splits; ++s) total += exp(partial_logsumexp[s * p.rows + row] - base + partial_remainder[s * p.rows + row]);
  device T* to = at_head(out, p.out, batch, head) + query * p.out.row;
  for (uint e = lane; e < p.value_size; e += kSimdWidth) {
    float sum = 0;
    for (uint s = 0; s < p.splits; ++s) {
      const float weight = exp(partial_logsumexp[s * p.rows + row] - base + partial_remainder[s * p.rows + row]);
      sum = fma(partial[(s * p.rows + row) * p.value_size + e], weight, sum);
    }
    to[e] = T(total == 0 ? 0 : sum / total);
  }
  if (lane == 0) store_logsumexp(logsumexp, remainder, row, top, total);
}

/// delta = grad_out . out for each row: what the softmax's gradient subtracts.
template <class T>
[[kernel]] void attention_delta(device float* delta [[buffer(0)]], device const T* grad_out [[buffer(1)]],
                                device const T* out [[buffer(2)]], constant AttentionDeltaParams& p [[buffer(3)]],
                                uint3 group [[threadgroup_position_in_grid]],
                                uint lane [[thread_index_in_simdgroup]]) {
  const uint first = group.x * kSimdWidth, head = group.y, batch = group.z;
  const uint count = min(kSimdWidth, p.queries - first);
  device const T* grads = at_head(grad_out, p.grad_out, batch, head);
  device const T* outs = at_head(out, p.out, batch, head);
  float result = 0;
  for (uint r = 0; r < count; ++r) {
    float sum = 0;
    for (uint e = lane; e < p.value_size; e += kSimdWidth) {
      sum = fma(float(grads[(first + r) * p.grad_out.row + e]), float(outs[(first + r) * p.out.row + e]), sum);
    }
    sum = simd_sum(sum);
    result = lane == r ? sum : result;
  }
  if (lane < count) delta[(long(batch) * p.heads + head) * p.queries + first + lane] = result;
}

/// Adds weights x rows to 32 rows of a gradient, lanes along features: gradient[r] += sum over k of weights[r, k] * row k.
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

/// Gradients of 32 keys and values at a time, and what they add to the gradients of all queries.
template <class T, uint capacity, class B, bool biased, bool dropout>
[[kernel]] void attention_backward(
    device float* grad_query [[buffer(0)]], device T* grad_key [[buffer(1)]], device T* grad_value [[buffer(2)]],
    device const T* grad_out [[buffer(3)]], device const T* query [[buffer(4)]], device const T* key [[buffer(5)]],
    device const T* value [[buffer(6)]], device const float* logsumexp [[buffer(7)]],
    device const float* remainder [[buffer(8)]], device const float* delta [[buffer(9)]],
    device const B* bias [[buffer(10)]], constant AttentionBackwardParams& params [[buffer(11)]], uint3 group [[threadgroup_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]]) {
  constexpr uint depth = capacity < 64 ? capacity : 64;
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
#pragma clang loop unroll(disable)
    for (uint e = 0; e < capacity; ++e) key_sums[e] = value_sums[e] = 0;
    if (p.head_size <= depth) load_tile<depth>(key_tile, keys, p.key.row, first, p.keys, 0, p.head_size, lane);

    for (uint head = key_head * p.group; head < (key_head + 1) * p.group; ++head) {
      device const T* queries = at_head(query, p.query, batch, head);
      device const T* grads = at_head(grad_out, params.grad_out, batch, head);
      device float* query_sums = at_head(grad_query, params.grad_query, batch, head) +
                                 group.x * params.grad_query_split;
      for (uint q = p.causal ? first : 0; q < p.queries; q += kBlock) {
        const uint count = min(kBlock, p.queries - q);
        const long row = row_number(p, batch, head, q);
        float weights[kBlock], gradients[kBlock];

#pragma clang loop unroll_count(4)
        for (uint r = 0; r < kBlock; ++r) weights[r] = 0;
        for (uint e = 0; e < p.head_size; e += depth) {
          load_tile<depth>(staging.tile, queries, p.query.row, q, p.queries, e, p.head_size, lane);
          add_products<depth>(weights, staging.tile, count, own_key, e, filled<depth>(e, p.head_size));
          simdgroup_barrier(mem_flags::mem_threadgroup);
        }
#pragma clang loop unroll_count(4)
        for (uint r = 0; r < kBlock; ++r) weights[r] *= p.scale;
        if (biased) {
          device const B* rows = at_head(bias, p.bias, batch, head);
          if (own < p.keys) {
            for (uint r = 0; r < count; ++r) {
              weights[r] += float(strided_load(rows + (q + r) * p.bias.row, own, p.bias_column));
            }
          }
        }
#pragma clang loop unroll_count(2)
        for (uint r = 0; r < kBlock; ++r) {
          const bool seen = own < p.keys && r < count && (!p.causal || own <= q + r);
          const float base = r < count ? finite_base(logsumexp[row + r]) : 0;
          const float exponent = weights[r] - base - (r < count ? remainder[row + r] : 0);
          weights[r] = seen ? exp(exponent > 0 ? 0 : exponent) : 0;  // scores may be rounded otherwise than forward
        }

#pragma clang loop unroll_count(4)
        for (uint r = 0; r < kBlock; ++r) gradients[r] = 0;
        float kept[kBlock];
        if (dropout) {
#pragma clang loop unroll(disable)
          for (uint r = 0; r < kBlock; ++r) {
            kept[r] = dropout_factor(p, dropout_words(p, row + r, own / 4)[own % 4]);
          }
        }
        float dropped[kBlock];
#pragma clang loop unroll_count(4)
        for (uint r = 0; r < kBlock; ++r) dropped[r] = dropout ? weights[r] * kept[r] : weights[r];
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
