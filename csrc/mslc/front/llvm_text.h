// The front end's result as text, for developers of the compiler.
#pragma once

#include <string>
#include <string_view>

#include "mslc/mslc.h"

namespace mslc {

/// LLVM IR of a translated source, every function as it was written; comments first, which say what function each kernel
/// is. Throws CompileError. Does not use the cache.
std::string llvm_text(std::string_view source, const CompileOptions& options);

}  // namespace mslc
