// A per-thread function becomes one that runs 32 of its threads in lockstep.
#pragma once

#include <llvm/Analysis/TargetTransformInfo.h>
#include <llvm/IR/Function.h>

namespace mslc {

/// Splits loops that lanes leave at different times, in a function in structured form: while all lanes stay, they run
/// without masks. Keeps the form.
void split_divergent_loops(llvm::Function& function);

/// What the target can do that LLVM's IR has no words for.
struct TargetFeatures {
  bool bfloat_dot = false;            ///< vdpbf16ps: float sums of products of pairs of bfloats
  bool compare_exchange_16 = false;  ///< cmpxchg of 16 bytes
  bool permute_registers = false;    ///< vpermi2d: any permutation of the 32-bit elements of two registers of 512 bits
};

/// Turns `function`, the code of one thread in structured form (see prepare.h), into that of a SIMD-group, in place.
/// Uniform parameters stay as they are; `__msl_lane()` tells lanes apart. Throws CompileError naming the instruction.
void vectorise(llvm::Function& function, const llvm::TargetTransformInfo& target, const TargetFeatures& features);

}  // namespace mslc
