// What the attention kernels share.
//
// A SIMD-group has a block of 32 queries, or of keys in the backward pass, one a lane: their features and sums are
// arrays of the lane. The other side comes by in tiles of 32 rows. So each product is a sum of elements of a tile, which
// are the same for all lanes, times elements of the lane, and the softmax of a row is a lane's own business.
#pragma once

#include <metal_stdlib>

#include "attention_params.h"
#include "gemm_tile.h"
#include "random_words.h"
#include "reduction.h"

namespace torch_metal {

using namespace metal;

/// Rows of a tile whose sums are in registers at a time: 16 registers of 512 bits.
constant constexpr uint kTogether = 8;

/// Where tiles of `depth` features go: 32 rows, and the same turned.
template <uint depth>
struct Staging {
  float tile[kBlock * depth];
  float turned[depth * kBlock];
};

/// How many features of a head a tile takes, for arrays of `capacity`.
constexpr uint tile_depth(uint capacity) { return capacity < 64 ? capacity : 64; }

/// How many features of a tile that begins at `from` there are. Tiles are filled with zeros.
template <uint depth>
uint filled(uint from, uint size) {
  return min(depth, (size - from + kTogether - 1) / kTogether * kTogether);
}

/// Features [feature, feature + depth) of 32 rows from `first` on, zeros beyond the last of `count` rows and of `size`
/// features.
template <uint depth, class T>
void load_tile(threadgroup float* tile, device const T* rows, long stride, uint first, uint count, uint feature,
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
void load_lanes(thread float* x, threadgroup Staging<depth>& staging, device const T* rows, long stride,
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
void store_lanes(thread const float* x, threadgroup Staging<depth>& staging, device T* rows, long stride,
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

template <uint size>
void clear(thread float* x) {
#pragma clang loop unroll_count(4)
  for (uint i = 0; i < size; ++i) x[i] = 0;
}

/// sums[r] += row r of the tile . x[from...] for the first `rows`
template <uint depth>
void add_products(thread float* sums, const threadgroup float* tile, uint rows, thread const float* x, uint from,
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
void add_weighted_rows(thread float* x, uint from, const threadgroup float* tile, uint rows,
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
T at_head(T data, AttentionLayout layout, uint batch, uint head) {
  return data + (batch * layout.batch + head * layout.head);
}

/// Number of a query among all rows of scores.
inline long row_number(constant AttentionParams& p, uint batch, uint head, uint query) {
  return (long(batch) * p.heads + head) * p.queries + query;
}

/// Random words for keys 4 * quad to 4 * quad + 3 of a row.
inline uint4 dropout_words(constant AttentionParams& p, long row, uint quad) {
  return c10::metal::philox4::rand(p.seed, p.offset + row * ((long(p.keys) + 3) / 4) + quad);
}

inline float dropout_factor(constant AttentionParams& p, uint word) {
  return random_words::unit(word) < p.dropout ? 0 : p.kept_factor;
}

/// What exponents are relative to: rows that see nothing have no greatest score.
inline float finite_base(float top) { return top == -INFINITY ? 0 : top; }

/// Stores the logarithm of total * exp(top), and what its rounding leaves off: without that, scores far from 0 would
/// lose all of total.
inline void store_logsumexp(device float* logsumexp, device float* remainder, long row, float top, float total) {
  const float logarithm = log(total), sum = top + logarithm;
  logsumexp[row] = sum;
  remainder[row] = isinf(sum) ? 0 : top - sum + logarithm;
}

/// The weight of a key from its score and what store_logsumexp() kept.
inline float weight_of(float score, float logsumexp, float remainder) {
  const float exponent = score - finite_base(logsumexp) - remainder;
  return exp(exponent > 0 ? 0 : exponent);  // sums may be rounded otherwise than forward
}

}  // namespace torch_metal
