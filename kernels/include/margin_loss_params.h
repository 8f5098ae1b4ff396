// Shapes of the margin losses. Included by host and kernels.
#pragma once

#ifndef __METAL__
#include <cstdint>
#endif

namespace torch_metal {

struct MarginLossParams {
  uint32_t classes;
  uint32_t squared;      // hinges are squared
  uint32_t has_weight;
  uint32_t grad_stride;  // 0: one gradient for all samples
  float margin;
  float scale;           // of each hinge
};

}  // namespace torch_metal
