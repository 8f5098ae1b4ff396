// Coordinates of the true elements of a mask, in order: count them by chunks, add the counts up, write.
#include <metal_stdlib>

#include "nonzero_params.h"

using namespace metal;
using namespace torch_metal;

/// One SIMD-group a chunk.
[[kernel]] void count_true(device uint* counts [[buffer(0)]], device const bool* mask [[buffer(1)]],
                           constant NonzeroParams& params [[buffer(2)]],
                           uint chunk [[threadgroup_position_in_grid]], uint lane [[thread_index_in_simdgroup]]) {
  const uint end = min((chunk + 1) * kNonzeroChunk, params.elements);
  uint count = 0;
  for (uint i = chunk * kNonzeroChunk + lane; i < end; i += 32) count += mask[i] ? 1 : 0;
  count = simd_sum(count);
  if (lane == 0) counts[chunk] = count;
}

/// Counts become the number of true elements before each chunk; `total` is that of all. A single SIMD-group.
[[kernel]] void scan_counts(device uint* counts [[buffer(0)]], device long* total [[buffer(1)]],
                            constant uint& chunks [[buffer(2)]], uint lane [[thread_index_in_simdgroup]]) {
  uint before = 0;
  for (uint first = 0; first < chunks; first += 32) {
    const uint i = first + lane;
    const uint count = i < chunks ? counts[i] : 0;
    const uint offset = simd_prefix_exclusive_sum(count);
    if (i < chunks) counts[i] = before + offset;
    before += simd_sum(count);
  }
  if (lane == 0) *total = before;
}

/// out[n, dimension] = coordinates of the n-th true element. One SIMD-group a chunk.
[[kernel]] void write_coordinates(device long* out [[buffer(0)]], device const uint* counts [[buffer(1)]],
                                  device const bool* mask [[buffer(2)]], constant NonzeroParams& params [[buffer(3)]],
                                  uint chunk [[threadgroup_position_in_grid]],
                                  uint lane [[thread_index_in_simdgroup]]) {
  const uint begin = chunk * kNonzeroChunk;
  const uint end = min(begin + kNonzeroChunk, params.elements);
  const uint dimensions = params.shape.dimensions;
  uint before = counts[chunk];
  for (uint first = begin; first < end; first += 32) {
    const uint i = first + lane;
    const uint is_true = i < end && mask[i] ? 1 : 0;
    const uint row = before + simd_prefix_exclusive_sum(is_true);
    if (is_true) {
      const Coordinates at(params.shape, i);
      for (uint d = 0; d < dimensions; ++d) {
        out[row * params.row_stride + (dimensions - 1 - d) * params.column_stride] = at.values[d];
      }
    }
    before += simd_sum(is_true);
  }
}
