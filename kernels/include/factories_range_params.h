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
