// A kernel as it goes from the compiler to an executor on another machine: what Library::machine_code() returns.
#pragma once

#include <string>
#include <string_view>

#include "mslc/mslc.h"

namespace mslc {

/// `compiled` is a CompiledKernel as bytes. load_machine_code() is the reverse.
std::string pack_machine_code(const KernelInfo& info, std::string_view compiled);

}  // namespace mslc
