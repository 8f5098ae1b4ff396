// The code around a kernel: it fetches arguments, works out where threads are, and loops over them.
#pragma once

#include <llvm/IR/Function.h>

#include "mslc/mslc.h"

namespace mslc {

/// A function of one thread that calls `kernel`. It takes pointers, and built-ins component by component as integers,
/// whatever the C++ ABI made of them in the kernel's own signature.
llvm::Function* create_thread_function(llvm::Function& kernel, const KernelInfo& info);

/// Marks loads from constant arguments: no store of the kernel changes what they read.
void mark_invariant_loads(llvm::Function& thread);

/// The two forms a kernel is vectorised in. `full` runs 32 threads in a row along x; `general` runs any SIMD-group:
/// rows shorter than it, or fewer than 32 threads.
struct SimdgroupBodies {
  llvm::Function* full;
  llvm::Function* general;
};

/// Makes functions into which `thread` is inlined with its arguments; they are yet to be vectorised.
SimdgroupBodies create_bodies(llvm::Function& thread, const KernelInfo& info);

/// Replaces waits at threadgroup barriers in a body by calls of the executor. Returns whether there were any.
bool lower_barriers(llvm::Function& body);

/// Make the function that the executor calls (see executor/abi.h).
void create_run_groups(const SimdgroupBodies& bodies);
void create_run_simdgroup(const SimdgroupBodies& bodies);

}  // namespace mslc
