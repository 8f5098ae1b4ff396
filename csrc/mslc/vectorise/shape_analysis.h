// Finds the shape of every value of a per-thread function, and the branches and loops where lanes part.
#pragma once

#include <llvm/ADT/DenseMap.h>
#include <llvm/ADT/SmallPtrSet.h>
#include <llvm/Analysis/LoopInfo.h>
#include <llvm/Analysis/PostDominators.h>
#include <llvm/IR/ConstantRange.h>
#include <llvm/IR/Function.h>
#include <llvm/Support/KnownBits.h>

#include <optional>

#include "vectorise/shape.h"

namespace mslc {

/// Marks an alloca that holds all lanes' elements side by side: its address is uniform.
inline constexpr llvm::StringLiteral kLanesMetadata = "mslc.lanes";

class ShapeAnalysis {
 public:
  /// `function` has a structured control flow graph in LCSSA form.
  ShapeAnalysis(llvm::Function& function, const llvm::LoopInfo& loops, const llvm::PostDominatorTree& post_dominators);

  const Shape& of(const llvm::Value* value) const;
  /// Lanes may leave `block` by different ways.
  bool is_divergent(const llvm::BasicBlock* block) const;
  /// Lanes may leave `loop` in different iterations.
  bool is_divergent(const llvm::Loop* loop) const { return divergent_loops_.contains(loop); }
  /// The low `bits` of each lane's value, if they are known here.
  std::optional<Shape::Lanes> known_low_bits(const llvm::Value* value, unsigned bits) const;
  /// Whether base + offsets may wrap in `cast` (a zext or sext of guarded or plain offsets).
  bool may_wrap(const llvm::CastInst& cast) const;

 private:
  bool update_shapes();
  bool update_divergence();
  void mark_joins(const llvm::BasicBlock* branch);

  Shape transfer(const llvm::Instruction& instruction) const;
  Shape transfer_phi(const llvm::PHINode& phi) const;
  Shape transfer_call(const llvm::CallBase& call) const;
  Shape transfer_offsets(const llvm::Instruction& instruction) const;
  Shape transfer_select(const llvm::SelectInst& select) const;
  Shape transfer_bitwise(const llvm::BinaryOperator& operation) const;
  Shape transfer_right_shift(const llvm::BinaryOperator& shift) const;
  Shape transfer_address(const llvm::GetElementPtrInst& address) const;

  /// What is known of the value in lane 0, whether that lane is active or not.
  llvm::KnownBits base_bits(const llvm::Value* value, unsigned depth = 0) const;
  llvm::KnownBits base_bits_of_phi(const llvm::PHINode& phi, unsigned depth) const;
  llvm::ConstantRange base_range(const llvm::Value* value, unsigned depth = 0) const;
  /// The low `bits` of each lane if they are known and the lanes agree in all other bits.
  std::optional<Shape::Lanes> low_bits(const llvm::Value* value, unsigned bits) const;

  llvm::Function& function_;
  const llvm::LoopInfo& loops_;
  const llvm::PostDominatorTree& post_dominators_;
  const llvm::DataLayout& layout_;
  llvm::DenseMap<const llvm::Value*, Shape> shapes_;
  llvm::SmallPtrSet<const llvm::BasicBlock*, 16> divergent_branches_;
  llvm::SmallPtrSet<const llvm::BasicBlock*, 16> divergent_joins_;
  llvm::SmallPtrSet<const llvm::Loop*, 8> divergent_loops_;
};

}  // namespace mslc
