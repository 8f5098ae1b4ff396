// Validation mode of the software device: kernels check their memory accesses and barriers. On macOS, Metal has its own,
// which MTL_SHADER_VALIDATION=1 turns on.
#pragma once

namespace torch_metal {

#ifdef TORCH_METAL_APPLE_DEVICE
inline bool validating() { return false; }
#else
/// TORCH_METAL_VALIDATE is set, and not 0.
bool validating();
#endif

}  // namespace torch_metal
