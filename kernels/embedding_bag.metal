// Sums, means and maxima of bags of rows of a table.
#include <c10/metal/error.h>
#include <metal_stdlib>

#include "embedding_bag_params.h"

using namespace metal;
using namespace torch_metal;

/// A bag holds the indices [begin, end).
struct Bag {
  uint begin;
  uint end;
};

template <class I>
static uint offset_at(device const I* offsets, uint i, constant BagParams& p) {
  return uint(clamp(long(offsets[i]), 0l, long(p.indices)));
}

/// Those that PyTorch refuses are reported.
template <class I>
static void check_offsets(device const I* offsets, constant BagParams& p, device c10::metal::ErrorMessages* errors) {
  if (offsets[0] != 0) {
    TORCH_REPORT_ERROR(errors, "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from "
                       "position 0. However, got ", long(offsets[0]));
  }
  const long last = offsets[p.bags - 1 + p.has_last_offset];
  if (last > long(p.indices)) {
    TORCH_REPORT_ERROR(errors, "offsets[-1] can not be greater than input's length ", long(p.indices),
                       " but got offsets[-1] of ", last);
  }
}

/// One thread a feature (x) of a bag (y). That of the first feature also writes what the bag's features share.
template <class T, class I>
[[kernel]] void embedding_bag(device T* out [[buffer(0)]], device I* bag_of [[buffer(1)]],
                              device I* bag_size [[buffer(2)]], device I* max_indices [[buffer(3)]],
                              device const T* table [[buffer(4)]], device const I* indices [[buffer(5)]],
                              device const I* offsets [[buffer(6)]], device const T* weights [[buffer(7)]],
                              constant BagParams& p [[buffer(8)]],
                              device c10::metal::ErrorMessages* errors [[buffer(9)]],
                              uint2 id [[thread_position_in_grid]]) {
  const bool first = id.x == 0, last_bag = id.y + 1 == p.bags;
  Bag bag = {offset_at(offsets, id.y, p), last_bag ? p.indices : offset_at(offsets, id.y + 1, p)};
  for (uint i = bag.begin + id.x; i < bag.end; i += max(p.features, 1u)) bag_of[i] = I(id.y);
  // As on the CPU, indices after the last offset count for all but sums.
  if (last_bag && p.has_last_offset && p.mode == kBagSum) bag.end = offset_at(offsets, p.bags, p);
  float result = 0;
  long best = 0;
  uint count = 0;
  for (uint i = bag.begin; i < bag.end; ++i) {
    const long index = indices[i];
    if (index < 0 || index >= p.embeddings) {
      if (first) {
        TORCH_REPORT_ERROR(errors, "Expected idx >= 0 && idx < num_embeddings but found idx to be ", index);
      }
      continue;
    }
    if (index == p.padding) continue;
    const float value = id.x < p.features ? float(table[index * p.row_stride + id.x]) : 0.0f;
    if (p.mode == kBagMax) {
      if (count == 0 || value > result) {
        result = value;
        best = index;
      }
    } else {
      result += p.has_weights ? value * float(weights[i]) : value;
    }
    ++count;
  }
  if (p.mode == kBagMean && count > 0) result /= count;
  if (first) bag_size[id.y] = I(count);
  if (first && id.y == 0) check_offsets(offsets, p, errors);
  if (id.x >= p.features) return;
  const long to = id.y * long(p.features) + id.x;
  out[to] = T(result);
  if (p.mode == kBagMax) max_indices[to] = I(best);
}

/// One SIMD-group an index: the product of its bag's gradient (contiguous) and its row.
template <class T, class I>
[[kernel]] void sample_weights_backward(device T* out [[buffer(0)]], device const T* grad [[buffer(1)]],
                                        device const T* table [[buffer(2)]], device const I* indices [[buffer(3)]],
                                        device const I* bag_of [[buffer(4)]], constant BagParams& p [[buffer(5)]],
                                        device c10::metal::ErrorMessages* errors [[buffer(6)]],
                                        uint i [[threadgroup_position_in_grid]],
                                        uint lane [[thread_index_in_simdgroup]]) {
  const long index = indices[i], bag = bag_of[i];
  float sum = 0;
  if (index < 0 || index >= p.embeddings || bag < 0 || bag >= long(p.bags)) {
    if (lane == 0) TORCH_REPORT_ERROR(errors, "index ", index, " of bag ", bag, " is out of range");
  } else if (index != p.padding) {
    for (uint k = lane; k < p.features; k += 32) {
      sum += float(grad[bag * p.features + k]) * float(table[index * p.row_stride + k]);
    }
  }
  sum = simd_sum(sum);
  if (lane == 0) out[i] = T(sum);
}
