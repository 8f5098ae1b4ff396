// Stable merge sort of dense rows. NaN counts as the greatest value.
//
// Values are compared by their keys, unsigned numbers in the same order. A threadgroup sorts a block with a bitonic
// network; where an element stood decides between equal keys, which keeps them in order. Sorted blocks are merged:
// every thread makes kSortItems neighbours of what two runs merge to. A binary search says where they begin in either
// run (the "merge path"), then it takes the smaller of two heads, over and over.
#include <c10/metal/random.h>

#include <metal_stdlib>

#include "sort_params.h"

using namespace metal;
using namespace torch_metal;

namespace torch_metal {

/// 64 bits are in halves, which lanes can exchange: the low one is x.
template <class T>
using SortKey = conditional_t<sizeof(T) == 8, uint2, uint>;

inline bool equal(uint a, uint b) { return a == b; }
inline bool equal(uint2 a, uint2 b) { return (a.x == b.x) & (a.y == b.y); }
inline bool less(uint a, uint b) { return a < b; }
inline bool less(uint2 a, uint2 b) { return (a.y < b.y) | ((a.y == b.y) & (a.x < b.x)); }

/// A key that is less than another's if the value comes before the other. All NaN have one, and so have both zeros.
template <class T>
inline SortKey<T> sort_key(T value, bool descending) {
  const uint flip = descending ? ~0u : 0;
  if constexpr (sizeof(T) == 8) {
    const ulong bits = ulong(value) ^ (is_signed_v<T> ? 1ul << 63 : 0);
    return as_type<uint2>(bits) ^ flip;
  } else if constexpr (is_floating_point_v<T>) {
    const uint bits = as_type<uint>(float(value)), magnitude = bits & 0x7fffffff;
    const uint key = bits == magnitude ? bits | 0x80000000 : ~bits;
    return (magnitude > 0x7f800000 ? ~0u : magnitude == 0 ? 0x80000000 : key) ^ flip;
  } else {
    return uint(value) ^ (is_signed_v<T> ? 0x80000000 : 0) ^ flip;
  }
}

/// Dense elements by their keys.
template <class T>
struct KeysOf {
  device const T* values;
  bool descending;
  SortKey<T> operator[](uint i) const { return sort_key(values[i], descending); }
};

/// How many of the first `count` elements that two sorted runs merge to are of the first. Its equals come first.
template <class Keys>
inline uint taken_from_first(Keys first, uint first_size, Keys second, uint second_size, uint count) {
  uint low = count > second_size ? count - second_size : 0, high = min(count, first_size);
  while (low < high) {
    const uint probe = low + (high - low) / 2;
    const bool enough = less(second[count - 1 - probe], first[probe]);
    high = enough ? probe : high;
    low = enough ? low : probe + 1;
  }
  return low;
}

/// A block between two steps: item by item, so that threads are neighbours.
template <class Key>
struct BlockMemory {
  Key keys[kSortBlock];
  ushort places[kSortBlock];

  /// Where number e was.
  uint place_of(uint e, uint threads) const threadgroup { return places[e % kSortItems * threads + e / kSortItems]; }
};

/// Some elements of a block, by their keys, and where they were. Number e of the block is item e % kSortItems of thread
/// e / kSortItems.
template <class Key>
struct Items {
  Key keys[kSortItems];
  ushort places[kSortItems];

  /// Takes another element in place of number i if it comes before that, or, for `upper`, if it does not.
  void meet(uint i, Key key, ushort place, bool upper) {
    const bool first = less(key, keys[i]) | (equal(key, keys[i]) & (place < places[i]));
    keys[i] = first != upper ? key : keys[i];
    places[i] = first != upper ? place : places[i];
  }

