#include "vectorise/lane_loop.h"

#include <llvm/IR/Module.h>
#include <llvm/Support/raw_ostream.h>

namespace mslc {

namespace {

bool is_lane_vector(llvm::Type* type) {
  auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(type);
  return vector && vector->getNumElements() == kLanes;
}

/// Address of one lane's element in an array that holds a lane vector.
llvm::Value* element(llvm::IRBuilder<>& b, llvm::Type* type, llvm::Value* array, llvm::Value* lane) {
  return b.CreateInBoundsGEP(type, array, lane);
}

void fill_body(llvm::Function* function, LaneWork work) {
  llvm::LLVMContext& context = function->getContext();
  auto* entry = llvm::BasicBlock::Create(context, "entry", function);
  auto* loop = llvm::BasicBlock::Create(context, "lane", function);
  auto* body = llvm::BasicBlock::Create(context, "work", function);
  auto* end = llvm::BasicBlock::Create(context, "end", function);

  llvm::IRBuilder<> b(entry);
  llvm::SmallVector<llvm::Value*, 4> operands;
  for (llvm::Argument& argument : llvm::drop_begin(function->args())) {
    operands.push_back(&argument);
    if (!is_lane_vector(argument.getType())) continue;
    operands.back() = b.CreateAlloca(argument.getType());
    b.CreateStore(&argument, operands.back());
  }
  llvm::Type* result_type = function->getReturnType();
  llvm::Value* results = result_type->isVoidTy() ? nullptr : b.CreateAlloca(result_type);
  b.CreateBr(loop);

  b.SetInsertPoint(loop);
  llvm::PHINode* remaining = b.CreatePHI(b.getInt32Ty(), 2);
  remaining->addIncoming(function->getArg(0), entry);
  b.CreateCondBr(b.CreateICmpNE(remaining, b.getInt32(0)), body, end);

  b.SetInsertPoint(body);
  llvm::Value* lane = b.CreateZExt(b.CreateBinaryIntrinsic(llvm::Intrinsic::cttz, remaining, b.getTrue()), b.getInt64Ty());
  for (auto [operand, argument] : llvm::zip(operands, llvm::drop_begin(function->args()))) {
    if (operand == &argument) continue;
    llvm::Type* type = argument.getType()->getScalarType();
    operand = b.CreateLoad(type, element(b, type, operand, lane));
  }
  llvm::Value* result = work(b, operands);
  if (results) b.CreateStore(result, element(b, result_type->getScalarType(), results, lane));
  remaining->addIncoming(b.CreateAnd(remaining, b.CreateSub(remaining, b.getInt32(1))), b.GetInsertBlock());
  b.CreateBr(loop);

  b.SetInsertPoint(end);
  if (results)
    b.CreateRet(b.CreateLoad(result_type, results));
  else
    b.CreateRetVoid();
}

}  // namespace

std::string type_suffix(llvm::Type* type) {
  std::string text;
  llvm::raw_string_ostream(text) << *type;
  return text;
}

llvm::Value* call_for_each_lane(llvm::IRBuilder<>& builder, const llvm::Twine& name,
                                llvm::ArrayRef<llvm::Value*> operands, llvm::Value* mask_bits, llvm::Type* result,
                                LaneWork work) {
  llvm::SmallVector<llvm::Value*, 4> arguments{mask_bits};
  llvm::SmallVector<llvm::Type*, 4> types{mask_bits->getType()};
  std::string full_name = ("mslc.lanes." + name).str();
  for (llvm::Value* operand : operands) {
    arguments.push_back(operand);
    types.push_back(operand->getType());
    full_name += is_lane_vector(operand->getType()) ? ".v" : ".u";
  }
  llvm::Module& module = *builder.GetInsertBlock()->getModule();
  llvm::Function* function = module.getFunction(full_name);
  if (!function) {
    llvm::Type* return_type = result ? static_cast<llvm::Type*>(lane_vector(result)) : builder.getVoidTy();
    function = add_helper(module, llvm::FunctionType::get(return_type, types, false), full_name);
    fill_body(function, work);
  }
  llvm::CallInst* call = builder.CreateCall(function, arguments);
  call->setCallingConv(function->getCallingConv());
  return result ? call : nullptr;
}

}  // namespace mslc
