// How much work goes into one command buffer.
#pragma once

#include <Metal/Metal.hpp>

#include <cstdint>

namespace torch_metal {

/// A command buffer is committed once it has this much, so that the device has work while more is encoded, and yet
/// seldom enough that starting one (about 20 us on a GPU) costs little.
struct BatchLimits {
  unsigned operations;
  uint64_t bytes;  ///< of memory that operations use
};

/// A queue that has run dry is given less than that, but not every small operation by itself: starting a command buffer
/// costs the host more than encoding such an operation. What follows within microseconds, or who waits, brings the rest.
constexpr BatchLimits kWorthStarting{4, 64 << 10};

/// Limits for a class of GPU, by the last letter of its architecture's name ("applegpu_g13s"): p(hone), g (base), s
/// (Pro, Max), d (Ultra). TORCH_METAL_BATCH_OPERATIONS and TORCH_METAL_BATCH_MB replace them.
BatchLimits batch_limits(MTL::Device* device);

}  // namespace torch_metal
