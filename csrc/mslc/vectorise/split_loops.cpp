// A loop that lanes leave at different times becomes two: the first runs while all lanes stay, without masks; the
// second does the rest. Most loops over the elements of a row spend nearly all of their time in the first.
#include <llvm/Analysis/LoopInfo.h>
#include <llvm/Analysis/PostDominators.h>
#include <llvm/IR/Dominators.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>
#include <llvm/Transforms/Utils/Cloning.h>

#include "vectorise/lanes.h"
#include "vectorise/shape_analysis.h"
#include "vectorise/vectorise.h"

namespace mslc {

namespace {

using Builder = llvm::IRBuilder<>;

constexpr unsigned kMaxInstructions = 600;

bool can_split(const llvm::Loop& loop) {
  const llvm::BasicBlock* latch = loop.getLoopLatch();
  if (!loop.isInnermost() || !loop.getLoopPreheader() || !latch || loop.getExitingBlock() != latch) return false;
  const llvm::BasicBlock* exit = loop.getExitBlock();
  if (!exit || exit->getSinglePredecessor() != latch) return false;
  unsigned instructions = 0;
  for (const llvm::BasicBlock* block : loop.blocks()) instructions += block->size();
  return instructions <= kMaxInstructions;
}

llvm::CallInst* call_builtin(Builder& b, llvm::StringRef name, llvm::ArrayRef<llvm::Value*> arguments) {
  llvm::SmallVector<llvm::Type*, 1> types;
  for (llvm::Value* argument : arguments) types.push_back(argument->getType());
  auto* type = llvm::FunctionType::get(b.getInt1Ty(), types, false);
  auto callee = b.GetInsertBlock()->getModule()->getOrInsertFunction(name, type);
  auto* function = llvm::cast<llvm::Function>(callee.getCallee());
  function->setConvergent();
  function->setDoesNotAccessMemory();
  function->setDoesNotThrow();
  return b.CreateCall(callee, arguments);
}

/// Two ways to come to `rest`: past the first loop, or through it.
class LoopSplitter {
 public:
  explicit LoopSplitter(llvm::Loop& loop)
      : loop_(loop), before_(loop.getLoopPreheader()), header_(loop.getHeader()), latch_(loop.getLoopLatch()),
        exit_(loop.getExitBlock()) {}

  void run() {
    clone_loop();
    full_entry_ = create_block("full.entry", header_);
    full_exit_ = create_block("full.exit", header_);
    rest_ = create_block("rest", header_);
    rest_entry_ = create_block("rest.entry", header_);
    rest_exit_ = create_block("rest.exit", exit_);
    llvm::Value* staying = end_full_loop();
    enter_full_loop();
    enter_rest(staying);
    leave_rest();
  }

 private:
  llvm::BasicBlock* create_block(const char* name, llvm::BasicBlock* in_front_of) {
    return llvm::BasicBlock::Create(header_->getContext(), name, header_->getParent(), in_front_of);
  }

  void clone_loop() {
    llvm::SmallVector<llvm::BasicBlock*, 8> clones;
    for (llvm::BasicBlock* block : loop_.blocks()) {
      llvm::BasicBlock* clone = llvm::CloneBasicBlock(block, copies_, ".full", header_->getParent());
      clone->moveBefore(header_);
      copies_[block] = clone;
      clones.push_back(clone);
    }
    llvm::remapInstructionsInBlocks(clones, copies_);
  }

  llvm::Value* copy_of(llvm::Value* value) const {
    auto found = copies_.find(value);
    return found == copies_.end() ? value : static_cast<llvm::Value*>(found->second);
  }
  llvm::BasicBlock* copy_of(llvm::BasicBlock* block) const { return llvm::cast<llvm::BasicBlock>(copy_of(static_cast<llvm::Value*>(block))); }

  /// A value of the first loop behind it.
  llvm::Value* from_full(llvm::Value* value) {
    value = copy_of(value);
    if (!llvm::isa<llvm::Instruction>(value)) return value;
    auto* phi = llvm::PHINode::Create(value->getType(), 1, "", full_exit_->begin());
    phi->addIncoming(value, copy_of(latch_));
    return phi;
  }

