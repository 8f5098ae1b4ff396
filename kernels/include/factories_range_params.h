// Parameters of the kernels that fill tensors by position, shared by host and kernel.
#pragma once

#ifndef __METAL__
#include <cstdint>
#endif

/// A real number in twice the precision of float.
struct DoubleFloat {
  float high, low;
};

/// start + i * step; linspace counts back from `last` in its second half, so that both ends are exact.
struct Ramp {
  DoubleFloat start, last, step;
  int64_t integer_start, integer_step;  ///< for integers that a DoubleFloat does not hold
  uint32_t count;
};

/// The part of a matrix that holds a triangle: rows and columns without elements are left out.
struct TriangleBox {
  int64_t first_row, first_column, height, width;
  int64_t first_length;  ///< elements in the first row of a lower triangle
  int64_t full_rows;     ///< rows of an upper triangle after which each is shorter by one
  int32_t lower;
};

/// Elements above a row, counted from the box's first.
inline int64_t elements_before_row(TriangleBox box, int64_t row) {
  if (box.lower) {
    const int64_t short_rows = box.width - box.first_length;
    const int64_t growing = row < short_rows ? row : short_rows;
    return growing * box.first_length + growing * (growing - 1) / 2 + (row - growing) * box.width;
  }
  const int64_t shrinking = row > box.full_rows ? row - box.full_rows : 0;
  return row * box.width - shrinking * (shrinking - 1) / 2;
}
