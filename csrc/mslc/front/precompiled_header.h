// The standard library, parsed once.
#pragma once

#include <llvm/Support/MemoryBuffer.h>

#include "mslc/mslc.h"

namespace mslc {

/// The precompiled standard library for these options: from memory, the cache on disk, or made now.
/// Stays valid until the process ends. Throws CompileError if the library's own headers do not compile.
const llvm::MemoryBuffer& precompiled_header(const CompileOptions& options);

}  // namespace mslc
