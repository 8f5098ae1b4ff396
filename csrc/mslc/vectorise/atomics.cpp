// Atomic operations: one a lane, lowest lane first; lanes that meet at one address are combined before.
#include <llvm/IR/Module.h>

#include "vectorise/lane_loop.h"
#include "vectorise/vectoriser.h"

namespace mslc {

namespace {

std::string atomic_name(llvm::StringRef operation, llvm::Type* type, llvm::AtomicOrdering ordering) {
  return (operation + "." + type_suffix(type) + "." + llvm::toIRString(ordering)).str();
}

/// Combines the lanes of an integer operation whose old value nobody wants; null if it does not reduce.
llvm::Value* reduce(llvm::IRBuilder<>& b, llvm::AtomicRMWInst::BinOp operation, llvm::Value* values, llvm::Value* mask) {
  llvm::Type* type = values->getType()->getScalarType();
  unsigned bits = type->getScalarSizeInBits();
  auto active = [&](const llvm::APInt& identity) {
    if (!mask) return values;
    return b.CreateSelect(mask, values, llvm::ConstantInt::get(values->getType(), identity));
  };
  switch (operation) {
    case llvm::AtomicRMWInst::Add:
    case llvm::AtomicRMWInst::Sub: return b.CreateAddReduce(active(llvm::APInt::getZero(bits)));
    case llvm::AtomicRMWInst::And: return b.CreateAndReduce(active(llvm::APInt::getAllOnes(bits)));
    case llvm::AtomicRMWInst::Or: return b.CreateOrReduce(active(llvm::APInt::getZero(bits)));
    case llvm::AtomicRMWInst::Xor: return b.CreateXorReduce(active(llvm::APInt::getZero(bits)));
    case llvm::AtomicRMWInst::Max: return b.CreateIntMaxReduce(active(llvm::APInt::getSignedMinValue(bits)), true);
    case llvm::AtomicRMWInst::Min: return b.CreateIntMinReduce(active(llvm::APInt::getSignedMaxValue(bits)), true);
    case llvm::AtomicRMWInst::UMax: return b.CreateIntMaxReduce(active(llvm::APInt::getZero(bits)), false);
    case llvm::AtomicRMWInst::UMin: return b.CreateIntMinReduce(active(llvm::APInt::getAllOnes(bits)), false);
    default: return nullptr;
  }
}

}  // namespace

void Vectoriser::widen_atomic(llvm::AtomicRMWInst& atomic) {
  Builder b(&atomic);
  llvm::Type* type = atomic.getType();
  llvm::Value *pointer = atomic.getPointerOperand(), *mask = mask_of(atomic);
  llvm::Value* values = lanes(atomic.getValOperand());
  auto perform = [&](Builder& builder, llvm::Value* address, llvm::Value* value) {
    return builder.CreateAtomicRMW(atomic.getOperation(), address, value, atomic.getAlign(), atomic.getOrdering(),
                                   atomic.getSyncScopeID());
  };
  if (is_uniform(pointer) && atomic.use_empty()) {
    if (llvm::Value* total = reduce(b, atomic.getOperation(), values, mask)) {
      perform(b, pointer, total);
      replaced_.push_back(&atomic);
      return;
    }
  }
  llvm::Value* address = is_uniform(pointer) ? pointer : lanes(pointer);
  std::string name = atomic_name(llvm::AtomicRMWInst::getOperationName(atomic.getOperation()), type, atomic.getOrdering());
  set_lanes(atomic, call_for_each_lane(b, "atomic." + name, {address, values}, mask_bits(b, mask), type,
                                       [&](Builder& lane, llvm::ArrayRef<llvm::Value*> operands) {
                                         return perform(lane, operands[0], operands[1]);
                                       }));
}

// What it returns is a pair: the old value, and whether it was the expected one, which follows from the old value.
void Vectoriser::widen_compare_exchange(llvm::AtomicCmpXchgInst& exchange) {
  Builder b(&exchange);
  llvm::Value* pointer = exchange.getPointerOperand();
  llvm::Value *expected = lanes(exchange.getCompareOperand()), *desired = lanes(exchange.getNewValOperand());
  llvm::Type* type = exchange.getCompareOperand()->getType();
  auto perform = [&](Builder& lane, llvm::ArrayRef<llvm::Value*> operands) {
    // Strong: whether it has succeeded must follow from the old value.
    return lane.CreateExtractValue(
        lane.CreateAtomicCmpXchg(operands[0], operands[1], operands[2], exchange.getAlign(), exchange.getSuccessOrdering(),
                                 exchange.getFailureOrdering(), exchange.getSyncScopeID()), 0);
  };
  llvm::Value* old = call_for_each_lane(
      b, atomic_name("exchange", type, exchange.getSuccessOrdering()),
      {is_uniform(pointer) ? pointer : lanes(pointer), expected, desired}, mask_bits(b, mask_of(exchange)), type, perform);
  for (llvm::User* user : exchange.users()) {
    auto* part = llvm::dyn_cast<llvm::ExtractValueInst>(user);
    if (!part) fail("use of a compare-exchange as a whole", *user);
    lanes_[part] = part->getIndices()[0] == 0 ? old : b.CreateICmpEQ(old, expected);
  }
  replaced_.push_back(&exchange);
}

}  // namespace mslc
