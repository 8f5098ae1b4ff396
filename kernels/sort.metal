// Stable merge sort of dense rows. NaN counts as the greatest value.
//
// Every thread makes kSortItems neighbours of what two runs merge to: a binary search says where they begin in either
// run (the "merge path"), then it takes the smaller of two heads, over and over.
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

/// How many of the first `count` elements that two sorted runs merge to are of the first. Its equals come first.
template <class Keys>
inline uint taken_from_first(Keys first, uint first_size, Keys second, uint second_size, uint count, bool descending) {
  uint low = count > second_size ? count - second_size : 0, high = min(count, first_size);
  while (low < high) {
    const uint probe = low + (high - low) / 2;
    const bool enough = before(second[count - 1 - probe], first[probe], descending);
    high = enough ? probe : high;
    low = enough ? low : probe + 1;
  }
  return low;
}

/// Some elements, and where they were.
template <class T>
struct Items {
  T keys[kSortItems];
  uint places[kSortItems];

  /// Stable: neighbours change places only if they must, those from `size` on never.
  void sort(uint size, bool descending) {
#pragma unroll
    for (uint round = 0; round < kSortItems; ++round) {
#pragma unroll
      for (uint i = round % 2; i + 1 < kSortItems; i += 2) {
        const T a = keys[i], b = keys[i + 1];
        const uint place_a = places[i], place_b = places[i + 1];
        const bool swap = place_b < size && before(b, a, descending);
        keys[i] = swap ? b : a;
        keys[i + 1] = swap ? a : b;
        places[i] = swap ? place_b : place_a;
        places[i + 1] = swap ? place_a : place_b;
      }
    }
  }

  /// Those from number `at` on of what the neighbouring runs [0, middle) and [middle, end) merge to.
  void merge(threadgroup const T* runs, uint middle, uint end, uint at, bool descending) {
    uint a = taken_from_first(runs, middle, runs + middle, end - middle, at, descending), b = middle + at - a;
    T key_a = runs[min(a, end - 1)], key_b = runs[min(b, end - 1)];
#pragma unroll
    for (uint i = 0; i < kSortItems; ++i) {
      const bool second = a >= middle || (b < end && before(key_b, key_a, descending));
      keys[i] = second ? key_b : key_a;
      places[i] = second ? b : a;
      a += second ? 0 : 1;
      b += second ? 1 : 0;
      const T next = runs[min(second ? b : a, end - 1)];
      key_a = second ? key_a : next;
      key_b = second ? next : key_b;
    }
  }
};

}  // namespace torch_metal

/// Sorts blocks of kSortBlock elements: one threadgroup for each block (x) of each row (y).
template <class T, class Place>
kernel void sort_blocks(device const T* x [[buffer(0)]], device T* values [[buffer(1)]],
                        device Place* indices [[buffer(2)]], constant SortParams& p [[buffer(3)]],
                        uint2 group [[threadgroup_position_in_grid]], uint thread_index [[thread_index_in_threadgroup]],
                        uint2 threads [[threads_per_threadgroup]]) {
  threadgroup T keys[2][kSortBlock];
  threadgroup ushort places[2][kSortBlock];
  const uint begin = group.x * kSortBlock, size = min(uint(kSortBlock), p.size - begin), at = thread_index * kSortItems;
  x += ulong(group.y) * p.size + begin;
  Items<T> items;
  for (uint i = 0; i < kSortItems; ++i) {
    items.keys[i] = x[min(at + i, size - 1)];
    items.places[i] = at + i;
  }
  items.sort(size, p.descending);
  for (uint i = 0; i < kSortItems; ++i) {
    keys[0][at + i] = items.keys[i];
    places[0][at + i] = ushort(items.places[i]);
  }
  uint from = 0;
  for (uint width = kSortItems; width < size; width *= 2) {
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (at < size) {
      const uint pair = at / (2 * width) * (2 * width), end = min(2 * width, size - pair);
      items.merge(&keys[from][pair], min(width, end), end, at - pair, p.descending);
      for (uint i = 0; i < kSortItems; ++i) {
        keys[1 - from][at + i] = items.keys[i];
        places[1 - from][at + i] = places[from][min(pair + items.places[i], size - 1)];
      }
    }
    from = 1 - from;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  const ulong out = ulong(group.y) * p.out_size + group.x * p.kept;
  for (uint i = thread_index; i < min(size, p.kept); i += threads.x) {
    values[out + i] = keys[from][i];
    indices[out + i] = Place(begin + places[from][i]);
  }
}

/// Merges pairs of runs: one threadgroup for each tile of kSortBlock elements that go out (x) of each row (y).
template <class T, class From, class To>
kernel void sort_merge(device const T* x [[buffer(0)]], device const From* places [[buffer(1)]],
                       device T* values [[buffer(2)]], device To* indices [[buffer(3)]],
                       constant SortParams& p [[buffer(4)]], uint2 group [[threadgroup_position_in_grid]],
                       uint thread_index [[thread_index_in_threadgroup]], uint2 threads [[threads_per_threadgroup]]) {
  threadgroup T keys[kSortBlock], merged[kSortBlock];
  threadgroup ushort sources[kSortBlock];
  const uint pair = group.x / p.tiles, begin = (group.x - pair * p.tiles) * kSortBlock;
  const uint first = pair * 2 * p.width, second = min(first + p.width, p.size);
  const uint first_size = second - first, second_size = min(p.width, p.size - second);
  const uint end = min(min(p.kept, first_size + second_size), begin + kSortBlock);
  if (begin >= end) return;
  x += ulong(group.y) * p.size;
  places += ulong(group.y) * p.size;
  const uint a = taken_from_first(x + first, first_size, x + second, second_size, begin, p.descending);
  const uint a_end = taken_from_first(x + first, first_size, x + second, second_size, end, p.descending);
  const uint size = end - begin, middle = a_end - a, b = begin - a;
  for (uint i = thread_index; i < size; i += threads.x) {
    keys[i] = x[i < middle ? first + a + i : second + b + i - middle];
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  const uint at = thread_index * kSortItems;
  if (at < size) {
    Items<T> items;
    items.merge(keys, middle, size, at, p.descending);
    for (uint i = 0; i < kSortItems; ++i) {
      merged[at + i] = items.keys[i];
      sources[at + i] = ushort(items.places[i]);
    }
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  const ulong out = ulong(group.y) * p.out_size + pair * p.kept + begin;
  for (uint i = thread_index; i < size; i += threads.x) {
    const uint source = sources[i];
    values[out + i] = merged[i];
    indices[out + i] = To(places[source < middle ? first + a + source : second + b + source - middle]);
  }
}
