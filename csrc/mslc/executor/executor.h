// Loads compiled kernels and runs their threadgroups.
#pragma once

#include <memory>

#include "executor/compiled_kernel.h"
#include "mslc/mslc.h"

namespace mslc {

/// Makes compiled code callable. Throws std::runtime_error if the object cannot be loaded here.
std::shared_ptr<const Kernel> load(const CompiledKernel& compiled, const KernelInfo& info);

}  // namespace mslc
