// A 32-bit index that is extended to 64 bits keeps its offsets between lanes unless it wrapped from one lane to another.
// Where that cannot be ruled out, a check chooses at run time: neighbouring addresses, or any.
#include <llvm/IR/MDBuilder.h>
#include <llvm/Transforms/Utils/BasicBlockUtils.h>

#include "vectorise/vectoriser.h"

namespace mslc {

// Blocks are split last: masks and joins are found by block.
void Vectoriser::defer(const Neighbours& accesses) {
  const bool are_loads = llvm::isa<llvm::LoadInst>(accesses.accesses.front());
  llvm::Instruction* place = are_loads ? accesses.accesses.front() : accesses.accesses.back();
  Builder b(place);
  GuardedAccess guarded{accesses, mask_of(*place), {}};
  auto hold_place = [&](llvm::Type* type) {
    guarded.placeholders.push_back(new llvm::FreezeInst(llvm::PoisonValue::get(type), "", place->getIterator()));
    return guarded.placeholders.back();
  };
  if (are_loads)
    for (llvm::Instruction* load : accesses.accesses) set_lanes(*load, hold_place(lane_vector(load->getType())));
  else
    hold_place(b.getInt1Ty());
  guarded_accesses_.push_back(std::move(guarded));
}

void Vectoriser::expand(const GuardedAccess& guarded) {
  llvm::Instruction* in_order = nullptr;
  llvm::Instruction* wrapped = nullptr;
  const auto& accesses = guarded.accesses.accesses;
  auto address = [](llvm::Instruction* access) { return llvm::getLoadStorePointerOperand(access); };
  llvm::Value* holds = guard(address(accesses.front()));
  llvm::MDNode* likely = llvm::MDBuilder(function_.getContext()).createLikelyBranchWeights();
  llvm::SplitBlockAndInsertIfThenElse(holds, guarded.placeholders.front()->getIterator(), &in_order, &wrapped, likely);
  Builder fast(in_order), slow(wrapped);
  if (llvm::isa<llvm::StoreInst>(accesses.front())) {
    store_in_order(fast, guarded.accesses, guarded.mask);
    for (llvm::Instruction* store : accesses)
      scatter(slow, llvm::cast<llvm::StoreInst>(*store), recompute(slow, address(store)), guarded.mask);
    guarded.placeholders.front()->eraseFromParent();
    return;
  }
  Builder join(guarded.placeholders.front());
  auto in_fast = load_in_order(fast, guarded.accesses, guarded.mask);
  for (auto [access, neighbours, placeholder] : llvm::zip(accesses, in_fast, guarded.placeholders)) {
    auto& load = llvm::cast<llvm::LoadInst>(*access);
    llvm::Value* gathered = gather(slow, load, recompute(slow, address(&load)), guarded.mask);
    llvm::PHINode* value = join.CreatePHI(neighbours->getType(), 2);
    value->addIncoming(neighbours, in_order->getParent());
    value->addIncoming(gathered, wrapped->getParent());
    lanes_[&load] = value;
    placeholder->replaceAllUsesWith(value);
  }
  for (llvm::Instruction* placeholder : guarded.placeholders) placeholder->eraseFromParent();
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
