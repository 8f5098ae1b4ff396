// The value behind an event.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace metal_software {

class Timeline {
 public:
  uint64_t value() const { return value_.load(std::memory_order_acquire); }
  void set(uint64_t value);
  /// Never lowers the value.
  void advance(uint64_t value);

  void wait(uint64_t value);
  /// False if `milliseconds` pass first.
  bool wait_for(uint64_t value, uint64_t milliseconds);

 private:
  bool reached(uint64_t value) const { return this->value() >= value; }

  std::atomic<uint64_t> value_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
};

}  // namespace metal_software