  /// Element e meets e ^ mask, in a SIMD-group: the one that comes first goes to the lower of the two.
  template <uint mask>
  void meet(ushort lane) {
    constexpr uint item_mask = mask % kSortItems, lane_mask = mask / kSortItems;
    const Items before = *this;
#pragma unroll
    for (uint i = 0; i < kSortItems; ++i) {
      const uint other = i ^ item_mask;
      if constexpr (lane_mask > 0) {
        const bool upper = lane & lane_mask & ~(lane_mask / 2);
        const ushort other_lane = lane ^ lane_mask;
        meet(i, simd_shuffle(before.keys[other], other_lane), simd_shuffle(before.places[other], other_lane), upper);
      } else if (i < other) {
        meet(i, before.keys[other], before.places[other], false);
        const bool moved = places[i] != before.places[i];
        keys[other] = moved ? before.keys[i] : before.keys[other];
        places[other] = moved ? before.places[i] : before.places[other];
      }
    }
  }

  /// The same across a threadgroup. An element that is missing would come last.
  void meet(uint mask, threadgroup BlockMemory<Key>& memory, uint thread_index, uint threads) {
    threadgroup_barrier(mem_flags::mem_threadgroup);
    store(memory, thread_index, threads);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    const uint item_mask = mask % kSortItems, other = thread_index ^ mask / kSortItems;
    if (other >= threads) return;
    for (uint i = 0; i < kSortItems; ++i) {
      const uint at = (i ^ item_mask) * threads + other;
      meet(i, memory.keys[at], memory.places[at], other < thread_index);
    }
  }

  void store(threadgroup BlockMemory<Key>& memory, uint thread_index, uint threads) {
    for (uint i = 0; i < kSortItems; ++i) {
      memory.keys[i * threads + thread_index] = keys[i];
      memory.places[i * threads + thread_index] = places[i];
    }
  }

  /// Sorts runs of 2 * distance elements of which each rises and then falls, or the like.
  template <uint stride = kSortRun / 2>
  void sort_bitonic(uint distance, ushort lane) {
    if constexpr (stride > 0) {
      if (stride <= distance) meet<stride>(lane);
      sort_bitonic<stride / 2>(distance, lane);
    }
  }

  /// Every second run of `width` elements meets the one before it, backwards: together they rise and then fall.
  template <uint of = 1>
  void meet_backwards(uint width, ushort lane) {
    if constexpr (of < kSortRun) {
      if (of == width) return meet<2 * of - 1>(lane);
      meet_backwards<2 * of>(width, lane);
    }
  }

  /// Sorts runs of kSortRun elements. A loop, so that the code for each distance is there once.
  void sort_runs(ushort lane) {
#pragma clang loop unroll(disable)
    for (uint width = 1; width < kSortRun; width *= 2) {
      meet_backwards(width, lane);
      sort_bitonic(width / 2, lane);
    }
  }

  /// Those from number `at` on of what the neighbouring runs [0, middle) and [middle, end) merge to.
  void merge(threadgroup const Key* runs, uint middle, uint end, uint at) {
    uint a = taken_from_first(runs, middle, runs + middle, end - middle, at), b = middle + at - a;
    Key key_a = runs[min(a, end - 1)], key_b = runs[min(b, end - 1)];
#pragma unroll
    for (uint i = 0; i < kSortItems; ++i) {
      const bool second = a >= middle || (b < end && less(key_b, key_a));
      keys[i] = second ? key_b : key_a;
      places[i] = ushort(second ? b : a);
      a += second ? 0 : 1;
      b += second ? 1 : 0;
      const Key next = runs[min(second ? b : a, end - 1)];
      key_a = second ? key_a : next;
      key_b = second ? next : key_b;
    }
  }
};

}  // namespace torch_metal

