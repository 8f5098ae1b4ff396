// Stable merge sort of dense rows. NaN counts as the greatest value.
#include <metal_stdlib>

#include "sort_params.h"

using namespace metal;
using namespace torch_metal;

namespace torch_metal {

/// Whether a comes before b.
template <class T>
inline bool before(T a, T b, bool descending) {
  if (descending) return before(b, a, false);
  return a < b || (b != b && a == a);
}
template <>
inline bool before(bool a, bool b, bool descending) {
  return descending ? a && !b : !a && b;
}
template <>
inline bool before(bfloat a, bfloat b, bool descending) {
  return before(float(a), float(b), descending);
}

/// Where element i belongs once the two sorted runs of `width` elements around it are merged.
template <class Keys>
inline uint merged_position(Keys keys, uint i, uint size, uint width, bool descending) {
  const auto key = keys[i];
  const uint pair = i / (2 * width) * (2 * width), middle = min(pair + width, size);
  const bool left = i < middle;
  uint low = left ? middle : pair, high = left ? min(middle + width, size) : middle;
  const uint other = low;
  // Equal elements of the left run come first.
  while (low < high) {
    const uint probe = low + (high - low) / 2;
    const bool passes = left ? before(keys[probe], key, descending) : !before(key, keys[probe], descending);
    low = passes ? probe + 1 : low;
    high = passes ? high : probe;
  }
  return (left ? i : pair + i - middle) + low - other;
}

}  // namespace torch_metal

/// Sorts blocks of kSortBlock elements: one threadgroup for each block (x) of each row (y).
template <class T>
kernel void sort_blocks(device const T* x [[buffer(0)]], device T* values [[buffer(1)]],
                        device long* indices [[buffer(2)]], constant SortParams& p [[buffer(3)]],
                        uint2 group [[threadgroup_position_in_grid]], uint thread_index [[thread_index_in_threadgroup]],
                        uint2 threads [[threads_per_threadgroup]]) {
  threadgroup T keys[2][kSortBlock];
  threadgroup uint places[2][kSortBlock];
  const uint begin = group.x * kSortBlock, size = min(uint(kSortBlock), p.size - begin);
  const ulong base = ulong(group.y) * p.size + begin;
  for (uint i = thread_index; i < size; i += threads.x) {
    keys[0][i] = x[base + i];
    places[0][i] = i;
  }
  uint from = 0;
  for (uint width = 1; width < size; width *= 2) {
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint i = thread_index; i < size; i += threads.x) {
      const uint to = merged_position(&keys[from][0], i, size, width, p.descending);
      keys[1 - from][to] = keys[from][i];
      places[1 - from][to] = places[from][i];
    }
    from = 1 - from;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (uint i = thread_index; i < size; i += threads.x) {
    values[base + i] = keys[from][i];
    indices[base + i] = begin + places[from][i];
  }
}

/// Merges pairs of sorted runs: one thread for each element (x) of each row (y).
template <class T>
kernel void sort_merge(device const T* x [[buffer(0)]], device const long* places [[buffer(1)]],
                       device T* values [[buffer(2)]], device long* indices [[buffer(3)]],
                       constant SortParams& p [[buffer(4)]], uint2 position [[thread_position_in_grid]]) {
  const ulong base = ulong(position.y) * p.size;
  const uint to = merged_position(x + base, position.x, p.size, p.width, p.descending);
  values[base + to] = x[base + position.x];
  indices[base + to] = places[base + position.x];
}
