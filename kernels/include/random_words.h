// Numbers from the 32-bit words that Philox yields.
#pragma once

#include <c10/metal/random.h>
#include <metal_stdlib>

using namespace metal;

namespace random_words {

/// [0, 1), all multiples of 2^-24.
inline float unit(uint word) { return static_cast<float>(word >> 8) * 0x1p-24f; }
/// (0, 1), symmetric around 1/2.
inline float open_unit(uint word) { return (static_cast<float>(word >> 9) + 0.5f) * 0x1p-23f; }
/// Two independent standard normal numbers (Box and Muller).
inline float2 normal_pair(uint a, uint b) {
  const float radius = precise::sqrt(-2 * precise::log(open_unit(a))), angle = 2 * M_PI_F * unit(b);
  return radius * float2(precise::cos(angle), precise::sin(angle));
}

}  // namespace random_words
