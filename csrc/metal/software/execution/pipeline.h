// What the device keeps of a compiled kernel.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "mslc/mslc.h"

namespace metal_software {

inline constexpr unsigned kMaxThreadgroupMemory = 32768;

struct Pipeline {
  Pipeline(std::shared_ptr<const mslc::Kernel> kernel, unsigned max_threads);

  std::shared_ptr<const mslc::Kernel> kernel;
  unsigned max_threads_per_threadgroup;
  uint32_t buffers = 0;             ///< bit i: the kernel has [[buffer(i)]]
  uint32_t threadgroup_memory = 0;  ///< bit i: the kernel has [[threadgroup(i)]]
  unsigned table_size = 0;          ///< entries of both argument tables that the kernel may read
  /// Measured time of one thread of a grid, a moving average; 0 before the first grid.
  mutable std::atomic<float> ns_per_thread{0};
};

}  // namespace metal_software
