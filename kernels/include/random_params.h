// Parameters of the kernels that draw random numbers, shared by host and kernel.
#pragma once

#include "divisor.h"

/// Thread t draws from Philox counter `offset + t` and writes elements t, t + stride, t + 2 stride ...: neighbouring
/// threads write neighbouring elements.
struct RandomParams {
  int64_t seed, offset;
  uint64_t count;   ///< elements
  uint64_t stride;  ///< threads: count divided by the elements that one thread draws, rounded up
  float a, b;       ///< of the distribution: bounds, mean and deviation, probability ...
  int64_t base;
  uint64_t range;  ///< of integers: base <= x < base + range; 0 means 2^64
};

/// A permutation of count numbers, seen as a table of rows x columns, which has a few rows' worth too many at most.
/// `seed` and `offset` are Philox's.
struct PermutationParams {
  int64_t seed, offset;
  uint32_t count;
  uint32_t rows;
  torch_metal::Divisor columns;
};
