// Waiting a little before sleeping: a wake-up by the kernel costs more than most kernels run.
#pragma once

#include <chrono>
#include <mutex>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace metal_software {

/// Nanoseconds of the one clock that everything here is measured by.
inline int64_t now_ns() { return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1); }

inline void cpu_relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("isb");
#endif
}

/// Spins until `done()` or for 20 us; returns whether it is done.
template <class Predicate>
bool spin_until(const Predicate& done) {
  constexpr int64_t kSpinNs = 20000;
  const int64_t deadline = now_ns() + kSpinNs;
  do {
    for (int i = 0; i < 16; ++i) {
      if (done()) return true;
      cpu_relax();
    }
  } while (now_ns() < deadline);
  return false;
}

/// Locks a mutex that nobody holds for long: who falls asleep over it is late by more than it is held.
inline std::unique_lock<std::mutex> lock_soon(std::mutex& mutex) {
  std::unique_lock<std::mutex> lock(mutex, std::try_to_lock);
  for (int i = 0; i < 64 && !lock.owns_lock(); ++i) {
    cpu_relax();
    lock.try_lock();
  }
  if (!lock.owns_lock()) lock.lock();
  return lock;
}

}  // namespace metal_software
