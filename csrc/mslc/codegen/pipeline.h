// The order of passes before and after vectorising.
#pragma once

#include <llvm/IR/Module.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Target/TargetMachine.h>

#include <string>

namespace mslc {

/// Analyses and pass managers for one module.
class Pipeline {
 public:
  explicit Pipeline(llvm::TargetMachine& machine);

  /// Inlines everything into the kernel. If `keep_accesses`, no access of memory but the private is dropped or moved.
  void inline_calls(llvm::Module& module, llvm::Function& kernel, bool keep_accesses);
  /// Optimises the kernel as the code of one thread.
  void optimise_thread(llvm::Function& kernel);
  /// Brings the kernel into the form that vectorise() takes.
  void prepare(llvm::Function& kernel);
  /// After the kernel has been inlined into `entry`: what its arguments are is known now.
  void simplify_entry(llvm::Function& entry);
  /// After vectorising.
  void optimise_vectors(llvm::Module& module);

  llvm::TargetTransformInfo& target_info(llvm::Function& function);
  /// Drops what is known of a function that was changed outside, or is about to be erased.
  void forget(llvm::Function& function) { function_analyses_.clear(function, function.getName()); }

 private:
  void run(llvm::FunctionPassManager& passes, llvm::Function& function);

  // Destroyed in reverse order: the managers refer to each other.
  llvm::LoopAnalysisManager loop_analyses_;
  llvm::FunctionAnalysisManager function_analyses_;
  llvm::CGSCCAnalysisManager scc_analyses_;
  llvm::ModuleAnalysisManager module_analyses_;
  llvm::PassBuilder builder_;
};

/// What machine code is wanted as, and whether instructions are to stay in their order: LLVM's machine schedulers move
/// the steps of independent sums next to each other until the sums of a matrix product no longer fit the registers.
struct Emission {
  llvm::CodeGenFileType type;
  bool keep_order = false;
};

/// Machine code of a module: an ELF relocatable, or assembly as text.
std::string emit_file(llvm::Module& module, llvm::TargetMachine& machine, const Emission& emission);

/// Sum of the stack frames of all functions in an object.
uint64_t stack_bytes(const std::string& object);

}  // namespace mslc
