// Lists of tensors that one kernel works through, shared by host and kernel.
#pragma once

#include "elementwise_params.h"

#ifndef __METAL__
#include <cstdint>
#endif

#define MULTI_TENSOR_LISTS 6
#define MULTI_TENSOR_COUNT 48
#define MULTI_TENSOR_GROUP 4096  // elements of one tensor that a threadgroup works on

/// Tensor t of list k starts at address[k][t] and has numel[t] elements. Its threadgroups are
/// first_group[t] .. first_group[t + 1].
struct TensorTable {
  uint64_t address[MULTI_TENSOR_LISTS][MULTI_TENSOR_COUNT];
  uint64_t numel[MULTI_TENSOR_COUNT];
  uint32_t first_group[MULTI_TENSOR_COUNT + 1];
  uint32_t count;
};

/// Numbers for each tensor of a table.
struct TensorScalars {
  Scalars of[MULTI_TENSOR_COUNT];
};
