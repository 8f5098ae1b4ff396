#include <llvm/IR/GetElementPtrTypeIterator.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/Instructions.h>
#include <llvm/IR/IntrinsicInst.h>
#include <llvm/IR/Module.h>

#include "vectorise/lanes.h"
#include "vectorise/prepare.h"
#include "vectorise/shape_analysis.h"

namespace mslc {

namespace {

/// One private array all of whose accesses are of one size. Element i of lane l goes to i * 32 + l.
class PrivateArray {
 public:
  explicit PrivateArray(llvm::AllocaInst* variable)
      : variable_(variable), layout_(variable->getModule()->getDataLayout()) {}

  /// False if the address escapes, or elements are not all of one size and apart from each other.
  bool can_transpose() {
    if (variable_->isArrayAllocation()) return false;
    if (!find_access_size(variable_) || access_size_ == 0) return false;
    return layout_.getTypeAllocSize(variable_->getAllocatedType()) % access_size_ == 0 && has_whole_steps(variable_);
  }

  void transpose(llvm::Value* lane) {
    llvm::IRBuilder<> b(variable_);
    uint64_t count = layout_.getTypeAllocSize(variable_->getAllocatedType()) / access_size_ * kLanes;
    element_ = b.getIntNTy(8 * access_size_);
    lane_ = lane;
    transposed_ = b.CreateAlloca(llvm::ArrayType::get(element_, count));
    transposed_->setAlignment(llvm::Align(64));
    transposed_->setMetadata(kLanesMetadata, llvm::MDNode::get(b.getContext(), {}));
    rewrite_users(variable_, b.getInt64(0));
    variable_->eraseFromParent();
  }

 private:
  bool find_access_size(llvm::Value* pointer) {
    for (llvm::User* user : pointer->users()) {
      if (auto* address = llvm::dyn_cast<llvm::GetElementPtrInst>(user)) {
        if (address->getType()->isVectorTy() || !find_access_size(address)) return false;
      } else if (auto* intrinsic = llvm::dyn_cast<llvm::IntrinsicInst>(user)) {
        if (!intrinsic->isLifetimeStartOrEnd()) return false;
      } else {
        bool is_access = llvm::getLoadStorePointerOperand(user) == pointer;
        auto* store = llvm::dyn_cast<llvm::StoreInst>(user);
        if (!is_access || (store && store->getValueOperand() == pointer)) return false;
        llvm::Type* type = llvm::getLoadStoreType(user);
        uint64_t size = layout_.getTypeStoreSize(type);
        if (type->isVectorTy() || type->isAggregateType() || size > 8 || !llvm::isPowerOf2_64(size)) return false;
        if (access_size_ != 0 && access_size_ != size) return false;
        access_size_ = size;
      }
    }
    return true;
  }

  /// Every step of every address is a whole number of elements.
  bool has_whole_steps(llvm::Value* pointer) const {
    for (llvm::User* user : pointer->users()) {
      auto* address = llvm::dyn_cast<llvm::GetElementPtrInst>(user);
      if (!address) continue;
      for (auto type = llvm::gep_type_begin(address), end = llvm::gep_type_end(address); type != end; ++type)
        if (step(type) % access_size_ != 0) return false;
      if (!has_whole_steps(address)) return false;
    }
    return true;
  }

  /// Bytes that one index moves the address by, for a constant index all of it.
  uint64_t step(const llvm::gep_type_iterator& type) const {
    auto* constant = llvm::dyn_cast<llvm::ConstantInt>(type.getOperand());
    if (auto* structure = type.getStructTypeOrNull())
      return layout_.getStructLayout(structure)->getElementOffset(constant->getZExtValue());
    uint64_t stride = type.getSequentialElementStride(layout_);
    return constant ? constant->getSExtValue() * stride : stride;
  }

  llvm::Value* element_index(llvm::IRBuilder<>& b, llvm::GetElementPtrInst* address, llvm::Value* index) const {
    for (auto type = llvm::gep_type_begin(address), end = llvm::gep_type_end(address); type != end; ++type) {
      // Signed, as a constant index may be negative.
      auto elements = b.getInt64(static_cast<int64_t>(step(type)) / static_cast<int64_t>(access_size_));
      llvm::Value* moved = elements;
      if (!llvm::isa<llvm::ConstantInt>(type.getOperand()))
        moved = b.CreateMul(b.CreateSExtOrTrunc(type.getOperand(), b.getInt64Ty()), elements);
      index = b.CreateAdd(index, moved);
    }
    return index;
  }

  void rewrite_users(llvm::Value* pointer, llvm::Value* index) {
    for (llvm::User* user : llvm::make_early_inc_range(pointer->users())) {
      auto* instruction = llvm::cast<llvm::Instruction>(user);
      llvm::IRBuilder<> b(instruction);
      if (auto* address = llvm::dyn_cast<llvm::GetElementPtrInst>(instruction)) {
        rewrite_users(address, element_index(b, address, index));
        address->eraseFromParent();
      } else if (llvm::isa<llvm::LoadInst, llvm::StoreInst>(instruction)) {
        llvm::Value* position = b.CreateAdd(b.CreateMul(index, b.getInt64(kLanes)), lane_);
        unsigned operand = llvm::isa<llvm::LoadInst>(instruction) ? 0 : 1;
        instruction->setOperand(operand, b.CreateGEP(element_, transposed_, position));
      } else {
        instruction->eraseFromParent();
      }
    }
  }

  llvm::AllocaInst* variable_;
  const llvm::DataLayout& layout_;
  uint64_t access_size_ = 0;
  llvm::Type* element_ = nullptr;
  llvm::Value* lane_ = nullptr;
  llvm::AllocaInst* transposed_ = nullptr;
};

}  // namespace

llvm::PreservedAnalyses PrivateArraysPass::run(llvm::Function& function, llvm::FunctionAnalysisManager&) {
  llvm::SmallVector<llvm::AllocaInst*, 8> variables;
  for (llvm::Instruction& instruction : llvm::instructions(function))
    if (auto* variable = llvm::dyn_cast<llvm::AllocaInst>(&instruction)) variables.push_back(variable);
  llvm::Value* lane = nullptr;
  for (llvm::AllocaInst* variable : variables) {
    PrivateArray array(variable);
    if (!array.can_transpose()) continue;
    if (!lane) {
      llvm::IRBuilder<> b(&*function.getEntryBlock().begin());
      auto* type = llvm::FunctionType::get(b.getInt32Ty(), false);
      lane = b.CreateZExt(b.CreateCall(function.getParent()->getOrInsertFunction("__msl_lane", type)), b.getInt64Ty());
    }
    array.transpose(lane);
  }
  return llvm::PreservedAnalyses::none();
}

}  // namespace mslc
