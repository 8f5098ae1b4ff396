// Shapes of a negative log likelihood. Included by host and kernels.
#pragma once

#ifndef __METAL__
#include <cstdint>
#endif

namespace torch_metal {

enum : uint32_t { kNllChunk = 4096 };  // samples that one threadgroup adds up

/// Samples are batch x positions, positions fastest; inputs are dense batch x classes x positions.
struct NllParams {
  int64_t ignore_index;
  uint32_t samples, classes, positions;
  uint32_t groups;  // that added up samples
  uint32_t has_weight;
  uint32_t mean;         // reduction
  uint32_t grad_stride;  // backward: 0 if one gradient is shared by all samples
};

}  // namespace torch_metal
