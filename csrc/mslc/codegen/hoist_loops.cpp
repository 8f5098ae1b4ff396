#include "codegen/hoist_loops.h"

#include <llvm/Analysis/LoopInfo.h>
#include <llvm/IR/Dominators.h>
#include <llvm/IR/Instructions.h>

namespace mslc {

namespace {

/// if (condition) { loop }, at the beginning of an outer loop's iteration: `guard` branches to `entry` or `join`, the
/// loop lies between `entry` and `exit`, which goes on to `join`.
struct GuardedLoop {
  llvm::Loop* loop;
  llvm::BasicBlock *guard, *entry, *exit, *join;

  /// Blocks that move together.
  llvm::SmallVector<llvm::BasicBlock*, 8> region() const {
    llvm::SmallVector<llvm::BasicBlock*, 8> blocks{entry};
    blocks.append(loop->block_begin(), loop->block_end());
    blocks.push_back(exit);
    return blocks;
  }
};

/// Null `loop` if the shape is another.
GuardedLoop match_guarded(llvm::Loop& loop) {
  llvm::Loop* outer = loop.getParentLoop();
  llvm::BasicBlock *entry = loop.getLoopPreheader(), *exit = loop.getExitBlock();
  if (!outer || !outer->getLoopPreheader() || !loop.isInnermost() || !entry || !exit) return {};
  llvm::BasicBlock *guard = entry->getSinglePredecessor(), *join = exit->getSingleSuccessor();
  if (guard != outer->getHeader() || !join || !exit->getSinglePredecessor() || !join->hasNPredecessors(2)) return {};
  auto* branch = llvm::dyn_cast<llvm::BranchInst>(guard->getTerminator());
  if (!branch || !branch->isConditional()) return {};
  if (branch->getSuccessor(0) != join && branch->getSuccessor(1) != join) return {};
  return {&loop, guard, entry, exit, join};
}

/// Neither writes nor reads what may change, so that it can be done earlier.
bool is_movable(const llvm::Instruction& instruction) {
  if (instruction.isTerminator()) return true;
  if (auto* load = llvm::dyn_cast<llvm::LoadInst>(&instruction))
    return load->isSimple() && load->hasMetadata(llvm::LLVMContext::MD_invariant_load);
  if (auto* call = llvm::dyn_cast<llvm::CallBase>(&instruction))
    return call->doesNotAccessMemory() && !call->isConvergent() && !call->mayHaveSideEffects();
  return !instruction.mayReadOrWriteMemory();
}

bool is_invariant(const GuardedLoop& guarded) {
  const llvm::Loop& outer = *guarded.loop->getParentLoop();
  auto region = guarded.region();
  auto is_known = [&](const llvm::Value* value) {
    auto* instruction = llvm::dyn_cast<llvm::Instruction>(value);
    return !instruction || !outer.contains(instruction) || llvm::is_contained(region, instruction->getParent());
  };
  if (!is_known(llvm::cast<llvm::BranchInst>(guarded.guard->getTerminator())->getCondition())) return false;
  for (const llvm::PHINode& phi : guarded.join->phis())
    if (!llvm::all_of(phi.incoming_values(), is_known)) return false;
  for (const llvm::BasicBlock* block : region)
    for (const llvm::Instruction& instruction : *block) {
      const bool all_known = llvm::all_of(instruction.operands(), [&](const llvm::Use& use) { return is_known(use.get()); });
      if (!is_movable(instruction) || !all_known) return false;
    }
  return true;
}

void hoist(const GuardedLoop& guarded) {
  auto& [loop, guard, entry, exit, join] = guarded;
  llvm::BasicBlock* header = loop->getParentLoop()->getHeader();
  llvm::BasicBlock* before = loop->getParentLoop()->getLoopPreheader();
  // Both ways meet again in front of the outer loop.
  auto* hoisted_join = llvm::BasicBlock::Create(header->getContext(), "hoisted", header->getParent(), header);
  llvm::BranchInst::Create(header, hoisted_join);
  while (auto* phi = llvm::dyn_cast<llvm::PHINode>(&join->front())) {
    phi->moveBefore(hoisted_join->getTerminator());
    phi->replaceIncomingBlockWith(guard, before);
  }
  exit->getTerminator()->replaceSuccessorWith(join, hoisted_join);
  llvm::Instruction* branch = guard->getTerminator();
  before->getTerminator()->eraseFromParent();
  llvm::BranchInst::Create(join, guard);
  branch->moveBefore(*before, before->end());
  branch->replaceSuccessorWith(join, hoisted_join);
  header->replacePhiUsesWith(before, hoisted_join);
  for (llvm::BasicBlock* block : guarded.region()) block->moveBefore(hoisted_join);
}

/// Hoists one loop; false if there is none.
bool hoist_one(const llvm::LoopInfo& loops) {
  for (llvm::Loop* loop : loops.getLoopsInPreorder()) {
    const GuardedLoop guarded = match_guarded(*loop);
    if (!guarded.loop || !is_invariant(guarded)) continue;
    hoist(guarded);
    return true;
  }
  return false;
}

}  // namespace

llvm::PreservedAnalyses HoistLoopsPass::run(llvm::Function& function, llvm::FunctionAnalysisManager& analyses) {
  llvm::LoopInfo& loops = analyses.getResult<llvm::LoopAnalysis>(function);
  if (!hoist_one(loops)) return llvm::PreservedAnalyses::all();
  llvm::DominatorTree dominators;
  do {
    dominators.recalculate(function);
    loops.releaseMemory();
    loops.analyze(dominators);
  } while (hoist_one(loops));
  return llvm::PreservedAnalyses::none();
}

}  // namespace mslc