  llvm::PHINode* join(llvm::Value* past, llvm::Value* through) {
    auto* phi = llvm::PHINode::Create(past->getType(), 2, "", rest_->begin());
    phi->addIncoming(past, before_);
    phi->addIncoming(through, full_exit_);
    return phi;
  }

  /// The first loop goes on while all lanes want to. Returns which lanes want to go on behind it.
  llvm::Value* end_full_loop() {
    auto* branch = llvm::cast<llvm::BranchInst>(copy_of(latch_)->getTerminator());
    Builder b(branch);
    llvm::Value* staying = branch->getCondition();
    if (branch->getSuccessor(0) != copy_of(header_)) staying = b.CreateNot(staying);
    b.CreateCondBr(call_builtin(b, "__msl_all", {staying}), copy_of(header_), full_exit_);
    branch->eraseFromParent();
    llvm::BranchInst::Create(rest_, full_exit_);
    auto* behind = llvm::PHINode::Create(staying->getType(), 1, "", full_exit_->begin());
    behind->addIncoming(staying, copy_of(latch_));
    return behind;
  }

  void enter_full_loop() {
    before_->getTerminator()->eraseFromParent();
    Builder b(before_);
    b.CreateCondBr(call_builtin(b, "__msl_all_active", {}), full_entry_, rest_);
    llvm::BranchInst::Create(copy_of(header_), full_entry_);
    for (llvm::PHINode& phi : copy_of(header_)->phis()) phi.replaceIncomingBlockWith(before_, full_entry_);
  }

  void enter_rest(llvm::Value* staying) {
    llvm::BranchInst::Create(rest_entry_, exit_, join(llvm::ConstantInt::getTrue(header_->getContext()), staying), rest_);
    llvm::BranchInst::Create(header_, rest_entry_);
    for (llvm::PHINode& phi : header_->phis()) {
      llvm::Value* next = phi.getIncomingValueForBlock(latch_);
      int before = phi.getBasicBlockIndex(before_);
      phi.setIncomingValue(before, join(phi.getIncomingValue(before), from_full(next)));
      phi.setIncomingBlock(before, rest_entry_);
    }
  }

  void leave_rest() {
    latch_->getTerminator()->replaceSuccessorWith(exit_, rest_exit_);
    llvm::BranchInst::Create(exit_, rest_exit_);
    for (llvm::PHINode& phi : exit_->phis()) {
      llvm::Value* value = phi.getIncomingValue(0);
      auto* left = llvm::PHINode::Create(value->getType(), 1, "", rest_exit_->begin());
      left->addIncoming(value, latch_);
      phi.setIncomingValue(0, left);
      phi.setIncomingBlock(0, rest_exit_);
      // Who comes past the first loop goes through the second.
      phi.addIncoming(join(llvm::PoisonValue::get(value->getType()), from_full(value)), rest_);
    }
  }

  llvm::Loop& loop_;
  llvm::BasicBlock *before_, *header_, *latch_, *exit_;
  llvm::BasicBlock *full_entry_, *full_exit_, *rest_, *rest_entry_, *rest_exit_;
  llvm::ValueToValueMapTy copies_;
};

}  // namespace

void split_divergent_loops(llvm::Function& function) {
  llvm::DominatorTree dominators(function);
  llvm::PostDominatorTree post_dominators(function);
  llvm::LoopInfo loops(dominators);
  llvm::SmallVector<llvm::Loop*, 4> divergent;
  {
    ShapeAnalysis shapes(function, loops, post_dominators);
    for (llvm::Loop* loop : loops.getLoopsInPreorder())
      if (shapes.is_divergent(loop) && can_split(*loop)) divergent.push_back(loop);
  }
  for (llvm::Loop* loop : divergent) LoopSplitter(*loop).run();
}

}  // namespace mslc
