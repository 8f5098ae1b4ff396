// Atomic operations: one a lane, lowest lane first; lanes that meet at one address are combined before.
#include <llvm/Analysis/ValueTracking.h>
#include <llvm/IR/Module.h>
#include <llvm/Transforms/Utils/LowerAtomic.h>

#include "vectorise/lane_loop.h"
#include "vectorise/vectoriser.h"

namespace mslc {

namespace {

std::string atomic_name(llvm::StringRef operation, llvm::Type* type, llvm::AtomicOrdering ordering) {
  return (operation + "." + type_suffix(type) + "." + llvm::toIRString(ordering)).str();
}

/// Threadgroup memory is one argument of a body, the only one that nothing else points into.
bool is_threadgroup_memory(const llvm::Value* pointer) {
  auto* memory = llvm::dyn_cast<llvm::Argument>(llvm::getUnderlyingObject(pointer, /*MaxLookup=*/0));
  return memory && memory->hasNoAliasAttr();
}

/// An operation on memory that no other thread of the CPU reaches: SIMD-groups of a threadgroup take turns at barriers.
llvm::Value* perform_alone(llvm::IRBuilder<>& b, const llvm::AtomicRMWInst& atomic, llvm::Value* address,
                           llvm::Value* value) {
  llvm::Value* old = b.CreateAlignedLoad(atomic.getType(), address, atomic.getAlign());
  b.CreateAlignedStore(llvm::buildAtomicRMWValue(atomic.getOperation(), b, old, value), address, atomic.getAlign());
  return old;
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

constexpr unsigned kBlock = 4;  // floats that one compare-exchange replaces

/// Adds the lanes' values to neighbouring floats, four at a time where all lanes are active and the first float is
/// aligned to that, else one by one: `each` does so. All are read and added before the first exchange, as exchanges wait
/// for what is before them, and what lies behind is fetched meanwhile, where later SIMD-groups may add. The result is
/// undefined; nobody wants it.
void fill_row_addition(llvm::Function* function, llvm::function_ref<void(llvm::IRBuilder<>&)> each) {
  llvm::LLVMContext& context = function->getContext();
  auto block = [&](const char* name) { return llvm::BasicBlock::Create(context, name, function); };
  auto *entry = block("entry"), *all = block("all"), *next = block("block"), *again = block("again");
  auto *succeeded = block("succeeded"), *one_by_one = block("one.by.one"), *end = block("end");
  llvm::Argument *mask_bits = function->getArg(0), *row = function->getArg(1), *values = function->getArg(2);

  llvm::IRBuilder<> b(entry);
  llvm::Type *whole = b.getIntNTy(32 * kBlock), *floats = llvm::FixedVectorType::get(b.getFloatTy(), kBlock);
  llvm::Align align(4 * kBlock);
  auto array = [&] { return b.CreateAlloca(values->getType()); };
  llvm::AllocaInst *addends = array(), *seen = array(), *sums = array();
  llvm::Value* offset = b.CreateAnd(b.CreatePtrToInt(row, b.getInt64Ty()), align.value() - 1);
  llvm::Value* full = b.CreateICmpEQ(mask_bits, b.getInt32(~0u));
  b.CreateCondBr(b.CreateAnd(full, b.CreateICmpEQ(offset, b.getInt64(0))), all, one_by_one);

  b.SetInsertPoint(all);
  // They may be torn: an exchange fails then.
  llvm::Value* present = b.CreateAlignedLoad(values->getType(), row, align, /*isVolatile=*/true);
  b.CreateStore(present, seen);
  b.CreateStore(b.CreateFAdd(present, values), sums);
  b.CreateStore(values, addends);
  for (unsigned line = 0; line < 2; ++line) {
    constexpr unsigned kLine = 64, kToWrite = 1, kKeep = 3, kData = 1;
    llvm::Value* behind = b.CreateConstGEP1_64(b.getInt8Ty(), row, 2 * 4 * kLanes + line * kLine);
    b.CreateIntrinsic(llvm::Intrinsic::prefetch, {b.getPtrTy()},
                      {behind, b.getInt32(kToWrite), b.getInt32(kKeep), b.getInt32(kData)});
  }
  b.CreateBr(next);

  auto exchange = [&](llvm::Value* place, llvm::Value* old, llvm::Value* sum) {
    constexpr auto relaxed = llvm::AtomicOrdering::Monotonic;
    llvm::Value* result = b.CreateAtomicCmpXchg(place, old, sum, align, relaxed, relaxed);
    llvm::Value* found = b.CreateExtractValue(result, 0);
    b.CreateCondBr(b.CreateExtractValue(result, 1), succeeded, again);
    return found;
  };
  b.SetInsertPoint(next);
  llvm::PHINode* index = b.CreatePHI(b.getInt64Ty(), 2);
  llvm::Value* place = b.CreateGEP(floats, row, index);
  auto element = [&](llvm::Type* type, llvm::Value* from) { return b.CreateLoad(type, b.CreateGEP(floats, from, index)); };
  llvm::Value* first_found = exchange(place, element(whole, seen), element(whole, sums));

  b.SetInsertPoint(again);
  llvm::PHINode* old = b.CreatePHI(whole, 2);
  llvm::Value* sum = b.CreateFAdd(b.CreateBitCast(old, floats), element(floats, addends));
  old->addIncoming(first_found, next);
  old->addIncoming(exchange(place, old, b.CreateBitCast(sum, whole)), again);

  b.SetInsertPoint(succeeded);
  llvm::Value* following = b.CreateAdd(index, b.getInt64(1));
  index->addIncoming(b.getInt64(0), all);
  index->addIncoming(following, succeeded);
  b.CreateCondBr(b.CreateICmpEQ(following, b.getInt64(kLanes / kBlock)), end, next);

  b.SetInsertPoint(one_by_one);
  each(b);
  b.CreateBr(end);
  b.SetInsertPoint(end);
  b.CreateRetVoid();
}

}  // namespace

/// Relaxed additions of floats that lie side by side.
bool Vectoriser::add_to_row(Builder& b, llvm::AtomicRMWInst& atomic) {
  llvm::Type* type = atomic.getType();
  const Shape& shape = shapes_.of(atomic.getPointerOperand());
  bool fits = features_.compare_exchange_16 && atomic.getOperation() == llvm::AtomicRMWInst::FAdd && type->isFloatTy() &&
              atomic.use_empty() && atomic.getOrdering() == llvm::AtomicOrdering::Monotonic && shape.has_stride(4) &&
              !shape.is_guarded();
  if (!fits) return false;
  constexpr char kName[] = "mslc.atomic.add.row";
  llvm::Function* function = module_.getFunction(kName);
  if (!function) {
    llvm::Type* parameters[] = {b.getInt32Ty(), b.getPtrTy(), lane_vector(type)};
    function = add_helper(module_, llvm::FunctionType::get(b.getVoidTy(), parameters, false), kName);
    fill_row_addition(function, [&](Builder& helper) {
      llvm::SmallVector<llvm::Constant*, kLanes> indices;
      for (unsigned lane = 0; lane < kLanes; ++lane) indices.push_back(helper.getInt64(lane));
      llvm::Value* addresses = helper.CreateGEP(type, function->getArg(1), llvm::ConstantVector::get(indices));
      call_for_each_lane(helper, "atomic.fadd.row", {addresses, function->getArg(2)}, function->getArg(0), type,
                         [&](Builder& lane, llvm::ArrayRef<llvm::Value*> operands) {
                           return lane.CreateAtomicRMW(llvm::AtomicRMWInst::FAdd, operands[0], operands[1], llvm::Align(4),
                                                       llvm::AtomicOrdering::Monotonic);
                         });
    });
  }
  llvm::CallInst* call =
      b.CreateCall(function, {mask_bits(b, mask_of(atomic)), atomic.getPointerOperand(), lanes(atomic.getValOperand())});
  call->setCallingConv(function->getCallingConv());
  replaced_.push_back(&atomic);
  return true;
}

void Vectoriser::widen_atomic(llvm::AtomicRMWInst& atomic) {
  Builder b(&atomic);
  if (add_to_row(b, atomic)) return;
  llvm::Type* type = atomic.getType();
  llvm::Value *pointer = atomic.getPointerOperand(), *mask = mask_of(atomic);
  llvm::Value* values = lanes(atomic.getValOperand());
  const bool alone = atomic.getOrdering() == llvm::AtomicOrdering::Monotonic && is_threadgroup_memory(pointer);
  auto perform = [&](Builder& builder, llvm::Value* address, llvm::Value* value) -> llvm::Value* {
    if (alone) return perform_alone(builder, atomic, address, value);
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
  set_lanes(atomic, call_for_each_lane(b, (alone ? "alone." : "atomic.") + name, {address, values}, mask_bits(b, mask), type,
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
