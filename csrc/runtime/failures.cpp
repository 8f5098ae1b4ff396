#include "runtime/failures.h"

#include <c10/util/Exception.h>

#include <atomic>
#include <string_view>

#include "runtime/device.h"

namespace torch_metal {

namespace {

std::atomic<bool> device_is_removed{false};

constexpr const char* kRemoved =
    "metal: the device was removed, and what it computed since the last synchronisation is lost. Nothing can be "
    "computed on it in this process any more: start a new one";
constexpr std::string_view kOutOfMemory = "metal out of memory";

// What an error of a command buffer means, beyond Metal's own words, and what to do. Empty where those say it all.
const char* advice(NS::Integer code) {
  switch (code) {
    case MTL::CommandBufferErrorTimeout:
      return "A kernel ran for longer than the GPU allows: give operators smaller pieces of work";
    case MTL::CommandBufferErrorPageFault:
      return "A kernel accessed memory that is not its buffers'. TORCH_METAL_VALIDATE=1 on the software device, or "
             "MTL_SHADER_VALIDATION=1 on macOS, finds which";
    case MTL::CommandBufferErrorAccessRevoked:
      return "The system has taken the GPU away from this process after errors before: start a new one";
    case MTL::CommandBufferErrorOutOfMemory:
      return "Use smaller batches, or free memory with torch.metal.empty_cache()";
    case MTL::CommandBufferErrorStackOverflow:
      return "A kernel's functions call each other more deeply than the GPU has stack for";
    default: return "";
  }
}

[[noreturn]] void throw_accelerator_error(const std::string& text) {
  throw c10::AcceleratorError({__func__, __FILE__, static_cast<uint32_t>(__LINE__)}, 1, text);
}

}  // namespace

void check_device_is_present() {
  if (device_is_removed.load(std::memory_order_relaxed)) [[unlikely]]
    throw_accelerator_error(kRemoved);
}

void throw_not_made(const char* what) {
  check_device_is_present();
  throw_accelerator_error(std::string("metal: the device could not make ") + what +
                          ". It may be short of memory, or too much may be in use at once: free what is not needed, "
                          "synchronise, and try again");
}

MTL::Buffer* new_buffer(size_t bytes, const std::string& purpose) {
  MTL::Buffer* const buffer = device()->newBuffer(bytes, MTL::ResourceStorageModeShared);
  TORCH_CHECK_WITH(OutOfMemoryError, buffer, kOutOfMemory, ": no ", bytes, " bytes for ", purpose,
                   ". Free memory, or call torch.metal.empty_cache()");
  return buffer;
}

std::string failure_of(const MTL::CommandBuffer* buffer) {
  const NS::Error* const error = buffer->error();
  if (!error) return "metal: a command buffer failed, and Metal gives no reason";
  const NS::Integer code = error->code();
  if (code == MTL::CommandBufferErrorDeviceRemoved) {
    device_is_removed = true;
    return kRemoved;
  }
  std::string text(code == MTL::CommandBufferErrorOutOfMemory ? kOutOfMemory : "metal");
  text += std::string(": ") + error->localizedDescription()->utf8String();
  if (*advice(code)) text += std::string(". ") + advice(code);
  return text;
}

void throw_failure(const std::string& failure, const std::string& reports) {
  const std::string text = failure + (failure.empty() || reports.empty() ? "" : "\n") + reports;
  // A stream keeps no more than the words of a failure; these are of failure_of().
  TORCH_CHECK_WITH(OutOfMemoryError, failure.compare(0, kOutOfMemory.size(), kOutOfMemory) != 0, text);
  throw_accelerator_error(text);
}

}  // namespace torch_metal
