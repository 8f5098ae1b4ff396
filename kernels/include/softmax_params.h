// Shapes of a softmax. Included by host and kernels.
#pragma once

#ifndef __METAL__
#include <cstdint>
#endif

namespace torch_metal {

/// A dense tensor seen as outer x size x inner; the softmax runs along the middle.
struct SoftmaxParams {
  uint32_t size;
  uint32_t inner;
};

}  // namespace torch_metal
