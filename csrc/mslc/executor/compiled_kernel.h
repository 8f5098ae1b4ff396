// The code of one kernel as it leaves the compiler and as it lies in the cache. Knows nothing of LLVM.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "validate/check_site.h"

namespace mslc {

struct CompiledKernel {
  std::string object;              ///< ELF relocatable for the target CPU
  uint64_t threadgroup_bytes = 0;  ///< of threadgroup variables declared in the kernel
  uint64_t stack_bytes = 0;        ///< of one SIMD-group
  bool validates = false;          ///< calls the checks of validation mode
  std::vector<CheckSite> sites;    ///< of those checks
  bool has_barriers = false;       ///< waits at barriers: more than one SIMD-group needs fibers
};

/// A CompiledKernel as bytes, and back. Throws std::runtime_error if the bytes are not one.
std::string serialise(const CompiledKernel& kernel);
CompiledKernel deserialise(std::string_view bytes);

}  // namespace mslc
