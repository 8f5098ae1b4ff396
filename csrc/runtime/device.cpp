#include "runtime/device.h"

#include <c10/util/Exception.h>
#include <pthread.h>

#include <atomic>
#include <cstdlib>
#include <string>

#include "metal/platform.h"
#include "runtime/failures.h"

namespace torch_metal {

namespace {

std::atomic<bool> open{false};
std::atomic<bool> forked{false};

/// What is wrong with TORCH_METAL_DEVICE; nothing if this build drives the device that it asks for.
std::string wanted_device_error() {
  const char* const variable = std::getenv("TORCH_METAL_DEVICE");
  const std::string wanted = variable ? variable : "";
  if (wanted.empty() || wanted == "auto" || wanted == device_kind()) return {};
  if (wanted != "apple" && wanted != "software")
    return "TORCH_METAL_DEVICE is '" + wanted + "'; it may be auto, software or apple";
  return "TORCH_METAL_DEVICE=" + wanted + ", but this build of torch_metal drives the " + device_kind() +
         " device. Which it is was chosen when it was built (docs/macos.md). Unset the variable, or build the other";
}

/// The device, one reference more; or null, and in `reason` why there is none.
MTL::Device* find_device(std::string& reason) {
  reason = wanted_device_error();
  return reason.empty() ? open_metal_device(reason) : nullptr;
}

MTL::Device* open_device() {
  std::string reason;
  MTL::Device* const device = find_device(reason);
  TORCH_CHECK(device, reason);
  open = true;
  pthread_atfork(nullptr, nullptr, [] { forked = true; });
  return device;
}

}  // namespace

MTL::Device* device() {
  TORCH_CHECK(!in_bad_fork(),
              "Cannot re-initialize metal in forked subprocess. To use metal with multiprocessing, you must use the "
              "'spawn' start method");
  static MTL::Device* const device = open_device();
  check_device_is_present();
  return device;
}

bool device_is_open() { return open; }

bool in_bad_fork() { return forked; }

c10::DeviceIndex device_count() noexcept {
  static const bool exists = [] {
    std::string reason;
    return NS::TransferPtr(find_device(reason)).get() != nullptr;
  }();
  return exists ? 1 : 0;
}

void check_device_index(c10::DeviceIndex index) {
  TORCH_CHECK(index == 0 || index == -1, "Invalid device metal:", static_cast<int>(index),
              ": there is one Metal device, metal:0");
}

}  // namespace torch_metal
