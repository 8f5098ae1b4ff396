// What a reduction kernel knows of its operands. Included by host and kernels.
#pragma once

#ifndef __METAL__
#include <cstdint>
#endif

namespace torch_metal {

enum : uint32_t {
  kReductionMaxDims = 16,
  kReductionMaxInputs = 5,
  kReductionMaxOutputs = 2,
  kReductionPartialBytes = 16,  // largest accumulator
};

/// Dimensions [0, reduced) are reduced, [reduced, dims) are kept; there is at least one of each. The first of either
/// kind is the one that lanes run along. Strides count elements.
struct ReductionParams {
  int64_t input_strides[kReductionMaxInputs][kReductionMaxDims];
  int64_t output_strides[kReductionMaxOutputs][kReductionMaxDims];
  uint32_t sizes[kReductionMaxDims];  // sizes[0] is unused: inner_size may exceed 32 bits
  int64_t inner_size;                 // of dimension 0
  uint32_t outer_size;                // product of the other reduced dimensions
  uint32_t reduced;
  uint32_t dims;
  uint32_t outputs;      // product of the kept dimensions
  uint32_t inner_chunk;  // a threadgroup reduces at most inner_chunk x outer_chunk elements,
  uint32_t outer_chunk;  // split number outer * inner_splits + inner
  uint32_t inner_splits;
  uint32_t splits;    // if more than one, accumulators go to a buffer for reduce_partials
  uint32_t wide;      // SIMD-groups of a threadgroup run along dimension 0, not along the outer ones
  uint32_t has_out2;  // the second output was given; otherwise it is the first and must not be written
  int64_t count;      // elements reduced into one output
  float value;        // the operator's own: exponent, correction, epsilon
  uint32_t mode;      // the operator's own
};

/// ReductionParams::mode of var_op: which output the moments become.
enum : uint32_t { kVariance, kStandardDeviation, kReciprocalDeviation };

}  // namespace torch_metal
