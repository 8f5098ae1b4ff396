// Parameters of indexing and scattering, shared by host and kernels.
#pragma once
#include "iteration_params.h"

namespace torch_metal {

#ifdef __METAL__
constant
#endif
constexpr uint32_t kMaxIndices = 8;

/// A shape and how its operands lie in memory: out, in, then the indices. Innermost dimension first, strides in bytes;
/// whoever walks it counts in 32 bits. Sizes and strides of dimensions that are not there are 1 and 0.
struct IndexLayout {
  uint32_t outermost;  ///< the last dimension, at least 2
  Divisor sizes[kMaxDimensions + 1];
  uint32_t strides[kMaxIndices + 2][kMaxDimensions + 1];
};

/// The dimensions that indices choose a place in.
struct IndexedSizes {
  uint32_t wrap;              ///< negative indices count from the end
  uint32_t first;             ///< number of the first dimension, for errors
  int64_t size[kMaxIndices];
  int64_t step[kMaxIndices];  ///< bytes between elements
};

/// Elements of `in` go to `out`; one side's place depends on indices.
struct IndexParams {
  IndexLayout layout;
  IndexedSizes indexed;
};

/// Values are added in any order. Where places are few, each threadgroup along x has a copy of them.
struct AtomicParams {
  IndexParams index;
  uint32_t copy_bytes;  ///< 0 if there are none
};

/// Values are combined with what is at their places, line by line: places of different lines differ.
struct LineParams {
  IndexLayout lines;
  IndexLayout steps;  ///< along a line, in order
  uint32_t rounds;    ///< steps are so many times those of the innermost dimension
  IndexedSizes indexed;
};

/// Values with the same key are combined with what is at that place of `out`.
struct RunParams {
  IndexLayout outer;  ///< dimensions along which no index varies; number 1 is that of the keys, without strides
  IterationShape inner;  ///< dimensions of the indices
  ByteStrides inner_values;
  uint32_t count;  ///< elements of `inner`
};

}  // namespace torch_metal
