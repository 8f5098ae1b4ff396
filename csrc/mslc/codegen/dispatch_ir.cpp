#include "codegen/dispatch_ir.h"

#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/Metadata.h>

#include <cstddef>

#include "executor/abi.h"

namespace mslc {

llvm::LoadInst* DispatchReader::load(llvm::Type* type, llvm::Value* base, uint64_t offset) {
  llvm::LoadInst* load = b_.CreateLoad(type, b_.CreateConstInBoundsGEP1_64(b_.getInt8Ty(), base, offset));
  load->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(b_.getContext(), {}));
  return load;
}

llvm::Value* DispatchReader::buffer(unsigned index, uint64_t pointee_size) {
  llvm::Value* table = load(b_.getPtrTy(), dispatch_, offsetof(Dispatch, buffers));
  llvm::LoadInst* address = load(b_.getPtrTy(), table, index * sizeof(void*));
  if (pointee_size > 0) {
    auto* size = llvm::ConstantAsMetadata::get(b_.getInt64(pointee_size));
    address->setMetadata(llvm::LLVMContext::MD_dereferenceable, llvm::MDNode::get(b_.getContext(), {size}));
  }
  return address;
}

llvm::Value* DispatchReader::threadgroup_offset(unsigned index) {
  llvm::Value* table = load(b_.getPtrTy(), dispatch_, offsetof(Dispatch, threadgroup_offsets));
  return load(b_.getInt64Ty(), table, index * sizeof(uint64_t));
}

llvm::Value* DispatchReader::grid(unsigned dimension) {
  return load(b_.getInt32Ty(), dispatch_, offsetof(Dispatch, grid) + 4 * dimension);
}

llvm::Value* DispatchReader::threads(unsigned dimension) {
  return load(b_.getInt32Ty(), dispatch_, offsetof(Dispatch, threads) + 4 * dimension);
}

llvm::Value* DispatchReader::groups(unsigned dimension) {
  return load(b_.getInt32Ty(), dispatch_, offsetof(Dispatch, groups) + 4 * dimension);
}

}  // namespace mslc
