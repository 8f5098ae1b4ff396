// Shapes of a CTC loss. Included by host and kernels.
#pragma once

#ifndef __METAL__
#include <cstdint>
#endif

namespace torch_metal {

struct CtcParams {
  uint32_t steps, samples, classes;
  uint32_t states;  // 2 * longest target + 1: a blank around each label
  uint32_t blank;
  uint32_t grad_stride;
  uint32_t zero_infinity;
};

}  // namespace torch_metal
