// A per-thread function becomes one that runs 32 of its threads in lockstep.
#pragma once

#include <llvm/Analysis/TargetTransformInfo.h>
#include <llvm/IR/Function.h>

namespace mslc {

/// Turns `function`, the code of one thread in structured form (see prepare.h), into that of a SIMD-group, in place.
/// Uniform parameters stay as they are; `__msl_lane()` tells lanes apart. Throws CompileError naming the instruction.
void vectorise(llvm::Function& function, const llvm::TargetTransformInfo& target);

}  // namespace mslc
