// What `mslc run` hands to a kernel: each argument's value, from the words of the command line.
#pragma once

#include <array>
#include <vector>

#include "cli/guarded_memory.h"
#include "cli/npy.h"
#include "cli/options.h"

namespace mslc::cli {

/// Values of all arguments of a kernel.
class Bindings {
 public:
  /// `settings` are NAME=VALUE. Throws UsageError naming the argument and what it wants.
  Bindings(const KernelInfo& kernel, const std::vector<NameAndValue>& settings);

  /// Points a launch at the values; they live as long as this.
  void bind(Launch& launch) const;
  /// What is in a buffer now. Throws UsageError for what is not a buffer of the kernel.
  Array contents(const std::string& name) const;
  /// Buffers that the kernel may write to, by name.
  std::vector<std::string> writable() const;

 private:
  struct Buffer {
    const Argument* argument;
    Array array;  ///< without bytes: these are in `memory`
    GuardedMemory memory;
    size_t size;
  };

  void set(const Argument& argument, const std::string& value);

  const KernelInfo& kernel_;
  std::vector<Buffer> buffers_;
  std::array<const void*, kMaxBuffers> addresses_{};
  std::array<size_t, kMaxBuffers> buffer_bytes_{}, threadgroup_bytes_{};
};

}  // namespace mslc::cli
