#include "vectorise/vectoriser.h"

#include <llvm/ADT/PostOrderIterator.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/Module.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Support/raw_ostream.h>

#include "vectorise/vectorise.h"

namespace mslc {

Vectoriser::Vectoriser(llvm::Function& function, const llvm::TargetTransformInfo& target, const TargetFeatures& features)
    : function_(function),
      module_(*function.getParent()),
      layout_(module_.getDataLayout()),
      target_(target),
      features_(features),
      dominators_(function),
      post_dominators_(function),
      loops_(dominators_),
      shapes_(function, loops_, post_dominators_) {}

void Vectoriser::fail(const llvm::Twine& what, const llvm::Value& where) const {
  throw CompileError((what + ": " + describe(where)).str());
}

void Vectoriser::run() {
  llvm::ReversePostOrderTraversal<llvm::Function*> traversal(&function_);
  std::vector<llvm::BasicBlock*> order(traversal.begin(), traversal.end());
  // Flags promise something of each lane's own value; lane 0's stands for others, so it must not break a promise.
  for (llvm::Instruction& instruction : llvm::instructions(function_))
    if (llvm::any_of(instruction.operands(), [&](const llvm::Use& use) { return !is_uniform(use.get()); }))
      instruction.dropPoisonGeneratingAnnotations();
  for (llvm::BasicBlock* block : order)
    for (llvm::PHINode& phi : block->phis())
      if (shapes_.of(&phi).is_varying()) create_lane_phi(phi);
  for (llvm::BasicBlock* block : order) {
    compute_mask(block);
    widen_block(block);
    widen_branch(block);
  }
  // Filling a phi may create another, and so may expanding an access.
  size_t filled = 0;
  auto fill_phis = [&] {
    for (; filled < lane_phis_.size(); ++filled) fill_phi(lane_phis_[filled]);
  };
  fill_phis();
  for (const GuardedAccess& access : guarded_accesses_) expand(access);
  fill_phis();
  finish();
}

void Vectoriser::widen_block(llvm::BasicBlock* block) {
  std::vector<llvm::Instruction*> instructions;
  for (llvm::Instruction& instruction : *block)
    if (!instruction.isTerminator() && !llvm::isa<llvm::PHINode>(instruction)) instructions.push_back(&instruction);
  for (llvm::Instruction* instruction : instructions) widen(*instruction);
}

void Vectoriser::widen(llvm::Instruction& instruction) {
  if (llvm::StringRef name = builtin_name(&instruction); !name.empty())
    return widen_builtin(llvm::cast<llvm::CallInst>(instruction), name);
  if (auto* load = llvm::dyn_cast<llvm::LoadInst>(&instruction)) return widen_load(*load);
  if (auto* store = llvm::dyn_cast<llvm::StoreInst>(&instruction)) return widen_store(*store);
  if (auto* atomic = llvm::dyn_cast<llvm::AtomicRMWInst>(&instruction)) return widen_atomic(*atomic);
  if (auto* exchange = llvm::dyn_cast<llvm::AtomicCmpXchgInst>(&instruction)) return widen_compare_exchange(*exchange);
  if (llvm::isa<llvm::FenceInst>(instruction)) return;
  if (auto* call = llvm::dyn_cast<llvm::IntrinsicInst>(&instruction)) {
    if (call->isLifetimeStartOrEnd() || call->isAssumeLikeIntrinsic()) {
      replaced_.push_back(call);
      return;
    }
  }
  if (!shapes_.of(&instruction).is_varying()) return;
  // cmpxchg's halves have got their vectors with it.
  if (lanes_.contains(&instruction)) return replaced_.push_back(&instruction);

  Builder b(&instruction);
  llvm::Value* vector = nullptr;
  auto* operation = llvm::dyn_cast<llvm::BinaryOperator>(&instruction);
  if (operation && operation->isIntDivRem())
    vector = widen_division(b, *operation);
  else
    vector = widen_pure(b, instruction, [&](llvm::Value* value) { return lanes(value); });
  if (!vector)
    if (auto* call = llvm::dyn_cast<llvm::CallInst>(&instruction)) vector = widen_call_by_lane(b, *call);
  if (!vector) fail("no vector form of", instruction);
  set_lanes(instruction, vector);
}

void Vectoriser::set_lanes(llvm::Instruction& instruction, llvm::Value* vector) {
  lanes_[&instruction] = vector;
  replaced_.push_back(&instruction);
}

void Vectoriser::set_uniform(llvm::Instruction& instruction, llvm::Value* value) {
  instruction.replaceAllUsesWith(value);
  new_uniforms_.insert(value);
  replaced_.push_back(&instruction);
}

llvm::Value* Vectoriser::lanes(llvm::Value* value) {
  auto found = lanes_.find(value);
  if (found != lanes_.end()) return found->second;
  llvm::Value* vector = materialise(value);
  lanes_[value] = vector;
  return vector;
}

// Builds the vector of a scalar right behind the scalar.
llvm::Value* Vectoriser::materialise(llvm::Value* value) {
  llvm::FixedVectorType* type = lane_vector(value->getType());
  if (llvm::isa<llvm::PoisonValue>(value)) return llvm::PoisonValue::get(type);
  if (llvm::isa<llvm::UndefValue>(value)) return llvm::UndefValue::get(type);
  if (auto* constant = llvm::dyn_cast<llvm::Constant>(value))
    return llvm::ConstantVector::getSplat(type->getElementCount(), constant);

  auto* instruction = llvm::dyn_cast<llvm::Instruction>(value);
  llvm::BasicBlock::iterator position =
      instruction ? *instruction->getInsertionPointAfterDef() : function_.getEntryBlock().getFirstInsertionPt();
  Builder b(position->getParent(), position);
  const Shape& shape = shapes_.of(value);
  if (shape.is_uniform() || new_uniforms_.contains(value)) return b.CreateVectorSplat(kLanes, value);
  if (!shape.is_offsets()) fail("value without lanes", *value);
  if (shape.is_guarded()) {
    if (auto* phi = llvm::dyn_cast<llvm::PHINode>(value)) return create_lane_phi(*phi);
    return widen_pure(b, *instruction, [&](llvm::Value* operand) { return lanes(operand); });
  }
  bool is_pointer = value->getType()->isPointerTy();
  llvm::Type* scalar = is_pointer ? b.getInt64Ty() : value->getType();
  llvm::SmallVector<llvm::Constant*, kLanes> offsets;
  for (int64_t offset : shape.lane_offsets())
    offsets.push_back(llvm::ConstantInt::get(scalar, static_cast<uint64_t>(offset), /*IsSigned=*/true));
  llvm::Constant* vector = llvm::ConstantVector::get(offsets);
  if (is_pointer) return b.CreateGEP(b.getInt8Ty(), value, vector);
  return b.CreateAdd(b.CreateVectorSplat(kLanes, value), vector);
}

llvm::PHINode* Vectoriser::create_lane_phi(llvm::PHINode& phi) {
  Builder b(&phi);
  llvm::PHINode* vector = b.CreatePHI(lane_vector(phi.getType()), phi.getNumIncomingValues(), phi.getName() + ".lanes");
  lanes_[&phi] = vector;
  lane_phis_.push_back(&phi);
  if (shapes_.of(&phi).is_varying()) replaced_.push_back(&phi);
  return vector;
}

llvm::AllocaInst* Vectoriser::temporary(llvm::Type* type) {
  Builder b(&*function_.getEntryBlock().getFirstInsertionPt());
  llvm::AllocaInst* variable = b.CreateAlloca(type);
  variable->setAlignment(llvm::Align(64));
  variable->setMetadata(kLanesMetadata, llvm::MDNode::get(function_.getContext(), {}));
  return variable;
}

// Removes what vectors have replaced; what is left of the lanes is lane 0.
void Vectoriser::finish() {
  for (llvm::Instruction* instruction : replaced_)
    if (!instruction->getType()->isVoidTy() && !instruction->use_empty())
      instruction->replaceAllUsesWith(llvm::PoisonValue::get(instruction->getType()));
  for (llvm::Instruction* instruction : replaced_) instruction->eraseFromParent();
  for (llvm::Instruction& instruction : llvm::make_early_inc_range(llvm::instructions(function_))) {
    if (builtin_name(&instruction) == "__msl_lane") {
      instruction.replaceAllUsesWith(llvm::ConstantInt::get(instruction.getType(), 0));
      instruction.eraseFromParent();
    } else if (auto* variable = llvm::dyn_cast<llvm::AllocaInst>(&instruction)) {
      if (variable->hasMetadata(kLanesMetadata)) continue;
      variable->setAllocatedType(llvm::ArrayType::get(variable->getAllocatedType(), kLanes));
      variable->setAlignment(llvm::Align(64));
    }
  }
  std::string text;
  llvm::raw_string_ostream stream(text);
  if (llvm::verifyFunction(function_, &stream)) throw CompileError("the vectoriser made invalid code: " + stream.str());
}

void vectorise(llvm::Function& function, const llvm::TargetTransformInfo& target, const TargetFeatures& features) {
  Vectoriser(function, target, features).run();
}

}  // namespace mslc
