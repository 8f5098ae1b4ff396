// Copies between any two dtypes and any strides. Copies that keep the dtype move bits: one instance for each size.
#include <c10/metal/utils.h>
#include <metal_stdlib>

#include "copy_layout.h"

using namespace metal;
using namespace torch_metal;

template <class To, class From>
To convert(From value, constant CopyFlags& flags) {
  if constexpr (c10::metal::is_complex_v<From>) {
    if (flags.conjugate) value.y = -value.y;
  }
  if constexpr (!is_same_v<From, bool>) {
    if (flags.negate) value = -value;
  }
  if constexpr (is_same_v<To, From>) {
    return value;
  } else if constexpr (c10::metal::is_complex_v<From> && c10::metal::is_complex_v<To>) {
    return To(value.x, value.y);
  } else if constexpr (is_same_v<To, bool> && c10::metal::is_complex_v<From>) {
    return value.x != 0 || value.y != 0;
  } else if constexpr (is_same_v<To, bool>) {
    return value != From(0);
  } else if constexpr (c10::metal::is_complex_v<From>) {
    return static_cast<To>(value.x);
  } else if constexpr (c10::metal::is_complex_v<To>) {
    return To(float(value), 0);
  } else if constexpr (is_same_v<To, uchar> && is_floating_point_v<From>) {
    return uchar(long(value));  // negative values wrap, as on the CPU
  } else {
    return static_cast<To>(value);
  }
}

template <class To, class From>
kernel void copy_dense(device To* to [[buffer(0)]], device const From* from [[buffer(1)]],
                       constant CopyFlags& flags [[buffer(2)]], uint i [[thread_position_in_grid]]) {
  to[i] = convert<To>(from[i], flags);
}

template <class To, class From, int to_step, int from_step>
kernel void copy_strided(device To* to [[buffer(0)]], device const From* from [[buffer(1)]],
                         constant CopyFlags& flags [[buffer(2)]], constant CopyLayout& layout [[buffer(3)]],
                         uint3 p [[thread_position_in_grid]]) {
  to[element_offset<to_step>(layout, layout.to, p)] =
      convert<To>(from[element_offset<from_step>(layout, layout.from, p)], flags);
}

template <class Bits>
kernel void move_dense(device Bits* to [[buffer(0)]], device const Bits* from [[buffer(1)]],
                       uint i [[thread_position_in_grid]]) {
  to[i] = from[i];
}

template <class Bits, int to_step, int from_step>
kernel void move_strided(device Bits* to [[buffer(0)]], device const Bits* from [[buffer(1)]],
                         constant CopyLayout& layout [[buffer(2)]], uint3 p [[thread_position_in_grid]]) {
  to[element_offset<to_step>(layout, layout.to, p)] = from[element_offset<from_step>(layout, layout.from, p)];
}

constant constexpr uint kTile = 32;

/// Where the source is contiguous along y and the destination along x: one SIMD-group for each tile, which it reads by
/// rows of the one and writes by rows of the other.
template <class Bits>
kernel void move_transposed(device Bits* to [[buffer(0)]], device const Bits* from [[buffer(1)]],
                            constant CopyLayout& layout [[buffer(2)]], uint3 group [[threadgroup_position_in_grid]],
                            uint lane [[thread_index_in_simdgroup]]) {
  threadgroup Bits tile[kTile][kTile + 1];  // one more, so that columns do not meet in one bank
  const uint3 start(group.x * kTile, group.y * kTile, group.z);
  to += element_offset(layout, layout.to, start);
  from += element_offset(layout, layout.from, start);
  const uint columns = min(kTile, layout.sizes[0] - start.x), rows = min(kTile, layout.sizes[1] - start.y);
  if (columns == kTile && rows == kTile) {
    for (uint i = 0; i < kTile; ++i) tile[i][lane] = from[int(i) * layout.from[0] + int(lane)];
    simdgroup_barrier(mem_flags::mem_threadgroup);
    for (uint i = 0; i < kTile; ++i) to[int(i) * layout.to[1] + int(lane)] = tile[lane][i];
  } else {
    for (uint i = 0; i < columns; ++i)
      if (lane < rows) tile[i][lane] = from[int(i) * layout.from[0] + int(lane)];
    simdgroup_barrier(mem_flags::mem_threadgroup);
    for (uint i = 0; i < rows; ++i)
      if (lane < columns) to[int(i) * layout.to[1] + int(lane)] = tile[lane][i];
  }
}
