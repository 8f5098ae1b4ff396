// Which bin of a histogram points are in, coordinate by coordinate, and how often integers occur.
#include <metal_stdlib>

#include "histogram_params.h"

using namespace metal;
using namespace torch_metal;

/// The number of edges in [begin, end) that are not above the value, and before begin.
template <class T>
static uint edges_up_to(float value, device const T* edges, uint begin, uint end) {
  while (begin < end) {
    const uint middle = begin + (end - begin) / 2;
    const bool above = float(edges[middle]) > value;
    begin = above ? begin : middle + 1;
    end = above ? middle : end;
  }
  return begin;
}

/// Refines the places of points by one more coordinate x. Places number the bins row by row; what is in no bin, NaN
/// included, is at -1. The last bin has both of its edges.
template <class T>
kernel void refine_places(device long* places [[buffer(0)]], device const T* x [[buffer(1)]],
                          device const T* edges [[buffer(2)]], constant HistogramParams& p [[buffer(3)]],
                          uint i [[thread_position_in_grid]]) {
  const float value = float(x[i * p.stride]), low = float(edges[0]), high = float(edges[p.bins]);
  const long place = p.first ? 0 : places[i];
  if (place < 0 || !(value >= low && value <= high)) {
    places[i] = -1;
    return;
  }
  uint bin;
  if (p.search == kBinarySearch) {
    bin = edges_up_to(value, edges, 0, p.bins + 1) - 1;
  } else {
    bin = min(uint((value - low) * float(p.bins) / (high - low)), p.bins);
    if (p.search == kLinearThenCompare) {
      bin = edges_up_to(value, edges, bin > 0 ? bin - 1 : 0, min(bin + 2, p.bins + 1)) - 1;
    }
  }
  places[i] = place * p.bins + min(bin, p.bins - 1);
}

/// Counts the values from `begin` to `end` in a threadgroup's memory, atomically only where threads may meet.
template <class T>
static void count_range(threadgroup uint* own, uint bins, device const T* values, ulong begin, ulong end,
                        uint thread_index, uint threads) {
  for (uint bin = thread_index; bin < bins; bin += threads) own[bin] = 0;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (ulong i = begin + thread_index; i < end; i += threads) {
    const long value = values[i];
    if (value < 0) continue;
    atomic_fetch_add_explicit(reinterpret_cast<threadgroup atomic_uint*>(&own[value]), 1, memory_order_relaxed);
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
}

/// Few counts are kept in the threadgroup's memory and added to the others' at its end.
template <class T>
kernel void count_values(device const T* values [[buffer(0)]], device atomic_uint* counts [[buffer(1)]],
                         constant CountParams& p [[buffer(2)]], uint group [[threadgroup_position_in_grid]],
                         uint thread_index [[thread_index_in_threadgroup]],
                         uint threads [[threads_per_threadgroup]]) {
  threadgroup uint own[kGroupBins];
  const ulong begin = group * p.group_size, end = min(begin + p.group_size, p.size);
  if (p.bins <= kGroupBins) {
    count_range(own, p.bins, values, begin, end, thread_index, threads);
    for (uint bin = thread_index; bin < p.bins; bin += threads) {
      const uint count = own[bin];
      if (count > 0) atomic_fetch_add_explicit(&counts[bin], count, memory_order_relaxed);
    }
  } else {
    for (ulong i = begin + thread_index; i < end; i += threads) {
      const long value = values[i];
      if (value >= 0) atomic_fetch_add_explicit(&counts[value], 1, memory_order_relaxed);
    }
  }
}

/// The same where one threadgroup counts all, and few bins.
template <class T>
kernel void count_few_values(device const T* values [[buffer(0)]], device long* counts [[buffer(1)]],
                             constant CountParams& p [[buffer(2)]], uint thread_index [[thread_index_in_threadgroup]],
                             uint threads [[threads_per_threadgroup]]) {
  threadgroup uint own[kGroupBins];
  count_range(own, p.bins, values, 0, p.size, thread_index, threads);
  for (uint bin = thread_index; bin < p.bins; bin += threads) counts[bin] = own[bin];
}
