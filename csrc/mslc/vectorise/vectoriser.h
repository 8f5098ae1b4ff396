// Inner workings of vectorise(): what its source files share.
#pragma once

#include <llvm/ADT/DenseMap.h>
#include <llvm/ADT/STLFunctionalExtras.h>
#include <llvm/Analysis/LoopInfo.h>
#include <llvm/Analysis/PostDominators.h>
#include <llvm/Analysis/TargetTransformInfo.h>
#include <llvm/IR/Dominators.h>
#include <llvm/IR/Instructions.h>
#include <llvm/IR/IntrinsicInst.h>

#include <string>
#include <vector>

#include "vectorise/shape_analysis.h"
#include "vectorise/vectorise.h"

namespace mslc {

/// Uniform values and bases of lane offsets stay scalar where they are; varying values get a vector beside them.
/// A mask is a vector of i1; a null mask means that all lanes are active. Code runs only if some lane is active.
class Vectoriser {
 public:
  Vectoriser(llvm::Function& function, const llvm::TargetTransformInfo& target, const TargetFeatures& features);
  void run();

 private:
  using Builder = llvm::IRBuilder<>;
  using LaneOperand = llvm::function_ref<llvm::Value*(llvm::Value*)>;

  // vectoriser.cpp: order of work, values
  void widen_block(llvm::BasicBlock* block);
  void widen(llvm::Instruction& instruction);
  /// All lanes of a scalar value.
  llvm::Value* lanes(llvm::Value* value);
  llvm::Value* materialise(llvm::Value* value);
  void set_lanes(llvm::Instruction& instruction, llvm::Value* vector);
  /// Replaces `instruction` by a value that is the same for all lanes.
  void set_uniform(llvm::Instruction& instruction, llvm::Value* value);
  llvm::PHINode* create_lane_phi(llvm::PHINode& phi);
  bool is_uniform(const llvm::Value* value) const { return shapes_.of(value).is_uniform(); }
  void finish();
  [[noreturn]] void fail(const llvm::Twine& what, const llvm::Value& where) const;

  // control_flow.cpp: masks and joins
  void compute_mask(llvm::BasicBlock* block);
  llvm::Value* edge_mask(llvm::BasicBlock* from, llvm::BasicBlock* to) const;
  bool is_full_edge(const llvm::BasicBlock* from, const llvm::BasicBlock* to) const;
  llvm::Value* entry_mask(const llvm::Loop* loop) const;
  void widen_branch(llvm::BasicBlock* block);
  void widen_latch(llvm::BranchInst* branch, llvm::BasicBlock* block, const llvm::Loop* loop);
  void fill_phi(llvm::PHINode* phi);
  const llvm::Loop* divergent_loop_left(const llvm::PHINode& phi) const;
  void fill_loop_result(llvm::PHINode* phi, const llvm::Loop* loop);
  llvm::BasicBlock* post_dominator(llvm::BasicBlock* block) const;

  // arithmetic.cpp: operations without memory
  llvm::Value* widen_pure(Builder& b, llvm::Instruction& instruction, LaneOperand operand);
  llvm::Value* widen_intrinsic(Builder& b, llvm::IntrinsicInst& call, LaneOperand operand);
  llvm::Value* widen_address(Builder& b, llvm::GetElementPtrInst& address, LaneOperand operand);
  llvm::Value* widen_division(Builder& b, llvm::BinaryOperator& division);
  llvm::Value* widen_call_by_lane(Builder& b, llvm::CallInst& call);

  // interleaved.cpp
  /// Loads or stores of one block that are elements of what each lane loads or stores.
  struct Neighbours {
    llvm::SmallVector<llvm::Instruction*, 4> accesses;  ///< in the order of the block
    llvm::SmallVector<unsigned, 4> elements;            ///< of each access
    unsigned apart = 0;  ///< elements from lane to lane; 0 if the access is one of its own
  };
  Neighbours neighbours(llvm::Instruction& access) const;
  llvm::FixedVectorType* piece_type(llvm::Type* element) const;
  llvm::SmallVector<llvm::Value*, 4> load_neighbours(Builder& b, const Neighbours& loads);
  void store_neighbours(Builder& b, const Neighbours& stores);

