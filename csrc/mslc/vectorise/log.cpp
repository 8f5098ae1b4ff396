// Messages of os_log: one call of the executor for all lanes (see executor/abi.h).
#include <llvm/IR/Module.h>

#include "executor/abi.h"
#include "vectorise/vectoriser.h"

namespace mslc {

namespace {

using Builder = llvm::IRBuilder<>;

/// A function that hands a vector of words to the executor in memory.
llvm::Function* log_lanes(llvm::Module& module) {
  constexpr char kName[] = "mslc.log.lanes";
  if (llvm::Function* known = module.getFunction(kName)) return known;
  Builder b(module.getContext());
  llvm::Type* words = lane_vector(b.getInt64Ty());
  llvm::Type* parameters[] = {words, b.getInt32Ty(), b.getInt32Ty()};
  llvm::Function* function = add_helper(module, llvm::FunctionType::get(b.getVoidTy(), parameters, false), kName);
  b.SetInsertPoint(llvm::BasicBlock::Create(module.getContext(), "entry", function));
  llvm::AllocaInst* memory = b.CreateAlloca(words);
  b.CreateStore(function->getArg(0), memory);
  llvm::Type* types[] = {b.getPtrTy(), b.getInt32Ty(), b.getInt32Ty()};
  b.CreateCall(module.getOrInsertFunction(kLogLanes, llvm::FunctionType::get(b.getVoidTy(), types, false)),
               {memory, function->getArg(1), function->getArg(2)});
  b.CreateRetVoid();
  return function;
}

}  // namespace

void Vectoriser::widen_log(llvm::CallInst& call) {
  Builder b(&call);
  llvm::Function* function = log_lanes(module_);
  llvm::Value* mask = mask_bits(b, mask_of(call));
  llvm::CallInst* logged = b.CreateCall(function, {lanes(call.getArgOperand(1)), mask, call.getArgOperand(0)});
  logged->setCallingConv(function->getCallingConv());
  replaced_.push_back(&call);
}

}  // namespace mslc
