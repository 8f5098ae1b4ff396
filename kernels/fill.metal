// Fills with one value, given as bits: one instance for each size.
#include <metal_stdlib>

#include "copy_layout.h"

using namespace metal;
using namespace torch_metal;

template <class Bits>
kernel void fill_dense(device Bits* to [[buffer(0)]], constant const Bits& value [[buffer(1)]],
                       uint i [[thread_position_in_grid]]) {
  to[i] = value;
}

template <class Bits, int step>
kernel void fill_strided(device Bits* to [[buffer(0)]], constant const Bits& value [[buffer(1)]],
                         constant CopyLayout& layout [[buffer(2)]], uint3 p [[thread_position_in_grid]]) {
  to[element_offset<step>(layout, layout.to, p)] = value;
}
