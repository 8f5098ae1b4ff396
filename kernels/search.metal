// Where values belong among sorted boundaries.
#include <metal_stdlib>

#include "search_params.h"

using namespace metal;
using namespace torch_metal;

/// The number of boundaries before each value. Nothing comes before NaN but numbers.
template <class T, class Index>
kernel void search_sorted(device const T* values [[buffer(0)]], device const T* boundaries [[buffer(1)]],
                          device const long* sorter [[buffer(2)]], device Index* out [[buffer(3)]],
                          constant SearchParams& p [[buffer(4)]], uint i [[thread_position_in_grid]]) {
  const ulong base = i / p.row * p.boundaries;
  const T value = values[i];
  uint low = 0, high = p.boundaries;
  while (low < high) {
    const uint probe = low + (high - low) / 2;
    const T boundary = boundaries[base + (p.has_sorter ? uint(sorter[base + probe]) : probe)];
    const bool reached = p.right ? boundary > value : boundary >= value;
    low = reached ? low : probe + 1;
    high = reached ? probe : high;
  }
  out[i] = Index(low);
}
