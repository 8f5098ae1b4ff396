#include "codegen/quiet_extrema.h"

#include <llvm/Analysis/VectorUtils.h>
#include <llvm/IR/Constants.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/IntrinsicInst.h>

namespace mslc {

namespace {

bool is_extremum(const llvm::Instruction& instruction) {
  auto* call = llvm::dyn_cast<llvm::IntrinsicInst>(&instruction);
  if (!call) return false;
  switch (call->getIntrinsicID()) {
    case llvm::Intrinsic::minnum:
    case llvm::Intrinsic::maxnum:
    case llvm::Intrinsic::vector_reduce_fmin:
    case llvm::Intrinsic::vector_reduce_fmax: return true;
    default: return false;
  }
}

/// Arithmetic returns no signalling NaN.
bool is_quiet(const llvm::Value* value) {
  if (const llvm::Value* scalar = value->getType()->isVectorTy() ? llvm::getSplatValue(value) : nullptr) return is_quiet(scalar);
  if (auto* constant = llvm::dyn_cast<llvm::ConstantFP>(value)) return !constant->getValueAPF().isSignaling();
  auto* instruction = llvm::dyn_cast<llvm::Instruction>(value);
  if (!instruction) return false;
  switch (instruction->getOpcode()) {
    case llvm::Instruction::FAdd:
    case llvm::Instruction::FSub:
    case llvm::Instruction::FMul:
    case llvm::Instruction::FDiv:
    case llvm::Instruction::FPExt:
    case llvm::Instruction::FPTrunc:
    case llvm::Instruction::SIToFP:
    case llvm::Instruction::UIToFP: return true;
    default: break;
  }
  auto* call = llvm::dyn_cast<llvm::IntrinsicInst>(instruction);
  if (!call) return false;
  switch (call->getIntrinsicID()) {
    case llvm::Intrinsic::fma:
    case llvm::Intrinsic::fmuladd:
    case llvm::Intrinsic::sqrt: return true;
    default: return is_extremum(*call);
  }
}

}  // namespace

void quieten_extrema(llvm::Module& module) {
  for (llvm::Function& function : module)
    for (llvm::Instruction& instruction : llvm::instructions(function)) {
      if (!is_extremum(instruction)) continue;
      for (llvm::Use& operand : llvm::cast<llvm::CallBase>(instruction).args()) {
        if (is_quiet(operand)) continue;
        llvm::IRBuilder<> b(&instruction);
        llvm::Value* is_nan = b.CreateFCmpUNO(operand, operand);
        operand = b.CreateSelect(is_nan, llvm::ConstantFP::getQNaN(operand->getType()), operand);
      }
    }
}

}  // namespace mslc
