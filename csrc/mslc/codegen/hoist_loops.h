// Loops that compute the same for every SIMD-group.
#pragma once

#include <llvm/IR/PassManager.h>

namespace mslc {

/// Moves a loop that begins each iteration of a loop around it, and that computes the same in all of them, in front of
/// that loop, as LICM does with single instructions: kernels find their place in strided arrays in such loops. Expects
/// and keeps the forms that LICM wants.
struct HoistLoopsPass : llvm::PassInfoMixin<HoistLoopsPass> {
  llvm::PreservedAnalyses run(llvm::Function& function, llvm::FunctionAnalysisManager& analyses);
};

}  // namespace mslc