/// Sorts a block whose elements its threads have, in any order, and leaves it in memory.
template <class Key>
inline void sort_block(thread Items<Key>& items, threadgroup BlockMemory<Key>& memory, uint thread_index, uint threads,
                       ushort lane) {
  items.sort_runs(lane);
  for (uint width = kSortRun; width < threads * kSortItems; width *= 2) {
    items.meet(2 * width - 1, memory, thread_index, threads);
    for (uint stride = width / 2; stride >= kSortRun; stride /= 2) items.meet(stride, memory, thread_index, threads);
    items.sort_bitonic(kSortRun / 2, lane);
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  items.store(memory, thread_index, threads);
  threadgroup_barrier(mem_flags::mem_threadgroup);
}

/// Sorts blocks of kSortBlock elements: one threadgroup for each block (x) of each row (y).
template <class T, class Place>
kernel void sort_blocks(device const T* x [[buffer(0)]], device T* values [[buffer(1)]],
                        device Place* indices [[buffer(2)]], constant SortParams& p [[buffer(3)]],
                        uint2 group [[threadgroup_position_in_grid]], uint thread_index [[thread_index_in_threadgroup]],
                        ushort lane [[thread_index_in_simdgroup]], uint2 threads [[threads_per_threadgroup]]) {
  using Key = SortKey<T>;
  threadgroup BlockMemory<Key> memory;
  const uint begin = group.x * kSortBlock, size = min(uint(kSortBlock), p.size - begin);
  x += ulong(group.y) * p.size + begin;
  Items<Key> items;
  for (uint i = 0; i < kSortItems; ++i) {
    const uint place = i * threads.x + thread_index;
    items.keys[i] = place < size ? sort_key(x[place], p.descending) : Key(~0u);
    items.places[i] = ushort(place);
  }
  sort_block(items, memory, thread_index, threads.x, lane);
  const ulong out = ulong(group.y) * p.out_size + group.x * p.kept;
  for (uint i = thread_index; i < min(size, p.kept); i += threads.x) {
    const uint place = memory.place_of(i, threads.x);
    values[out + i] = x[place];
    indices[out + i] = Place(begin + place);
  }
}

inline uint with_bit(uint key, uint bit) { return key | 1u << bit; }
inline uint2 with_bit(uint2 key, uint bit) {
  return bit < 32 ? uint2(key.x | 1u << bit, key.y) : uint2(key.x, key.y | 1u << (bit - 32));
}

/// The elements of a block that would come first if it was sorted, in the order in which they are: one SIMD-group for
/// each block (x) of each row (y). Of equal ones the first count. The last key that is wanted is found bit by bit.
/// `placed`: elements do not come from where they are, but from `places`.
template <class T, bool placed>
kernel void select_first(device const T* x [[buffer(0)]], device const int* places [[buffer(1)]],
                         device T* values [[buffer(2)]], device int* indices [[buffer(3)]],
                         constant SelectParams& p [[buffer(4)]], uint2 group [[threadgroup_position_in_grid]],
                         ushort lane [[thread_index_in_simdgroup]]) {
  using Key = SortKey<T>;
  constexpr uint kLanes = 32;
  const uint begin = group.x * kSelectBlock, size = min(uint(kSelectBlock), p.size - begin);
  const uint wanted = min(p.wanted, size), items = (size + kLanes - 1) / kLanes;
  x += ulong(group.y) * p.size + begin;
  places += ulong(group.y) * p.size;
  Key keys[kSelectBlock / kLanes];
  for (uint i = 0; i < items; ++i) {
    const uint at = i * kLanes + lane;
    keys[i] = at < size ? sort_key(x[at], p.descending) : Key(~0u);  // comes after all that is there
  }

  const auto count_before = [&](Key limit) {
    uint count = 0;
    for (uint i = 0; i < items; ++i) count += less(keys[i], limit) ? 1 : 0;
    return simd_sum(count);
  };
  Key last(0);
  for (uint bit = 8 * sizeof(Key); bit-- > 0;) {
    const Key probe = with_bit(last, bit);
    if (count_before(probe) < wanted) last = probe;
  }

  // Those before the last key, then as many equal to it as there is room for.
  uint next = 0, next_equal = count_before(last);
  values += ulong(group.y) * p.out_size + group.x * p.wanted;
  indices += ulong(group.y) * p.out_size + group.x * p.wanted;
  for (uint i = 0; i < items; ++i) {
    const bool is_before = less(keys[i], last), is_equal = equal(keys[i], last);
    const uint all_before = uint(ulong(simd_ballot(is_before))), all_equal = uint(ulong(simd_ballot(is_equal)));
    const uint lower_lanes = (1u << lane) - 1;
    const uint to = is_before ? next + popcount(all_before & lower_lanes)
                              : next_equal + popcount(all_equal & lower_lanes);
    if ((is_before || is_equal) && to < wanted) {
      const uint at = i * kLanes + lane;
      values[to] = x[at];
      indices[to] = placed ? places[begin + at] : int(begin + at);
    }
    next += popcount(all_before);
    next_equal += popcount(all_equal);
  }
}

/// The numbers below `size`, at most kSortBlock, in the order of random keys: one threadgroup. Of two equal keys further
/// random bits decide, which are above the place.
template <class T>
kernel void random_order(device T* out [[buffer(0)]], constant RandomOrderParams& p [[buffer(1)]],
                         uint thread_index [[thread_position_in_grid]], ushort lane [[thread_index_in_simdgroup]],
                         uint threads [[threads_per_grid]]) {
  threadgroup BlockMemory<uint> memory;
  Items<uint> items;
  const long counter = p.offset + kRandomOrderDraws * thread_index;
  const uint4 more = c10::metal::philox4::rand(p.seed, counter);
  for (uint i = 0; i < kSortItems; ++i) {
    const uint4 words = c10::metal::philox4::rand(p.seed, counter + 1 + i / 4);
    const uint place = i * threads + thread_index;
    const ushort bits = more[i / 2] >> 16 * (i % 2);
    items.keys[i] = place < p.size ? words[i % 4] : ~0u;
    items.places[i] = (place < p.size ? bits & ~(kSortBlock - 1) : ~(kSortBlock - 1)) | place;
  }
  sort_block(items, memory, thread_index, threads, lane);
  for (uint i = thread_index; i < p.size; i += threads) out[i] = T(memory.place_of(i, threads) % kSortBlock);
}

/// Merges pairs of runs: one threadgroup for each tile of kSortBlock elements that go out (x) of each row (y).
template <class T, class From, class To>
kernel void sort_merge(device const T* x [[buffer(0)]], device const From* places [[buffer(1)]],
                       device T* values [[buffer(2)]], device To* indices [[buffer(3)]],
                       constant SortParams& p [[buffer(4)]], uint2 group [[threadgroup_position_in_grid]],
                       uint thread_index [[thread_index_in_threadgroup]], uint2 threads [[threads_per_threadgroup]]) {
  using Key = SortKey<T>;
  threadgroup Key keys[kSortBlock];
  threadgroup ushort sources[kSortBlock];
  const uint pair = group.x / p.tiles, begin = (group.x - pair * p.tiles) * kSortBlock;
  const uint first = pair * 2 * p.width, second = min(first + p.width, p.size);
  const uint first_size = second - first, second_size = min(p.width, p.size - second);
  const uint end = min(min(p.kept, first_size + second_size), begin + kSortBlock);
  if (begin >= end) return;
  x += ulong(group.y) * p.size;
  places += ulong(group.y) * p.size;
  const KeysOf<T> first_keys{x + first, bool(p.descending)}, second_keys{x + second, bool(p.descending)};
  const uint a = taken_from_first(first_keys, first_size, second_keys, second_size, begin);
  const uint a_end = taken_from_first(first_keys, first_size, second_keys, second_size, end);
  const uint size = end - begin, middle = a_end - a, b = begin - a;
  for (uint i = thread_index; i < size; i += threads.x) {
    keys[i] = i < middle ? first_keys[a + i] : second_keys[b + i - middle];
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  const uint at = thread_index * kSortItems;
  if (at < size) {
    Items<Key> items;
    items.merge(keys, middle, size, at);
    for (uint i = 0; i < kSortItems; ++i) sources[at + i] = items.places[i];
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  const ulong out = ulong(group.y) * p.out_size + pair * p.kept + begin;
  for (uint i = thread_index; i < size; i += threads.x) {
    const uint source = sources[i], from = source < middle ? first + a + source : second + b + source - middle;
    values[out + i] = x[from];
    indices[out + i] = To(places[from]);
  }
}
