// The compiler's half of validation mode.
#pragma once

#include <llvm/IR/Function.h>

#include <vector>

#include "mslc/mslc.h"
#include "validate/check_site.h"

namespace mslc {

/// Replaces the address of each access of device, constant and threadgroup memory in `thread` by the result of
/// `__msl_check_access(address, object, value, site)`, which is the address, or that of spare memory if the access
/// must not be made; and each threadgroup barrier by `__msl_check_barrier(flags, site)`; `__msl_check_fence()` follows
/// each fence. Loads and stores of matrices, and stores of vectors too long to be compared as one value, become those
/// of their elements. Everything is inlined into `thread`, but nothing is optimised yet: what optimisations
/// drop, merge or move, would not be found. Removes debug information, which the sites have taken up.
std::vector<CheckSite> insert_checks(llvm::Function& thread, const KernelInfo& info);

}  // namespace mslc
