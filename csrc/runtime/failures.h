// Metal's failures as exceptions that PyTorch's users know: torch.OutOfMemoryError, torch.AcceleratorError.
#pragma once

#include <Metal/Metal.hpp>

#include <string>

namespace torch_metal {

/// Throws c10::AcceleratorError if a command buffer has found the device removed. Nothing works from then on.
void check_device_is_present();

[[noreturn]] void throw_not_made(const char* what);
/// `object`, which Metal was asked to make; throws c10::AcceleratorError if it is null. `what`: "a command buffer".
template <class Class>
Class* made(Class* object, const char* what) {
  if (!object) [[unlikely]] throw_not_made(what);
  return object;
}

/// A buffer of the runtime's own, in shared storage, for `purpose`. Throws c10::OutOfMemoryError.
MTL::Buffer* new_buffer(size_t bytes, const std::string& purpose);

/// What a failed command buffer says, in words for throw_failure. Notes that the device is removed if it says so.
std::string failure_of(const MTL::CommandBuffer* buffer);
/// Throws c10::OutOfMemoryError or c10::AcceleratorError. `reports` are those of kernels, if any.
[[noreturn]] void throw_failure(const std::string& failure, const std::string& reports);

}  // namespace torch_metal
