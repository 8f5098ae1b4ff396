// Masks. In structured form, a conditional branch either skips to the block that post-dominates it, or is the latch
// of a loop; a divergent one becomes "if any lane wants to".
#include <llvm/IR/CFG.h>

#include "vectorise/vectoriser.h"

namespace mslc {

llvm::Value* Vectoriser::mask_vector(llvm::Value* mask) const {
  return mask ? mask : llvm::Constant::getAllOnesValue(lane_vector(llvm::Type::getInt1Ty(function_.getContext())));
}

llvm::Value* Vectoriser::mask_bits(Builder& b, llvm::Value* mask) const {
  return b.CreateBitCast(mask_vector(mask), b.getInt32Ty());
}

llvm::Value* Vectoriser::any(Builder& b, llvm::Value* mask) const {
  return b.CreateICmpNE(mask_bits(b, mask), b.getInt32(0));
}

llvm::BasicBlock* Vectoriser::post_dominator(llvm::BasicBlock* block) const {
  auto* node = post_dominators_.getNode(block)->getIDom();
  return node ? node->getBlock() : nullptr;
}

void Vectoriser::compute_mask(llvm::BasicBlock* block) {
  if (block == &function_.getEntryBlock()) return;
  llvm::Loop* loop = loops_.getLoopFor(block);
  if (loop && loop->getHeader() == block) {
    if (!loop->getLoopPreheader() || !loop->getLoopLatch()) fail("loop not in simple form", *block->getTerminator());
    masks_[block] = entry_mask(loop);
    if (!shapes_.is_divergent(loop)) return;
    Builder b(&block->front());
    masks_[block] = b.CreatePHI(lane_vector(b.getInt1Ty()), 2, "active");
    return;
  }
  llvm::BasicBlock* dominator = dominators_[block]->getIDom()->getBlock();
  const llvm::Loop* left = nullptr;
  for (const llvm::Loop* l = loops_.getLoopFor(dominator); l && !l->contains(block); l = l->getParentLoop()) left = l;
  if (left)
    masks_[block] = entry_mask(left);
  else if (llvm::BasicBlock* predecessor = block->getSinglePredecessor())
    masks_[block] = edge_mask(predecessor, block);
  else
    masks_[block] = masks_.lookup(dominator);
}

llvm::Value* Vectoriser::edge_mask(llvm::BasicBlock* from, llvm::BasicBlock* to) const {
  if (is_full_edge(from, to)) return nullptr;
  bool taken_by_some = then_masks_.contains(from) && post_dominator(from) != to;
  return taken_by_some ? then_masks_.lookup(from) : masks_.lookup(from);
}

/// Control goes that way only if all lanes are active: split_divergent_loops() has asked.
bool Vectoriser::is_full_edge(const llvm::BasicBlock* from, const llvm::BasicBlock* to) const {
  return full_branches_.contains(from) && from->getTerminator()->getSuccessor(0) == to;
}

llvm::Value* Vectoriser::entry_mask(const llvm::Loop* loop) const {
  return edge_mask(loop->getLoopPreheader(), loop->getHeader());
}

void Vectoriser::widen_branch(llvm::BasicBlock* block) {
  if (!llvm::isa<llvm::BranchInst, llvm::ReturnInst>(block->getTerminator()))
    fail("terminator not lowered", *block->getTerminator());
  if (!shapes_.is_divergent(block)) return;
  auto* branch = llvm::cast<llvm::BranchInst>(block->getTerminator());
  for (const llvm::Loop* loop = loops_.getLoopFor(block); loop; loop = loop->getParentLoop())
    if (!loop->contains(branch->getSuccessor(0)) || !loop->contains(branch->getSuccessor(1)))
      return widen_latch(branch, block, loop);

  llvm::BasicBlock* merge = post_dominator(block);
  bool on_true = branch->getSuccessor(1) == merge;
  if (!on_true && branch->getSuccessor(0) != merge) fail("branch not structured", *branch);
  Builder b(branch);
  llvm::Value* condition = lanes(branch->getCondition());
  if (!on_true) condition = b.CreateNot(condition);
  llvm::Value* mask = masks_.lookup(block);
  // A select, as the condition may be poison where the mask is off.
  llvm::Value* taken = mask ? b.CreateLogicalAnd(mask, condition) : condition;
  then_masks_[block] = taken;
  branch->setCondition(on_true ? any(b, taken) : b.CreateNot(any(b, taken)));
}

// Lanes stay in the loop while they want to; the loop runs while any lane does.
void Vectoriser::widen_latch(llvm::BranchInst* branch, llvm::BasicBlock* block, const llvm::Loop* loop) {
  if (loop->getLoopLatch() != block || loops_.getLoopFor(block) != loop) fail("exit not at the latch of a loop", *branch);
  bool on_true = branch->getSuccessor(0) == loop->getHeader();
  Builder b(branch);
  llvm::Value* condition = lanes(branch->getCondition());
  if (!on_true) condition = b.CreateNot(condition);
  llvm::Value* staying = b.CreateLogicalAnd(mask_vector(masks_.lookup(block)), condition);
  auto* active = llvm::cast<llvm::PHINode>(masks_.lookup(loop->getHeader()));
  active->addIncoming(staying, block);
  active->addIncoming(mask_vector(entry_mask(loop)), loop->getLoopPreheader());
  branch->setCondition(on_true ? any(b, staying) : b.CreateNot(any(b, staying)));
}

/// The outermost divergent loop that the phi's values leave, if they were computed in it.
const llvm::Loop* Vectoriser::divergent_loop_left(const llvm::PHINode& phi) const {
  const llvm::Loop* left = nullptr;
  for (const llvm::Loop* loop = loops_.getLoopFor(phi.getIncomingBlock(0)); loop && !loop->contains(phi.getParent());
       loop = loop->getParentLoop())
    if (shapes_.is_divergent(loop)) left = loop;
  return left;
}

// Each lane's value is that of its last iteration: keep it when the lane has left and others go on.
void Vectoriser::fill_loop_result(llvm::PHINode* phi, const llvm::Loop* loop) {
  if (phi->getNumIncomingValues() != 1) fail("loop result with several exits", *phi);
  auto* vector = llvm::cast<llvm::PHINode>(lanes_[phi]);
  llvm::BasicBlock* latch = loop->getLoopLatch();
  llvm::Value* value = lanes(phi->getIncomingValue(0));
  Builder header(&loop->getHeader()->front());
  llvm::PHINode* kept = header.CreatePHI(vector->getType(), 2, "kept");
  Builder b(latch->getTerminator());
  llvm::Value* latest = b.CreateSelect(mask_vector(masks_.lookup(latch)), value, kept);
  kept->addIncoming(latest, latch);
  kept->addIncoming(llvm::PoisonValue::get(vector->getType()), loop->getLoopPreheader());
  vector->addIncoming(latest, phi->getIncomingBlock(0));
}

void Vectoriser::fill_phi(llvm::PHINode* phi) {
  auto* vector = llvm::cast<llvm::PHINode>(lanes_[phi]);
  llvm::BasicBlock* block = phi->getParent();
  llvm::BasicBlock* dominator = dominators_[block]->getIDom()->getBlock();
  bool may_join_lanes = shapes_.of(phi).is_varying() && !loops_.isLoopHeader(block);
  if (const llvm::Loop* loop = may_join_lanes ? divergent_loop_left(*phi) : nullptr) return fill_loop_result(phi, loop);
  if (!may_join_lanes || !then_masks_.contains(dominator) || post_dominator(dominator) != block) {
    for (unsigned i = 0; i < phi->getNumIncomingValues(); ++i)
      vector->addIncoming(lanes(phi->getIncomingValue(i)), phi->getIncomingBlock(i));
    return;
  }
  if (phi->getNumIncomingValues() != 2) fail("join of more than two ways", *phi);
  unsigned skipped = phi->getIncomingBlock(0) == dominator ? 0 : 1;
  llvm::Value* otherwise = lanes(phi->getIncomingValue(skipped));
  llvm::Value* taken = lanes(phi->getIncomingValue(1 - skipped));
  llvm::BasicBlock* from = phi->getIncomingBlock(1 - skipped);
  Builder b(from->getTerminator());
  if (!llvm::isa<llvm::UndefValue>(otherwise)) taken = b.CreateSelect(then_masks_[dominator], taken, otherwise);
  vector->addIncoming(otherwise, dominator);
  vector->addIncoming(taken, from);
}

}  // namespace mslc