  // memory.cpp
  void widen_load(llvm::LoadInst& load);
  void widen_store(llvm::StoreInst& store);
  llvm::SmallVector<llvm::Value*, 4> load_in_order(Builder& b, const Neighbours& loads, llvm::Value* mask);
  void store_in_order(Builder& b, const Neighbours& stores, llvm::Value* mask);
  llvm::Value* load_lanes(Builder& b, llvm::LoadInst& load, const Shape& shape, llvm::Value* mask);
  void store_lanes(Builder& b, llvm::StoreInst& store, const Shape& shape, llvm::Value* mask);
  void store_last_lane(Builder& b, llvm::StoreInst& store, llvm::Value* mask);
  llvm::Value* gather(Builder& b, llvm::LoadInst& load, llvm::Value* addresses, llvm::Value* mask);
  llvm::Value* gather_small(Builder& b, llvm::LoadInst& load, llvm::Value* addresses, llvm::Value* mask);
  void scatter(Builder& b, llvm::StoreInst& store, llvm::Value* addresses, llvm::Value* mask);

  // guards.cpp: indices that may have wrapped between lanes
  struct GuardedAccess {
    Neighbours accesses;
    llvm::Value* mask;
    llvm::SmallVector<llvm::Instruction*, 4> placeholders;  ///< one for each load, or one for all stores
  };
  void defer(const Neighbours& accesses);
  void expand(const GuardedAccess& guarded);
  llvm::Value* guard(llvm::Value* value);
  llvm::Value* guard_of_cast(llvm::CastInst& cast);
  llvm::Value* recompute(Builder& b, llvm::Value* value);

  // builtins.cpp, checks.cpp, matrices.cpp, atomics.cpp
  void widen_builtin(llvm::CallInst& call, llvm::StringRef name);
  void widen_check(llvm::CallInst& call, llvm::StringRef name);
  void widen_log(llvm::CallInst& call);
  llvm::Value* all_lanes_hold(Builder& b, llvm::Value* condition, llvm::Value* mask);
  llvm::Value* last_lane_holds(Builder& b, llvm::Value* condition);
  llvm::Value* permute(Builder& b, llvm::Value* vector, llvm::Value* source_lanes);
  llvm::Value* permute_registers(Builder& b, llvm::Value* vector, llvm::Value* source_lanes);
  llvm::Value* permute_through_memory(Builder& b, llvm::Value* vector, llvm::Value* source_lanes);
  llvm::Value* matrix_load(Builder& b, llvm::CallInst& call);
  void matrix_store(Builder& b, llvm::CallInst& call);
  void matrix_multiply(Builder& b, llvm::CallInst& first);
  void multiply_floats(Builder& b, llvm::ArrayRef<llvm::CallInst*> products);
  bool multiply_bfloats(Builder& b, llvm::ArrayRef<llvm::CallInst*> products);
  llvm::SmallVector<llvm::CallInst*, 8> products_with_same_left(llvm::CallInst& first) const;
  void widen_atomic(llvm::AtomicRMWInst& atomic);
  bool add_to_row(Builder& b, llvm::AtomicRMWInst& atomic);
  void widen_compare_exchange(llvm::AtomicCmpXchgInst& exchange);

  /// An alloca of the whole SIMD-group.
  llvm::AllocaInst* temporary(llvm::Type* type);
  /// Bit i: lane i is active.
  llvm::Value* mask_bits(Builder& b, llvm::Value* mask) const;
  llvm::Value* mask_vector(llvm::Value* mask) const;
  llvm::Value* any(Builder& b, llvm::Value* mask) const;
  llvm::Value* mask_of(const llvm::Instruction& instruction) const { return masks_.lookup(instruction.getParent()); }

  llvm::Function& function_;
  llvm::Module& module_;
  const llvm::DataLayout& layout_;
  const llvm::TargetTransformInfo& target_;
  const TargetFeatures features_;
  llvm::DominatorTree dominators_;
  llvm::PostDominatorTree post_dominators_;
  llvm::LoopInfo loops_;
  ShapeAnalysis shapes_;

  llvm::DenseMap<llvm::Value*, llvm::Value*> lanes_;
  llvm::DenseMap<llvm::BasicBlock*, llvm::Value*> masks_;
  llvm::DenseMap<llvm::BasicBlock*, llvm::Value*> then_masks_;  // of blocks whose branch is divergent
  llvm::SmallPtrSet<const llvm::BasicBlock*, 4> full_branches_;      // that go the first way if all lanes are active
  llvm::DenseMap<llvm::Value*, llvm::Value*> guards_;
  llvm::SmallPtrSet<llvm::Value*, 16> new_uniforms_;
  std::vector<llvm::PHINode*> lane_phis_;                       // originals; their vectors are filled last
  std::vector<GuardedAccess> guarded_accesses_;
  std::vector<llvm::Instruction*> replaced_;
};

}  // namespace mslc
