#include "execution/timeline.h"

#include <algorithm>

#include "execution/spin.h"

namespace metal_software {

void Timeline::set(uint64_t value) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    value_.store(value, std::memory_order_release);
  }
  changed_.notify_all();
}

void Timeline::advance(uint64_t value) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    value_.store(std::max(value, value_.load(std::memory_order_relaxed)), std::memory_order_release);
  }
  changed_.notify_all();
}

void Timeline::wait(uint64_t value) {
  if (spin_until([&] { return reached(value); })) return;
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [&] { return reached(value); });
}

bool Timeline::wait_for(uint64_t value, uint64_t milliseconds) {
  if (reached(value)) return true;
  constexpr uint64_t kForever = 1ull << 40;  // more would overflow the clock
  std::unique_lock<std::mutex> lock(mutex_);
  return changed_.wait_for(lock, std::chrono::milliseconds(std::min(milliseconds, kForever)),
                           [&] { return reached(value); });
}

}  // namespace metal_software
