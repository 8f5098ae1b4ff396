// A 32-bit index that is extended to 64 bits keeps its offsets between lanes unless it wrapped from one lane to another.
// Where that cannot be ruled out, a check chooses at run time: neighbouring addresses, or any.
#include <llvm/IR/MDBuilder.h>
#include <llvm/Transforms/Utils/BasicBlockUtils.h>

#include "vectorise/vectoriser.h"

namespace mslc {

// Blocks are split last: masks and joins are found by block.
void Vectoriser::defer(llvm::Instruction& access) {
  Builder b(&access);
  bool is_load = llvm::isa<llvm::LoadInst>(access);
  llvm::Type* type = is_load ? static_cast<llvm::Type*>(lane_vector(access.getType())) : b.getInt1Ty();
  auto* placeholder = new llvm::FreezeInst(llvm::PoisonValue::get(type), "", access.getIterator());
  guarded_accesses_.push_back({&access, mask_of(access), placeholder});
  if (is_load)
    set_lanes(access, placeholder);
  else
    replaced_.push_back(&access);
}

void Vectoriser::expand(const GuardedAccess& guarded) {
  llvm::Instruction* in_order = nullptr;
  llvm::Instruction* wrapped = nullptr;
  llvm::Value* address = llvm::getLoadStorePointerOperand(guarded.access);
  llvm::Value* holds = guard(address);
  llvm::MDNode* likely = llvm::MDBuilder(function_.getContext()).createLikelyBranchWeights();
  llvm::SplitBlockAndInsertIfThenElse(holds, guarded.placeholder->getIterator(), &in_order, &wrapped, likely);
  Builder fast(in_order), slow(wrapped);
  if (auto* store = llvm::dyn_cast<llvm::StoreInst>(guarded.access)) {
    store_lanes(fast, *store, shapes_.of(address), guarded.mask);
    scatter(slow, *store, recompute(slow, address), guarded.mask);
    guarded.placeholder->eraseFromParent();
    return;
  }
  auto* load = llvm::cast<llvm::LoadInst>(guarded.access);
  llvm::Value* neighbours = load_lanes(fast, *load, shapes_.of(address), guarded.mask);
  llvm::Value* gathered = gather(slow, *load, recompute(slow, address), guarded.mask);
  Builder join(guarded.placeholder);
  llvm::PHINode* value = join.CreatePHI(neighbours->getType(), 2);
  value->addIncoming(neighbours, in_order->getParent());
  value->addIncoming(gathered, wrapped->getParent());
  lanes_[load] = value;
  guarded.placeholder->replaceAllUsesWith(value);
  guarded.placeholder->eraseFromParent();
}

/// A scalar i1: the value's offsets hold.
llvm::Value* Vectoriser::guard(llvm::Value* value) {
  llvm::LLVMContext& context = function_.getContext();
  if (!shapes_.of(value).is_guarded()) return llvm::ConstantInt::getTrue(context);
  if (auto found = guards_.find(value); found != guards_.end()) return found->second;
  auto* instruction = llvm::cast<llvm::Instruction>(value);
  if (auto* phi = llvm::dyn_cast<llvm::PHINode>(instruction)) {
    Builder b(phi);
    llvm::PHINode* holds = b.CreatePHI(b.getInt1Ty(), phi->getNumIncomingValues(), "in.order");
    guards_[value] = holds;
    for (unsigned i = 0; i < phi->getNumIncomingValues(); ++i)
      holds->addIncoming(guard(phi->getIncomingValue(i)), phi->getIncomingBlock(i));
    return holds;
  }
  llvm::Value* holds = llvm::ConstantInt::getTrue(context);
  if (auto* cast = llvm::dyn_cast<llvm::CastInst>(instruction); cast && shapes_.may_wrap(*cast))
    holds = guard_of_cast(*cast);
  llvm::SmallVector<llvm::Value*, 2> operands;
  for (llvm::Value* operand : instruction->operands())
    if (shapes_.of(operand).is_guarded()) operands.push_back(guard(operand));
  Builder b(instruction->getParent(), *instruction->getInsertionPointAfterDef());
  if (auto* made = llvm::dyn_cast<llvm::Instruction>(holds)) b.SetInsertPoint(made->getNextNode());
  for (llvm::Value* operand : operands) holds = b.CreateAnd(holds, operand);
  return guards_[value] = holds;
}

// base + offset must not leave the range of the narrow type, for the smallest and the largest offset.
llvm::Value* Vectoriser::guard_of_cast(llvm::CastInst& cast) {
  Builder b(cast.getParent(), *cast.getInsertionPointAfterDef());
  const Shape& shape = shapes_.of(cast.getOperand(0));
  llvm::Value* base = cast.getOperand(0);
  llvm::Type* type = base->getType();
  llvm::APInt lowest(type->getIntegerBitWidth(), 0);
  if (llvm::isa<llvm::SExtInst>(cast)) lowest = llvm::APInt::getSignedMinValue(lowest.getBitWidth());
  // As unsigned distances from the lowest value of the type.
  llvm::Value* distance = b.CreateSub(base, llvm::ConstantInt::get(type, lowest));
  llvm::APInt below(lowest.getBitWidth(), -shape.min_offset());
  llvm::APInt above = llvm::APInt::getMaxValue(lowest.getBitWidth()) -
                      llvm::APInt(lowest.getBitWidth(), shape.max_offset()) - below;
  return b.CreateICmpULE(b.CreateSub(distance, llvm::ConstantInt::get(type, below)), llvm::ConstantInt::get(type, above));
}

/// The lanes of a value computed anew where they are needed, so that the usual path does not compute them.
llvm::Value* Vectoriser::recompute(Builder& b, llvm::Value* value) {
  if (!shapes_.of(value).is_guarded() || llvm::isa<llvm::PHINode>(value)) return lanes(value);
  return widen_pure(b, *llvm::cast<llvm::Instruction>(value),
                    [&](llvm::Value* operand) { return recompute(b, operand); });
}

}  // namespace mslc
