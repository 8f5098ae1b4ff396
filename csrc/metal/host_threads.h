// The threads that the software device spreads its grids over. Whoever owns the process's thread pool lends it
// here, so that one pool and not two compete for the cores. On macOS the GPU does the work and nothing happens.
#pragma once

#include <cstdint>
#include <functional>

namespace torch_metal {

struct HostThreads {
  /// How many threads parallel_for would use when called from this thread.
  int (*thread_count)();
  /// Calls body(begin, end) on disjoint pieces that cover [0, count), pieces of at least `grain`, possibly at the
  /// same time on several threads, and returns when all are done. `body` does not throw. May be called from
  /// several threads at once.
  void (*parallel_for)(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& body);
  /// How many it, and what else works on them, uses from now on when called from this thread. The device asks for as many
  /// as there are for the thread that committed the work, and afterwards for as many as before.
  void (*set_thread_count)(int count);
};

#ifdef TORCH_METAL_APPLE_DEVICE
inline constexpr bool kRunsOnHost = false;
inline void set_host_threads(const HostThreads&) {}
inline bool forked_after_use() { return false; }
inline bool has_wide_host_registers() { return false; }
#else
inline constexpr bool kRunsOnHost = true;  ///< the device is the CPU
/// Call before the first command buffer is committed.
void set_host_threads(const HostThreads& threads);
/// True in a child of a process that had used the device before it forked: its threads are gone, command buffers
/// end in an error.
bool forked_after_use();
/// True if kernels run on CPUs with 32 vector registers of 512 bits.
inline bool has_wide_host_registers() {
#ifdef __x86_64__
  return __builtin_cpu_supports("avx512f");
#else
  return false;
#endif
}
#endif

}  // namespace torch_metal
