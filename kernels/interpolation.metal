// Interpolation along one dimension: a sparse matrix, given by rows, times each line of the input.
#include <metal_stdlib>

#include "interpolation_params.h"

using namespace metal;
using namespace torch_metal;

/// One thread an output element: position and inner index (x), outer index (y). `table` has the matrix, that of bytes in
/// integers: the entries' columns, then their values. Rows of one size lie side by side, as threads do: entry k of all,
/// then entry k + 1. Others follow one another, and the table ends with where they start, and the last one ends.
template <class Out, class In>
[[kernel]] void interpolate(device Out* out [[buffer(0)]], device const In* in [[buffer(1)]],
                            device const int* table [[buffer(2)]], constant InterpolationParams& p [[buffer(3)]],
                            uint2 id [[thread_position_in_grid]]) {
  constexpr bool is_byte = is_same_v<In, uchar>;
  using Sum = conditional_t<is_byte, int, float>;
  uint position = id.x;
  const uint inner = p.inner.split(position);
  in += id.y * long(p.in_size) * p.inner.value + inner;
  Sum sum = is_byte ? 1 << (p.precision - 1) : 0;
  const auto add = [&](uint k) {
    const int value = table[p.entries + k];
    sum += (is_byte ? Sum(value) : Sum(as_type<float>(value))) * Sum(in[table[k] * long(p.inner.value)]);
  };
  if (p.row_size > 0) {
    for (uint k = 0; k < p.row_size; ++k) add(k * p.out_size + position);
  } else {
    const uint starts = 2 * p.entries + position, end = table[starts + 1];
    for (uint k = table[starts]; k < end; ++k) add(k);
  }
  const long to = (id.y * long(p.out_size) + position) * p.inner.value + inner;
  if constexpr (is_byte) {
    out[to] = Out(clamp(sum >> p.precision, 0, 255));
  } else {
    out[to] = Out(sum);
  }
}
