#include <llvm/Analysis/ValueTracking.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Instructions.h>
#include <llvm/Transforms/Utils/BasicBlockUtils.h>

#include "vectorise/prepare.h"

namespace mslc {

namespace {

constexpr unsigned kMaxWays = 4;

/// Loads at the head of the address's block that nothing else uses it for; empty if they may not move to its
/// predecessors' ends.
llvm::SmallVector<llvm::LoadInst*, 2> movable_loads(llvm::PHINode& address) {
  llvm::SmallVector<llvm::LoadInst*, 2> loads;
  if (!address.getType()->isPointerTy() || address.getNumIncomingValues() > kMaxWays) return {};
  for (llvm::User* user : address.users()) {
    auto* load = llvm::dyn_cast<llvm::LoadInst>(user);
    if (!load || load->getParent() != address.getParent() || !load->isSimple()) return {};
    loads.push_back(load);
  }
  unsigned seen = 0;
  for (llvm::Instruction& instruction : *address.getParent()) {
    if (llvm::is_contained(loads, &instruction) && ++seen == loads.size()) return loads;
    bool stays_in_front = instruction.mayWriteToMemory() || !llvm::isGuaranteedToTransferExecutionToSuccessor(&instruction);
    if (stays_in_front) return {};
  }
  return {};
}

/// Makes sure that `from` leads to `to` alone, with a block in between if need be.
void isolate_edge(llvm::BasicBlock* from, llvm::BasicBlock* to) {
  if (!from->getSingleSuccessor()) llvm::SplitEdge(from, to);
}

bool can_split_edges(const llvm::PHINode& address) {
  llvm::SmallPtrSet<const llvm::BasicBlock*, kMaxWays> ways;
  for (const llvm::BasicBlock* from : address.blocks())
    if (!ways.insert(from).second || !llvm::isa<llvm::BranchInst, llvm::SwitchInst>(from->getTerminator())) return false;
  return ways.size() > 1;
}

void separate(llvm::PHINode& address, llvm::ArrayRef<llvm::LoadInst*> loads) {
  llvm::BasicBlock* block = address.getParent();
  // Splitting an edge changes the incoming blocks of all phis, but not their order.
  for (unsigned i = 0; i < address.getNumIncomingValues(); ++i) isolate_edge(address.getIncomingBlock(i), block);
  for (llvm::LoadInst* load : loads) {
    llvm::IRBuilder<> b(&block->front());
    llvm::PHINode* value = b.CreatePHI(load->getType(), address.getNumIncomingValues());
    for (unsigned i = 0; i < address.getNumIncomingValues(); ++i) {
      llvm::BasicBlock* from = address.getIncomingBlock(i);
      auto* copy = llvm::cast<llvm::LoadInst>(load->clone());
      copy->setOperand(0, address.getIncomingValue(i));
      copy->insertBefore(from->getTerminator());
      value->addIncoming(copy, from);
    }
    value->takeName(load);
    load->replaceAllUsesWith(value);
    load->eraseFromParent();
  }
  address.eraseFromParent();
}

}  // namespace

llvm::PreservedAnalyses SeparateLoadsPass::run(llvm::Function& function, llvm::FunctionAnalysisManager&) {
  llvm::SmallVector<llvm::PHINode*, 8> addresses;
  for (llvm::BasicBlock& block : function)
    for (llvm::PHINode& phi : block.phis()) addresses.push_back(&phi);
  bool changed = false;
  for (llvm::PHINode* address : addresses) {
    auto loads = movable_loads(*address);
    if (loads.empty() || !can_split_edges(*address)) continue;
    separate(*address, loads);
    changed = true;
  }
  return changed ? llvm::PreservedAnalyses::none() : llvm::PreservedAnalyses::all();
}

}  // namespace mslc
