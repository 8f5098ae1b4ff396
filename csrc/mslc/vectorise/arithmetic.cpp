// Operations that touch no memory: the vector form does to each lane what the scalar form did.
#include <llvm/Analysis/VectorUtils.h>
#include <llvm/IR/Module.h>

#include "vectorise/lane_loop.h"
#include "vectorise/vectoriser.h"

namespace mslc {

llvm::Value* Vectoriser::widen_pure(Builder& b, llvm::Instruction& instruction, LaneOperand operand) {
  if (auto* address = llvm::dyn_cast<llvm::GetElementPtrInst>(&instruction)) return widen_address(b, *address, operand);
  if (auto* call = llvm::dyn_cast<llvm::IntrinsicInst>(&instruction)) return widen_intrinsic(b, *call, operand);
  auto lane_operand = [&](unsigned i) { return operand(instruction.getOperand(i)); };
  llvm::Value* vector = nullptr;
  if (auto* operation = llvm::dyn_cast<llvm::BinaryOperator>(&instruction))
    vector = b.CreateBinOp(operation->getOpcode(), lane_operand(0), lane_operand(1));
  else if (auto* unary = llvm::dyn_cast<llvm::UnaryOperator>(&instruction))
    vector = b.CreateUnOp(unary->getOpcode(), lane_operand(0));
  else if (auto* comparison = llvm::dyn_cast<llvm::CmpInst>(&instruction))
    vector = b.CreateCmp(comparison->getPredicate(), lane_operand(0), lane_operand(1));
  else if (auto* select = llvm::dyn_cast<llvm::SelectInst>(&instruction))
    vector = b.CreateSelect(is_uniform(select->getCondition()) ? select->getCondition() : lane_operand(0),
                            lane_operand(1), lane_operand(2));
  else if (auto* cast = llvm::dyn_cast<llvm::CastInst>(&instruction); cast && !cast->getType()->isVectorTy())
    vector = b.CreateCast(cast->getOpcode(), lane_operand(0), lane_vector(cast->getType()));
  else if (llvm::isa<llvm::FreezeInst>(instruction))
    vector = b.CreateFreeze(lane_operand(0));
  auto* made = llvm::dyn_cast_or_null<llvm::Instruction>(vector);
  if (made && llvm::isa<llvm::FPMathOperator>(made) && llvm::isa<llvm::FPMathOperator>(instruction))
    made->copyFastMathFlags(&instruction);
  return vector;
}

llvm::Value* Vectoriser::widen_address(Builder& b, llvm::GetElementPtrInst& address, LaneOperand operand) {
  auto part = [&](llvm::Value* value) { return is_uniform(value) ? value : operand(value); };
  llvm::SmallVector<llvm::Value*, 4> indices;
  for (llvm::Value* index : address.indices()) indices.push_back(part(index));
  llvm::Value* vector = b.CreateGEP(address.getSourceElementType(), part(address.getPointerOperand()), indices);
  return vector->getType()->isVectorTy() ? vector : b.CreateVectorSplat(kLanes, vector);
}

llvm::Value* Vectoriser::widen_intrinsic(Builder& b, llvm::IntrinsicInst& call, LaneOperand operand) {
  llvm::Intrinsic::ID id = call.getIntrinsicID();
  if (!llvm::isTriviallyVectorizable(id)) return nullptr;
  llvm::SmallVector<llvm::Value*, 4> arguments;
  llvm::SmallVector<llvm::Type*, 2> overloads;
  if (llvm::isVectorIntrinsicWithOverloadTypeAtArg(id, -1)) overloads.push_back(lane_vector(call.getType()));
  for (unsigned i = 0; i < call.arg_size(); ++i) {
    llvm::Value* argument = call.getArgOperand(i);
    arguments.push_back(llvm::isVectorIntrinsicWithScalarOpAtArg(id, i) ? argument : operand(argument));
    if (llvm::isVectorIntrinsicWithOverloadTypeAtArg(id, i)) overloads.push_back(arguments.back()->getType());
  }
  llvm::CallInst* vector = b.CreateIntrinsic(id, overloads, arguments);
  if (llvm::isa<llvm::FPMathOperator>(vector)) vector->copyFastMathFlags(&call);
  return vector;
}

// CPUs divide integers one by one, but floating point by the vector. The quotient of two integers of n bits is exact
// after truncation if the mantissa has more than n bits: it differs from the next integer by at least 1 part in 2^n.
llvm::Value* Vectoriser::widen_division(Builder& b, llvm::BinaryOperator& division) {
  unsigned opcode = division.getOpcode(), width = division.getType()->getIntegerBitWidth();
  bool is_signed = opcode == llvm::Instruction::SDiv || opcode == llvm::Instruction::SRem;
  bool is_remainder = opcode == llvm::Instruction::SRem || opcode == llvm::Instruction::URem;
  auto binary_opcode = static_cast<llvm::Instruction::BinaryOps>(opcode);
  llvm::Value *dividend = lanes(division.getOperand(0)), *divisor = lanes(division.getOperand(1));
  if (llvm::isa<llvm::ConstantInt>(division.getOperand(1)))
    return b.CreateBinOp(binary_opcode, dividend, divisor);
  if (width > 32)
    return call_for_each_lane(b, llvm::Twine(division.getOpcodeName()) + "." + type_suffix(division.getType()),
                              {dividend, divisor}, mask_bits(b, mask_of(division)), division.getType(),
                              [&](Builder& lane, llvm::ArrayRef<llvm::Value*> operands) {
                                return lane.CreateBinOp(binary_opcode, operands[0], operands[1]);
                              });
  // Whatever an inactive lane holds must not make the conversion back to integers poison: it is not looked at.
  llvm::Type* real = lane_vector(width <= 16 ? b.getFloatTy() : b.getDoubleTy());
  auto to_real = [&](llvm::Value* v) { return is_signed ? b.CreateSIToFP(v, real) : b.CreateUIToFP(v, real); };
  llvm::Value* ratio = b.CreateFDiv(to_real(dividend), to_real(divisor));
  llvm::Type* integer = dividend->getType();
  llvm::Value* quotient = is_signed ? b.CreateFPToSI(ratio, integer) : b.CreateFPToUI(ratio, integer);
  return is_remainder ? b.CreateSub(dividend, b.CreateMul(quotient, divisor)) : quotient;
}

// A function of values alone that has no vector form is called lane by lane.
llvm::Value* Vectoriser::widen_call_by_lane(Builder& b, llvm::CallInst& call) {
  llvm::Function* callee = call.getCalledFunction();
  if (!callee || !call.doesNotAccessMemory() || !call.getType()->isSingleValueType()) return nullptr;
  std::string name = callee->getName().str();
  llvm::SmallVector<llvm::Value*, 4> operands;
  for (llvm::Value* argument : call.args()) {
    if (llvm::isa<llvm::Constant>(argument))
      name += "." + describe(*argument);  // some intrinsics take nothing but constants
    else
      operands.push_back(is_uniform(argument) ? argument : lanes(argument));
  }
  auto call_lane = [&](Builder& lane, llvm::ArrayRef<llvm::Value*> values) {
    llvm::SmallVector<llvm::Value*, 4> arguments;
    for (llvm::Value* argument : call.args()) {
      bool is_constant = llvm::isa<llvm::Constant>(argument);
      arguments.push_back(is_constant ? argument : values.front());
      if (!is_constant) values = values.drop_front();
    }
    return lane.CreateCall(callee, arguments);
  };
  return call_for_each_lane(b, name, operands, mask_bits(b, mask_of(call)), call.getType(), call_lane);
}

}  // namespace mslc
