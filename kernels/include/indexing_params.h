// Parameters of indexing and scattering, shared by host and kernels.
#pragma once
#include "iteration_params.h"

namespace torch_metal {

#ifdef __METAL__
constant
#endif
constexpr uint32_t kMaxIndices = 8;

/// Elements of `in` go to `out`; one side's place depends on indices.
struct IndexParams {
  IterationShape shape;
  ByteStrides out;
  ByteStrides in;
  ByteStrides index[kMaxIndices];
  uint32_t indices;           ///< how many there are
  uint32_t wrap;              ///< negative ones count from the end
  uint32_t first;             ///< number of the first indexed dimension, for errors
  int64_t size[kMaxIndices];  ///< of the indexed dimension
  int64_t step[kMaxIndices];  ///< bytes between its elements
};

/// Values with the same key are combined with what is at that place of `out`.
struct AccumulateParams {
  IterationShape outer;  ///< dimensions along which no index varies
  ByteStrides outer_out;
  ByteStrides outer_values;
  IterationShape inner;  ///< dimensions of the indices
  ByteStrides inner_values;
  uint32_t count;  ///< elements of `inner`
};

}  // namespace torch_metal
