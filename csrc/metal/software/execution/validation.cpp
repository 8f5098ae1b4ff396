#include "execution/validation.h"

#include "metal/validation.h"

#include <map>
#include <mutex>

#include "execution/environment.h"

namespace metal_software {
namespace {

// Start and length. Never destroyed, as buffers may outlive it.
struct LiveBuffers {
  std::mutex mutex;
  std::multimap<const std::byte*, size_t> bytes;
};

LiveBuffers& live_buffers() {
  static auto* const buffers = new LiveBuffers;
  return *buffers;
}

}  // namespace

void add_live_buffer(const void* address, size_t bytes) {
  if (!torch_metal::validating()) return;
  LiveBuffers& live = live_buffers();
  const std::lock_guard<std::mutex> lock(live.mutex);
  live.bytes.emplace(static_cast<const std::byte*>(address), bytes);
}

void remove_live_buffer(const void* address) {
  if (!torch_metal::validating()) return;
  LiveBuffers& live = live_buffers();
  const std::lock_guard<std::mutex> lock(live.mutex);
  const auto found = live.bytes.find(static_cast<const std::byte*>(address));
  if (found != live.bytes.end()) live.bytes.erase(found);
}

bool is_in_live_buffer(const void* address, size_t bytes) {
  LiveBuffers& live = live_buffers();
  const auto* const start = static_cast<const std::byte*>(address);
  const std::lock_guard<std::mutex> lock(live.mutex);
  // The last that begins at or before the address; buffers over memory of the host's own may lie over each other.
  for (auto next = live.bytes.upper_bound(start); next != live.bytes.begin();) {
    const auto& [base, length] = *--next;
    const size_t offset = start - base;
    if (offset <= length && bytes <= length - offset) return true;
  }
  return false;
}

}  // namespace metal_software

bool torch_metal::validating() {
  static const bool wanted = metal_software::is_set("TORCH_METAL_VALIDATE");
  return wanted;
}
