// Sizes as kernels count them: in 32 bits.
#pragma once

#include <c10/util/Exception.h>

#include <cstdint>

namespace torch_metal {

/// A little less than 2^32: loops of kernels may step past the end by the threads of a threadgroup.
constexpr int64_t kMaxCount = UINT32_MAX - UINT16_MAX;

/// `value` in 32 bits. Raises NotImplementedError, which says `what` it is, if it does not fit.
inline uint32_t narrow(int64_t value, const char* what) {
  TORCH_CHECK_NOT_IMPLEMENTED(value >= 0 && value <= kMaxCount, "metal: ", what, ", ", value,
                              ", is more than kernels count: at most ", kMaxCount);
  return static_cast<uint32_t>(value);
}

}  // namespace torch_metal
