#include "codegen/register_width.h"

#include <llvm/Analysis/LoopInfo.h>
#include <llvm/IR/Dominators.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/Instructions.h>
#include <llvm/IR/IntrinsicInst.h>
#include <llvm/IR/Module.h>

namespace mslc {

namespace {

/// Zen 4 fetches a fifth more from memory in the same time if it is read by 32 bytes than by 64.
bool streams_by_halves(const llvm::TargetMachine& machine) { return machine.getTargetCPU() == "znver4"; }

bool computes_vector(const llvm::Instruction& instruction) {
  if (!instruction.getType()->isVectorTy() || llvm::isa<llvm::BitCastInst>(instruction)) return false;
  return llvm::isa<llvm::BinaryOperator, llvm::UnaryOperator, llvm::CmpInst, llvm::CastInst, llvm::SelectInst,
                   llvm::CallInst>(instruction);
}

/// LLVM 19 does not come to an end with operations on halves of vectors of bfloat; as bits they are harmless.
bool computes_bfloats(const llvm::Instruction& instruction) {
  return computes_vector(instruction) && instruction.getType()->getScalarType()->isBFloatTy();
}

/// Whether a vectorised body spends its time on reading and writing arrays: straight code that does little with what it
/// reads.
bool is_stream(llvm::Function& body) {
  constexpr unsigned kOperationsPerAccess = 4;
  llvm::DominatorTree dominators(body);
  llvm::LoopInfo loops(dominators);
  unsigned accesses = 0, operations = 0;
  for (llvm::Instruction& instruction : llvm::instructions(body)) {
    const bool accesses_memory = llvm::isa<llvm::LoadInst, llvm::StoreInst>(instruction);
    const bool is_access = accesses_memory && llvm::getLoadStoreType(&instruction)->isVectorTy();
    if (!is_access && !computes_vector(instruction)) continue;
    if (loops.getLoopFor(instruction.getParent()) || computes_bfloats(instruction)) return false;
    ++(is_access ? accesses : operations);
  }
  return accesses > 0 && operations <= kOperationsPerAccess * accesses;
}

}  // namespace

void choose_register_width(llvm::Module& module, llvm::Function& body, const llvm::TargetMachine& machine) {
  const bool narrow = streams_by_halves(machine) && is_stream(body);
  for (llvm::Function& function : module) {
    function.addFnAttr("prefer-vector-width", narrow ? "256" : "512");
    if (narrow) function.addFnAttr("min-legal-vector-width", "0");  // wider vectors are split
  }
}

}  // namespace mslc
