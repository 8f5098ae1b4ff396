// The checks of validation mode: one call of the executor for all lanes (see executor/abi.h).
#include <llvm/IR/Module.h>

#include "executor/abi.h"
#include "vectorise/vectoriser.h"

namespace mslc {

namespace {

using Builder = llvm::IRBuilder<>;

/// A function that hands its lane vectors to `callee` in memory. Returns the addresses that the callee leaves there.
llvm::Function* check_lanes(llvm::Module& module) {
  constexpr char kName[] = "mslc.check.lanes";
  if (llvm::Function* known = module.getFunction(kName)) return known;
  Builder b(module.getContext());
  llvm::Type *addresses = lane_vector(b.getPtrTy()), *values = lane_vector(b.getInt64Ty());
  llvm::Type* parameters[] = {addresses, b.getPtrTy(), values, b.getInt32Ty(), b.getInt32Ty()};
  llvm::Function* function = add_helper(module, llvm::FunctionType::get(addresses, parameters, false), kName);
  b.SetInsertPoint(llvm::BasicBlock::Create(module.getContext(), "entry", function));
  llvm::AllocaInst *address_memory = b.CreateAlloca(addresses), *value_memory = b.CreateAlloca(values);
  b.CreateStore(function->getArg(0), address_memory);
  b.CreateStore(function->getArg(2), value_memory);
  llvm::Type* types[] = {b.getPtrTy(), b.getPtrTy(), b.getPtrTy(), b.getInt32Ty(), b.getInt32Ty()};
  b.CreateCall(module.getOrInsertFunction(kCheckLanes, llvm::FunctionType::get(b.getVoidTy(), types, false)),
               {address_memory, function->getArg(1), value_memory, function->getArg(3), function->getArg(4)});
  b.CreateRet(b.CreateLoad(addresses, address_memory));
  return function;
}

}  // namespace

void Vectoriser::widen_check(llvm::CallInst& call, llvm::StringRef name) {
  Builder b(&call);
  if (name == "__msl_check_fence") {
    b.CreateCall(module_.getOrInsertFunction(kCheckFence, llvm::FunctionType::get(b.getVoidTy(), false)));
    return replaced_.push_back(&call);
  }
  llvm::Value* mask = mask_bits(b, mask_of(call));
  if (name == "__msl_check_barrier") {
    llvm::Type* types[] = {b.getInt32Ty(), b.getInt32Ty(), b.getInt32Ty()};
    b.CreateCall(module_.getOrInsertFunction(kCheckBarrier, llvm::FunctionType::get(b.getVoidTy(), types, false)),
                 {mask, call.getArgOperand(0), call.getArgOperand(1)});
    return replaced_.push_back(&call);
  }
  llvm::Value *address = call.getArgOperand(0), *object = call.getArgOperand(1), *site = call.getArgOperand(3);
  llvm::Function* function = check_lanes(module_);
  llvm::CallInst* checked = b.CreateCall(function, {lanes(address), object, lanes(call.getArgOperand(2)), mask, site});
  checked->setCallingConv(function->getCallingConv());
  set_lanes(call, checked);
}

}  // namespace mslc
