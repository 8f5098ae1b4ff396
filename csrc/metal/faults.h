// Faults on purpose: the software device returns Metal's own failures, so that what is above it can be tested.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace torch_metal {

#ifdef TORCH_METAL_APPLE_DEVICE
inline void inject_faults(const std::string& faults) {
  if (!faults.empty()) throw std::invalid_argument("only the software device can inject faults");
}
inline uint64_t injected_faults() { return 0; }
#else
/// From here on the device fails as `faults` says, in the words of TORCH_METAL_FAULTS (docs/environment.md), which it
/// replaces. An empty text ends all faults and brings a removed device back. Throws std::invalid_argument.
void inject_faults(const std::string& faults);
/// How often the device has failed on purpose since the last call of inject_faults.
uint64_t injected_faults();
#endif

}  // namespace torch_metal
