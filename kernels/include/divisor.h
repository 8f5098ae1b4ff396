// Division by a number that only the host knows, as a multiplication: GPUs and vector units have no integer division.
#pragma once
#ifdef __METAL__
#include <metal_stdlib>
#else
#include <cstdint>
#endif

namespace torch_metal {

/// Divides numbers below 2^31 by `value`, 1 <= value < 2^31 (Granlund and Montgomery's method).
struct Divisor {
  uint32_t value;
  uint32_t multiplier;
  uint32_t shift;

#ifdef __METAL__
  uint32_t quotient(uint32_t number) const constant { return (metal::mulhi(number, multiplier) + number) >> shift; }

  /// Divides `number` and returns the remainder.
  uint32_t split(thread uint32_t& number) const constant {
    const uint32_t dividend = number;
    number = quotient(dividend);
    return dividend - number * value;
  }
#else
  static Divisor of(uint32_t value) {
    uint32_t shift = 0;
    while ((uint64_t(1) << shift) < value) ++shift;
    const uint64_t multiplier = (uint64_t(1) << 32) * ((uint64_t(1) << shift) - value) / value + 1;
    return {value, static_cast<uint32_t>(multiplier), shift};
  }
#endif
};

}  // namespace torch_metal
