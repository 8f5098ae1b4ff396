// Parameters of the element-wise kernels, shared by host and kernel.
#pragma once

#include "divisor.h"

/// A number in every form a kernel may want it in.
struct ScalarValue {
  int64_t integer;
  float real;
  float imaginary;
};

/// Numbers that an operator takes besides its tensors (alpha, slope, bounds ...).
struct Scalars {
  ScalarValue values[4];
  ScalarValue operand;  ///< the operand of a binary operator that was a number: see bind_left, bind_right
};

/// How operands lie in memory. Operand 0 is the output. Innermost dimension first; strides and sizes that are not
/// there are 0 and 1. Everything fits 32 bits, strides are in bytes.
struct StridedLayout {
  uint32_t outermost;  ///< index of the last dimension, at least 2
  uint32_t sizes[16];
  uint32_t strides[4][16];
  int32_t types[4];  ///< c10::ScalarType of each operand, read by the mixed kernels only
};

/// Operands of two dimensions whose threads are counted in one: x within rows of `columns`, and y. Strides in bytes.
struct RowLayout {
  torch_metal::Divisor columns;
  uint32_t strides[4][2];
};
