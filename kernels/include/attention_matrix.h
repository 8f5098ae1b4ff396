// What the attention kernels share that multiply matrices of 8x8, as GPUs do.
//
// A threadgroup has 32 rows (of queries; for the gradients of keys and values, of keys), each of its four SIMD-groups 8
// of them: their features and sums are matrices. The other side comes by in tiles of 32 rows. The 8x32 scores of a
// SIMD-group pass through a strip of threadgroup memory, where four lanes have a row, eight columns each: so the
// softmax does not depend on how matrices lie in lanes.
#pragma once

#include "attention.h"

namespace torch_metal {

constant constexpr uint kAttentionSimdgroups = 4;
constant constexpr uint kOwnRows = 8;               // of a SIMD-group
constant constexpr uint kColumnsOfLane = 8;         // of a strip
constant constexpr uint kStripStride = kBlock + 4;  // keeps rows in different banks
constant constexpr uint kMatricesOfStrip = kBlock / 8;

using Matrix = simdgroup_float8x8;

/// Tiles of both sides, and each SIMD-group's strip.
template <uint depth>
struct MatrixStaging {
  float tile[kBlock * depth];
  float other[kBlock * depth];
  float strips[kAttentionSimdgroups * kOwnRows * kStripStride];
};

/// Where a thread works: its SIMD-group, its place there, and what it has of the strip.
struct StripPosition {
  uint simdgroup, lane;
  uint row() const { return kOwnRows * simdgroup + lane / 4; }  ///< of the threadgroup's 32
  uint column() const { return lane % 4 * kColumnsOfLane; }
  threadgroup float* strip(threadgroup float* strips) const { return strips + simdgroup * kOwnRows * kStripStride; }
  threadgroup float* own(threadgroup float* strips) const {
    return strip(strips) + lane / 4 * kStripStride + column();
  }
};

/// Fills a tile with features [feature, feature + depth) of 32 rows from `first` on, zeros beyond `count` rows and
/// `size` features. All of the threadgroup calls it; whoever reads the tile before has ended then.
template <uint depth, class T>
void fill_tile(threadgroup float* tile, device const T* rows, long stride, uint first, uint count, uint feature,
               uint size, StripPosition at) {
  threadgroup_barrier(mem_flags::mem_threadgroup);
  copy_tile<kBlock, depth, kAttentionSimdgroups>(tile, rows, stride, 1, first, feature, count, size, at.simdgroup,
                                                 at.lane);
  threadgroup_barrier(mem_flags::mem_threadgroup);
}

template <uint count>
void clear(thread Matrix* x) {
  for (uint i = 0; i < count; ++i) x[i] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
}

/// The features of the SIMD-group's rows.
template <uint capacity, uint depth, class T>
void load_own(thread Matrix* x, threadgroup float* tile, device const T* rows, long stride, uint first, uint count,
              uint size, StripPosition at) {
#pragma clang loop unroll(full)
  for (uint e = 0; e < capacity; e += depth) {
    fill_tile<depth>(tile, rows, stride, first, count, e, size, at);
#pragma clang loop unroll(full)
    for (uint f = 0; f < depth; f += 8) {
      simdgroup_load(x[(e + f) / 8], tile + kOwnRows * at.simdgroup * depth + f, depth);
    }
  }
}

/// The reverse.
template <uint capacity, uint depth, class T>
void store_own(thread const Matrix* x, threadgroup float* tile, device T* rows, long stride, uint first, uint count,
               uint size, StripPosition at) {
#pragma clang loop unroll(full)
  for (uint e = 0; e < capacity; e += depth) {
    threadgroup_barrier(mem_flags::mem_threadgroup);
#pragma clang loop unroll(full)
    for (uint f = 0; f < depth; f += 8) {
      simdgroup_store(x[(e + f) / 8], tile + kOwnRows * at.simdgroup * depth + f, depth);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint c = at.lane; c < depth; c += kSimdWidth) {
      for (uint r = at.simdgroup; r < kBlock; r += kAttentionSimdgroups) {
        if (first + r < count && e + c < size) rows[(first + r) * stride + e + c] = T(tile[r * depth + c]);
      }
    }
  }
}

/// scores += own rows times the tile's rows, over the tile's features
template <uint depth>
void add_scores(thread Matrix* scores, thread const Matrix* x, const threadgroup float* tile) {
#pragma clang loop unroll(full)
  for (uint f = 0; f < depth; f += 8) {
    Matrix y[kMatricesOfStrip];
    for (uint j = 0; j < kMatricesOfStrip; ++j) simdgroup_load(y[j], tile + 8 * j * depth + f, depth, ulong2(0), true);
    for (uint j = 0; j < kMatricesOfStrip; ++j) simdgroup_multiply_accumulate(scores[j], x[f / 8], y[j], scores[j]);
  }
}

/// sums += weights, 8x32, times the tile
template <uint depth>
void add_weighted(thread Matrix* sums, thread const Matrix* weights, const threadgroup float* tile) {
#pragma clang loop unroll(full)
  for (uint j = 0; j < kMatricesOfStrip; ++j) {
#pragma clang loop unroll(full)
    for (uint f = 0; f < depth; f += 8) {
      Matrix y;
      simdgroup_load(y, tile + 8 * j * depth + f, depth);
      simdgroup_multiply_accumulate(sums[f / 8], weights[j], y, sums[f / 8]);
    }
  }
}

/// Scores to the strip, of which `values` become the lane's part.
inline void spread(thread const Matrix* scores, threadgroup float* strips, thread float* values, StripPosition at) {
  simdgroup_barrier(mem_flags::mem_threadgroup);
  for (uint j = 0; j < kMatricesOfStrip; ++j) simdgroup_store(scores[j], at.strip(strips) + 8 * j, kStripStride);
  simdgroup_barrier(mem_flags::mem_threadgroup);
  for (uint i = 0; i < kColumnsOfLane; ++i) values[i] = at.own(strips)[i];
}

/// The reverse.
inline void gather(thread Matrix* scores, threadgroup float* strips, thread const float* values, StripPosition at) {
  simdgroup_barrier(mem_flags::mem_threadgroup);
  for (uint i = 0; i < kColumnsOfLane; ++i) at.own(strips)[i] = values[i];
  simdgroup_barrier(mem_flags::mem_threadgroup);
  for (uint j = 0; j < kMatricesOfStrip; ++j) simdgroup_load(scores[j], at.strip(strips) + 8 * j, kStripStride);
}

/// Multiplies each row by its lanes' factor. The factors go the way of the elements, wherever in lanes these are.
template <uint count>
void scale_rows(thread Matrix* x, threadgroup float* strips, float factor, StripPosition at) {
  simdgroup_barrier(mem_flags::mem_threadgroup);
  for (uint i = 0; i < 2; ++i) at.strip(strips)[at.lane / 4 * kStripStride + at.lane % 4 * 2 + i] = factor;
  simdgroup_barrier(mem_flags::mem_threadgroup);
  Matrix factors;
  simdgroup_load(factors, at.strip(strips), kStripStride);
#pragma clang loop unroll(full)
  for (uint i = 0; i < count; ++i) x[i].thread_elements() *= factors.thread_elements();
}

/// Over the four lanes of a row.
inline float row_max(float x) {
  x = max(x, simd_shuffle_xor(x, 1));
  return max(x, simd_shuffle_xor(x, 2));
}
inline float row_sum(float x) {
  x += simd_shuffle_xor(x, 1);
  return x + simd_shuffle_xor(x, 2);
}

}  // namespace torch_metal
