#include "vectorise/small_floats.h"

#include <llvm/Analysis/VectorUtils.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/IntrinsicInst.h>

namespace mslc {

namespace {

bool is_small(llvm::Type* type) {
  return type->getScalarType()->isHalfTy() || type->getScalarType()->isBFloatTy();
}

llvm::Type* with_scalar(llvm::Type* shape, llvm::Type* scalar) {
  auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(shape);
  return vector ? llvm::FixedVectorType::get(scalar, vector->getNumElements()) : scalar;
}

/// Does one instruction in float. Returns null if it is not arithmetic on small floats.
llvm::Value* in_float(llvm::IRBuilder<>& b, llvm::Instruction& instruction) {
  llvm::Type* type = instruction.getType();
  auto operand = [&](unsigned i) {
    llvm::Value* value = instruction.getOperand(i);
    return is_small(value->getType()) ? to_float(b, value) : value;
  };
  auto keep_flags = [&](llvm::Value* value) {
    if (auto* made = llvm::dyn_cast<llvm::Instruction>(value); made && llvm::isa<llvm::FPMathOperator>(made))
      made->copyFastMathFlags(&instruction);
    return value;
  };
  if (auto* comparison = llvm::dyn_cast<llvm::FCmpInst>(&instruction)) {
    if (!is_small(comparison->getOperand(0)->getType())) return nullptr;
    return keep_flags(b.CreateFCmp(comparison->getPredicate(), operand(0), operand(1)));
  }
  if (auto* cast = llvm::dyn_cast<llvm::CastInst>(&instruction)) {
    bool converts = !llvm::isa<llvm::BitCastInst>(cast) && (is_small(cast->getSrcTy()) || is_small(type));
    if (!converts) return nullptr;
    llvm::Value* value = operand(0);
    if (!is_small(type)) {
      if (llvm::isa<llvm::FPExtInst>(cast)) return type->getScalarType()->isFloatTy() ? value : b.CreateFPExt(value, type);
      return b.CreateCast(cast->getOpcode(), value, type);
    }
    if (!value->getType()->getScalarType()->isFloatTy()) {
      // From double or an integer there are two roundings; to float first, as CPUs do.
      llvm::Type* real = with_scalar(type, b.getFloatTy());
      value = b.CreateCast(cast->getOpcode(), value, real);
    }
    return from_float(b, value, type);
  }
  if (!is_small(type)) {
    auto* call = llvm::dyn_cast<llvm::IntrinsicInst>(&instruction);
    bool reads_small = call && llvm::any_of(call->args(), [](const llvm::Use& use) { return is_small(use->getType()); });
    if (!reads_small || !llvm::isTriviallyVectorizable(call->getIntrinsicID())) return nullptr;
  }
  if (auto* operation = llvm::dyn_cast<llvm::BinaryOperator>(&instruction))
    return from_float(b, keep_flags(b.CreateBinOp(operation->getOpcode(), operand(0), operand(1))), type);
  if (auto* unary = llvm::dyn_cast<llvm::UnaryOperator>(&instruction)) {
    // The sign is a bit: nothing is rounded.
    llvm::Type* bits = with_scalar(type, b.getInt16Ty());
    llvm::Value* flipped = b.CreateXor(b.CreateBitCast(unary->getOperand(0), bits), llvm::ConstantInt::get(bits, 0x8000));
    return b.CreateBitCast(flipped, type);
  }
  auto* call = llvm::dyn_cast<llvm::IntrinsicInst>(&instruction);
  if (!call || !llvm::isTriviallyVectorizable(call->getIntrinsicID())) return nullptr;
  if (call->getIntrinsicID() == llvm::Intrinsic::fabs) {
    llvm::Type* bits = with_scalar(type, b.getInt16Ty());
    llvm::Value* positive = b.CreateAnd(b.CreateBitCast(call->getArgOperand(0), bits), llvm::ConstantInt::get(bits, 0x7fff));
    return b.CreateBitCast(positive, type);
  }
  llvm::SmallVector<llvm::Value*, 3> arguments;
  llvm::SmallVector<llvm::Type*, 2> overloads;
  llvm::Intrinsic::ID id = call->getIntrinsicID();
  llvm::Type* real = is_small(type) ? with_scalar(type, b.getFloatTy()) : type;
  if (llvm::isVectorIntrinsicWithOverloadTypeAtArg(id, -1)) overloads.push_back(real);
  for (unsigned i = 0; i < call->arg_size(); ++i) {
    arguments.push_back(operand(i));
    if (llvm::isVectorIntrinsicWithOverloadTypeAtArg(id, i)) overloads.push_back(arguments.back()->getType());
  }
  llvm::Value* result = keep_flags(b.CreateIntrinsic(id, overloads, arguments));
  return is_small(type) ? from_float(b, result, type) : result;
}

}  // namespace

llvm::Value* to_float(llvm::IRBuilder<>& b, llvm::Value* value) {
  llvm::Type* real = with_scalar(value->getType(), b.getFloatTy());
  if (value->getType()->getScalarType()->isHalfTy()) return b.CreateFPExt(value, real);
  llvm::Type* word = with_scalar(value->getType(), b.getInt32Ty());
  llvm::Value* bits = b.CreateZExt(b.CreateBitCast(value, with_scalar(value->getType(), b.getInt16Ty())), word);
  return b.CreateBitCast(b.CreateShl(bits, 16), real);
}

llvm::Value* from_float(llvm::IRBuilder<>& b, llvm::Value* value, llvm::Type* type) {
  if (type->getScalarType()->isHalfTy()) return b.CreateFPTrunc(value, type);
  llvm::Type* word = with_scalar(type, b.getInt32Ty());
  llvm::Type* half_word = with_scalar(type, b.getInt16Ty());
  auto constant = [&](uint32_t c) { return llvm::ConstantInt::get(word, c); };
  llvm::Value* bits = b.CreateBitCast(value, word);
  llvm::Value* odd = b.CreateAnd(b.CreateLShr(bits, 16), constant(1));
  llvm::Value* rounded = b.CreateLShr(b.CreateAdd(bits, b.CreateAdd(odd, constant(0x7fff))), 16);
  // A NaN keeps its upper bits and becomes quiet; rounding could make it an infinity.
  llvm::Value* nan = b.CreateOr(b.CreateLShr(bits, 16), constant(0x40));
  llvm::Value* result = b.CreateSelect(b.CreateFCmpUNO(value, value), nan, rounded);
  return b.CreateBitCast(b.CreateTrunc(result, half_word), type);
}

namespace {

/// The same with the bits of a bfloat in place of it. Returns null if it is none that moves bfloats.
llvm::Value* in_bits(llvm::IRBuilder<>& b, llvm::Instruction& instruction) {
  llvm::Type* bits = b.getInt16Ty();
  if (auto* store = llvm::dyn_cast<llvm::StoreInst>(&instruction)) {
    if (store->getValueOperand()->getType()->isBFloatTy()) store->setOperand(0, b.CreateBitCast(store->getValueOperand(), bits));
    return nullptr;
  }
  if (!instruction.getType()->isBFloatTy()) return nullptr;
  if (auto* load = llvm::dyn_cast<llvm::LoadInst>(&instruction)) {
    llvm::LoadInst* made = b.CreateAlignedLoad(bits, load->getPointerOperand(), load->getAlign(), load->isVolatile());
    made->copyMetadata(*load);
    return made;
  }
  if (auto* select = llvm::dyn_cast<llvm::SelectInst>(&instruction))
    return b.CreateSelect(select->getCondition(), b.CreateBitCast(select->getTrueValue(), bits),
                          b.CreateBitCast(select->getFalseValue(), bits));
  if (auto* freeze = llvm::dyn_cast<llvm::FreezeInst>(&instruction))
    return b.CreateFreeze(b.CreateBitCast(freeze->getOperand(0), bits));
  auto* phi = llvm::dyn_cast<llvm::PHINode>(&instruction);
  if (!phi) return nullptr;
  llvm::PHINode* made = b.CreatePHI(bits, phi->getNumIncomingValues());
  for (auto [block, value] : llvm::zip(phi->blocks(), phi->incoming_values())) {
    b.SetInsertPoint(block->getTerminator());
    made->addIncoming(b.CreateBitCast(value, bits), block);
  }
  return made;
}

}  // namespace

void hold_bfloats_as_bits(llvm::Function& function) {
  for (llvm::Instruction& instruction : llvm::make_early_inc_range(llvm::instructions(function))) {
    llvm::IRBuilder<> b(&instruction);
    llvm::Value* bits = in_bits(b, instruction);
    if (!bits) continue;
    llvm::BasicBlock* block = instruction.getParent();
    b.SetInsertPoint(block, llvm::isa<llvm::PHINode>(instruction) ? block->getFirstInsertionPt() : instruction.getIterator());
    instruction.replaceAllUsesWith(b.CreateBitCast(bits, instruction.getType()));
    instruction.eraseFromParent();
  }
}

void widen_small_floats(llvm::Function& function) {
  for (llvm::Instruction& instruction : llvm::make_early_inc_range(llvm::instructions(function))) {
    llvm::IRBuilder<> b(&instruction);
    llvm::Value* result = in_float(b, instruction);
    if (!result) continue;
    instruction.replaceAllUsesWith(result);
    instruction.eraseFromParent();
  }
}

}  // namespace mslc
