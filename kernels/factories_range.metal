// Tensors filled by position: arange, linspace, triangles and their indices.
#include "elementwise.h"
#include "factories_range_params.h"

/// base + factor * i, rounded once: products and sums keep their rounding errors.
inline float multiple_above(DoubleFloat base, DoubleFloat factor, uint i) {
  const float index = static_cast<float>(i & 0xffffff00u), rest = static_cast<float>(i & 0xffu);
  const float product = index * factor.high, product_error = fma(index, factor.high, -product);
  const float sum = base.high + product, part = sum - base.high;
  const float sum_error = (base.high - (sum - part)) + (product - part);
  const float low = fma(index, factor.low, product_error) + (sum_error + base.low);
  const float tail = rest * factor.high, tail_error = fma(rest, factor.high, -tail);
  const float total = sum + tail, shift = total - sum;
  const float total_error = (sum - (total - shift)) + (tail - shift);
  return total + (total_error + (low + fma(rest, factor.low, tail_error)));
}

template <class T>
kernel void arange(device T* out [[buffer(0)]],
                   constant Ramp& ramp [[buffer(1)]],
                   uint i [[thread_position_in_grid]]) {
  if constexpr (is_integral_v<T>) {
    out[i] = static_cast<T>(ramp.integer_start + static_cast<long>(i) * ramp.integer_step);
  } else {
    out[i] = static_cast<T>(multiple_above(ramp.start, ramp.step, i));
  }
}

template <class T>
kernel void linspace(device T* out [[buffer(0)]],
                     constant Ramp& ramp [[buffer(1)]],
                     uint i [[thread_position_in_grid]]) {
  const bool first_half = i < ramp.count / 2;
  const DoubleFloat back{-ramp.step.high, -ramp.step.low};
  out[i] = static_cast<T>(first_half ? multiple_above(ramp.start, ramp.step, i)
                                     : multiple_above(ramp.last, back, ramp.count - 1 - i));
}

/// Keeps what is at or below (upper: above) the diagonal. T stands for any type of its size.
template <class T, bool upper>
kernel void triangle(device T* out [[buffer(0)]],
                     device const T* in [[buffer(1)]],
                     constant StridedLayout& layout [[buffer(2)]],
                     constant long& diagonal [[buffer(3)]],
                     uint3 p [[thread_position_in_grid]]) {
  const auto outer = outer_offsets<2>(layout, p);
  const long distance = static_cast<long>(p.x) - static_cast<long>(p.y);
  const bool keep = upper ? distance >= diagonal : distance <= diagonal;
  const T value = load_bytes(in, offset<kAnyStride, T>(layout, outer, 1, p.x));
  element(out, offset<kAnyStride, T>(layout, outer, 0, p.x)) = keep ? value : T(0);
}

/// Row and column of each element of a triangle, row by row. One thread a place of its box, of which at least half are
/// in the triangle.
template <class T>
kernel void triangle_indices(device T* out [[buffer(0)]],
                             constant long& count [[buffer(1)]],
                             constant TriangleBox& box [[buffer(2)]],
                             uint2 p [[thread_position_in_grid]]) {
  const long row = p.y, column = p.x;
  const long begin = elements_before_row(box, row), length = elements_before_row(box, row + 1) - begin;
  const long place = box.lower ? column : column - (box.width - length);
  if (place < 0 || place >= length) return;
  out[begin + place] = static_cast<T>(box.first_row + row);
  out[count + begin + place] = static_cast<T>(box.first_column + column);
}
