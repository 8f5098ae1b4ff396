// Brings a per-thread function into the form that vectorise() takes: scalar values, structured control flow.
#pragma once

#include <llvm/IR/PassManager.h>

namespace mslc {

/// Divisions of integers by zero, and of the lowest by -1, become divisions by one: Metal leaves the result open, but
/// such a division is neither undefined behaviour nor a trap. Goes before any optimisation.
struct SafeDivisionPass : llvm::PassInfoMixin<SafeDivisionPass> {
  llvm::PreservedAnalyses run(llvm::Function& function, llvm::FunctionAnalysisManager& analyses);
  static bool isRequired() { return true; }
};

/// Asks for full unrolling of short loops that index private arrays by their counter, so that these become registers;
/// not of loops with a break.
struct UnrollPrivateArraysPass : llvm::PassInfoMixin<UnrollPrivateArraysPass> {
  llvm::PreservedAnalyses run(llvm::Function& function, llvm::FunctionAnalysisManager& analyses);
};

/// Loads from an address that several ways lead to become a load on each way: InstCombine merges them, but where lanes'
/// addresses lie side by side on one way and at one place on another, both are known only apart.
struct SeparateLoadsPass : llvm::PassInfoMixin<SeparateLoadsPass> {
  llvm::PreservedAnalyses run(llvm::Function& function, llvm::FunctionAnalysisManager& analyses);
};

/// Copies of memory become loads and stores; bit casts between vectors and scalars become shifts; and so on.
struct LegalisePass : llvm::PassInfoMixin<LegalisePass> {
  llvm::PreservedAnalyses run(llvm::Function& function, llvm::FunctionAnalysisManager& analyses);
  static bool isRequired() { return true; }
};

/// See widen_small_floats().
struct SmallFloatsPass : llvm::PassInfoMixin<SmallFloatsPass> {
  llvm::PreservedAnalyses run(llvm::Function& function, llvm::FunctionAnalysisManager& analyses);
  static bool isRequired() { return true; }
};

/// Lays private arrays out so that the lanes' elements lie side by side.
struct PrivateArraysPass : llvm::PassInfoMixin<PrivateArraysPass> {
  llvm::PreservedAnalyses run(llvm::Function& function, llvm::FunctionAnalysisManager& analyses);
  static bool isRequired() { return true; }
};

/// Loops without a way out, which clean-up may leave where no thread gets, are given one that is never taken:
/// structured control flow is a matter of where loops lead.
struct EndlessLoopsPass : llvm::PassInfoMixin<EndlessLoopsPass> {
  llvm::PreservedAnalyses run(llvm::Function& function, llvm::FunctionAnalysisManager& analyses);
  static bool isRequired() { return true; }
};

/// Everything from optimised per-thread code to what vectorise() takes.
void add_preparation(llvm::FunctionPassManager& passes);

}  // namespace mslc
