#include "vectorise/shape_analysis.h"

#include <llvm/ADT/PostOrderIterator.h>
#include <llvm/ADT/SetVector.h>
#include <llvm/Analysis/ValueTracking.h>
#include <llvm/IR/CFG.h>
#include <llvm/IR/GetElementPtrTypeIterator.h>
#include <llvm/IR/Instructions.h>
#include <llvm/IR/IntrinsicInst.h>
#include <llvm/IR/Module.h>

namespace mslc {

namespace {
const Shape kUniform = Shape::uniform();
const Shape kUnknown;

/// A join may only make a shape more general, or the iteration would not end.
Shape descend(const Shape& before, const Shape& after) {
  if (before.is_unknown() || before == after || after.is_varying()) return after;
  if (before.is_uniform()) return after;
  if (before.is_offsets() && after.is_offsets() && before.lane_offsets() == after.lane_offsets())
    return before.with_guard(before.is_guarded() || after.is_guarded());
  return Shape::varying();
}

}  // namespace

ShapeAnalysis::ShapeAnalysis(llvm::Function& function, const llvm::LoopInfo& loops,
                             const llvm::PostDominatorTree& post_dominators)
    : function_(function),
      loops_(loops),
      post_dominators_(post_dominators),
      layout_(function.getParent()->getDataLayout()) {
  while (true) {
    bool changed = update_shapes();
    changed |= update_divergence();
    if (!changed) break;
  }
}

const Shape& ShapeAnalysis::of(const llvm::Value* value) const {
  if (!llvm::isa<llvm::Instruction>(value)) return kUniform;
  auto found = shapes_.find(value);
  return found == shapes_.end() ? kUnknown : found->second;
}

bool ShapeAnalysis::is_divergent(const llvm::BasicBlock* block) const { return divergent_branches_.contains(block); }

bool ShapeAnalysis::update_shapes() {
  bool changed = false;
  llvm::ReversePostOrderTraversal<llvm::Function*> order(&function_);
  for (llvm::BasicBlock* block : order) {
    for (llvm::Instruction& instruction : *block) {
      if (instruction.getType()->isVoidTy()) continue;
      Shape before = of(&instruction);
      if (before.is_varying()) continue;
      Shape after = transfer(instruction);
      if (after.is_unknown()) continue;
      after = descend(before, after);
      if (after == before) continue;
      shapes_[&instruction] = after;
      changed = true;
    }
  }
  return changed;
}

bool ShapeAnalysis::update_divergence() {
  bool changed = false;
  for (llvm::BasicBlock& block : function_) {
    auto* branch = llvm::dyn_cast<llvm::BranchInst>(block.getTerminator());
    if (!branch || !branch->isConditional()) continue;
    const Shape& condition = of(branch->getCondition());
    if (condition.is_uniform() || condition.is_unknown() || !divergent_branches_.insert(&block).second) continue;
    changed = true;
    for (const llvm::Loop* loop = loops_.getLoopFor(&block); loop; loop = loop->getParentLoop())
      if (!loop->contains(branch->getSuccessor(0)) || !loop->contains(branch->getSuccessor(1)))
        divergent_loops_.insert(loop);
    mark_joins(&block);
  }
  return changed;
}

// Blocks that lanes parted at `branch` may enter by different edges: those that both of its ways lead to, up to its
// post-dominator. Lanes that meet where one way leads alone have not parted here.
void ShapeAnalysis::mark_joins(const llvm::BasicBlock* branch) {
  const auto* node = post_dominators_.getNode(branch)->getIDom();
  const llvm::BasicBlock* end = node ? node->getBlock() : nullptr;
  auto reached = [&](const llvm::BasicBlock* start) {
    llvm::SetVector<const llvm::BasicBlock*> blocks;
    auto visit = [&](const llvm::BasicBlock* block) {
      const llvm::Loop* loop = loops_.getLoopFor(block);
      bool is_back_edge = loop && loop->getHeader() == block && loop->contains(branch);
      if (!is_back_edge) blocks.insert(block);
    };
    visit(start);
    for (size_t i = 0; i < blocks.size(); ++i) {
      if (blocks[i] == end) continue;
      for (const llvm::BasicBlock* successor : llvm::successors(blocks[i])) visit(successor);
    }
    return blocks;
  };
  const llvm::Instruction* terminator = branch->getTerminator();
  auto left = reached(terminator->getSuccessor(0)), right = reached(terminator->getSuccessor(1));
  for (const llvm::BasicBlock* block : left)
    if (right.contains(block) && block->hasNPredecessorsOrMore(2) && !loops_.isLoopHeader(block))
      divergent_joins_.insert(block);
}

Shape ShapeAnalysis::transfer(const llvm::Instruction& instruction) const {
  if (auto* phi = llvm::dyn_cast<llvm::PHINode>(&instruction)) return transfer_phi(*phi);
  if (auto* call = llvm::dyn_cast<llvm::CallBase>(&instruction)) return transfer_call(*call);
  if (auto* variable = llvm::dyn_cast<llvm::AllocaInst>(&instruction)) {
    if (variable->hasMetadata(kLanesMetadata)) return Shape::uniform();
    return Shape::strided(layout_.getTypeAllocSize(variable->getAllocatedType()), 64);
  }
  if (auto* load = llvm::dyn_cast<llvm::LoadInst>(&instruction)) {
    const Shape& address = of(load->getPointerOperand());
    return address.is_uniform() || address.is_unknown() ? address : Shape::varying();
  }
  if (llvm::isa<llvm::AtomicRMWInst, llvm::AtomicCmpXchgInst>(instruction)) return Shape::varying();

  bool all_uniform = true, any_varying = false;
  for (const llvm::Value* operand : instruction.operands()) {
    const Shape& shape = of(operand);
    if (shape.is_unknown()) return Shape();
    all_uniform &= shape.is_uniform();
    any_varying |= shape.is_varying();
  }
  if (all_uniform) return Shape::uniform();
  if (auto* select = llvm::dyn_cast<llvm::SelectInst>(&instruction)) return transfer_select(*select);
  return any_varying ? Shape::varying() : transfer_offsets(instruction);
}

Shape ShapeAnalysis::transfer_phi(const llvm::PHINode& phi) const {
  Shape shape;
  const llvm::Value* same = nullptr;
  bool all_same = true;
  for (unsigned i = 0; i < phi.getNumIncomingValues(); ++i) {
    const llvm::Value* value = phi.getIncomingValue(i);
    // Nothing reads what is undefined: it may be taken to be whatever the others are.
    if (llvm::isa<llvm::UndefValue>(value)) continue;
    all_same &= !same || same == value;
    same = value;
    shape = Shape::join(shape, of(value));
    if (llvm::isa<llvm::Constant, llvm::Argument>(value)) continue;
    for (const llvm::Loop* loop = loops_.getLoopFor(phi.getIncomingBlock(i)); loop && !loop->contains(phi.getParent());
         loop = loop->getParentLoop())
      if (is_divergent(loop) && loop->contains(llvm::cast<llvm::Instruction>(value))) return Shape::varying();
  }
  if (!same) return Shape::uniform();
  return divergent_joins_.contains(phi.getParent()) && !all_same ? Shape::varying() : shape;
}

Shape ShapeAnalysis::transfer_call(const llvm::CallBase& call) const {
  bool all_uniform = true;
  for (const llvm::Value* argument : call.args()) {
    const Shape& shape = of(argument);
    if (shape.is_unknown()) return Shape();
    all_uniform &= shape.is_uniform();
  }
  llvm::StringRef name = builtin_name(&call);
  if (name.empty()) return all_uniform ? Shape::uniform() : Shape::varying();
  if (name == "__msl_lane") return Shape::strided(1, 32);
  if (name.starts_with("__msl_simd_shuffle")) return of(call.getArgOperand(1)).is_uniform() ? kUniform : Shape::varying();
  bool per_lane = name.starts_with("__msl_check_access") || name.starts_with("__msl_simd_prefix") || name.starts_with("__msl_matrix");
  return per_lane ? Shape::varying() : Shape::uniform();
}

Shape ShapeAnalysis::transfer_select(const llvm::SelectInst& select) const {
  if (!of(select.getCondition()).is_uniform()) return Shape::varying();
  return Shape::join(of(select.getTrueValue()), of(select.getFalseValue()));
}

// Operands are uniform or offsets here, and at least one is offsets.
Shape ShapeAnalysis::transfer_offsets(const llvm::Instruction& instruction) const {
  auto operand = [&](unsigned i) -> const Shape& { return of(instruction.getOperand(i)); };
  auto constant = [&](unsigned i) { return llvm::dyn_cast<llvm::ConstantInt>(instruction.getOperand(i)); };
  unsigned bits = instruction.getType()->isPointerTy() ? 64 : instruction.getType()->getScalarSizeInBits();
  auto map = [&](auto function) {
    Shape::Lanes lanes;
    for (unsigned lane = 0; lane < kLanes; ++lane) lanes[lane] = function(lane);
    bool guarded = false;
    for (const llvm::Value* value : instruction.operands()) guarded |= of(value).is_guarded();
    return Shape::offsets(lanes, bits, guarded);
  };

  switch (instruction.getOpcode()) {
    case llvm::Instruction::Add:
      return map([&](unsigned i) { return operand(0).lane_offsets()[i] + operand(1).lane_offsets()[i]; });
    case llvm::Instruction::Sub:
      return map([&](unsigned i) { return operand(0).lane_offsets()[i] - operand(1).lane_offsets()[i]; });
    case llvm::Instruction::Mul:
      for (unsigned side = 0; side < 2; ++side)
        if (auto* factor = constant(side); factor && bits <= 64)
          return map([&](unsigned i) {
            return static_cast<int64_t>(uint64_t(operand(1 - side).lane_offsets()[i]) * factor->getZExtValue());
          });
      return Shape::varying();
    case llvm::Instruction::Shl:
      if (auto* shift = constant(1); shift && shift->getValue().ult(bits) && bits <= 64)
        return map([&](unsigned i) {
          return static_cast<int64_t>(uint64_t(operand(0).lane_offsets()[i]) << shift->getZExtValue());
        });
      return Shape::varying();
    case llvm::Instruction::And:
    case llvm::Instruction::Or:
    case llvm::Instruction::Xor:
      return transfer_bitwise(llvm::cast<llvm::BinaryOperator>(instruction));
    case llvm::Instruction::LShr:
    case llvm::Instruction::AShr:
      return transfer_right_shift(llvm::cast<llvm::BinaryOperator>(instruction));
    case llvm::Instruction::ZExt:
    case llvm::Instruction::SExt:
      if (bits > 64) return Shape::varying();
      return operand(0).with_guard(operand(0).is_guarded() || may_wrap(llvm::cast<llvm::CastInst>(instruction)));
    case llvm::Instruction::Trunc:
    case llvm::Instruction::Freeze:
      return map([&](unsigned i) { return operand(0).lane_offsets()[i]; });
    case llvm::Instruction::GetElementPtr:
      return transfer_address(llvm::cast<llvm::GetElementPtrInst>(instruction));
    default:
      return Shape::varying();
  }
}

Shape ShapeAnalysis::transfer_address(const llvm::GetElementPtrInst& address) const {
  Shape::Lanes lanes = of(address.getPointerOperand()).lane_offsets();
  bool guarded = of(address.getPointerOperand()).is_guarded();
  if (address.getType()->isVectorTy()) return Shape::varying();
  for (auto type = llvm::gep_type_begin(address), end = llvm::gep_type_end(address); type != end; ++type) {
    if (type.isStruct()) continue;
    const Shape& index = of(type.getOperand());
    if (index.is_uniform()) continue;
    // A narrow index is extended here as by a sext; only ones of full width keep their offsets.
    if (type.getOperand()->getType()->getScalarSizeInBits() != 64) return Shape::varying();
    guarded |= index.is_guarded();
    int64_t stride = type.getSequentialElementStride(layout_);
    for (unsigned lane = 0; lane < kLanes; ++lane)
      lanes[lane] = static_cast<int64_t>(uint64_t(lanes[lane]) + uint64_t(index.lane_offsets()[lane]) * stride);
  }
  return Shape::offsets(lanes, 64, guarded);
}

std::optional<Shape::Lanes> ShapeAnalysis::low_bits(const llvm::Value* value, unsigned bits) const {
  llvm::KnownBits known = base_bits(value).trunc(bits);
  if (!known.isConstant()) return std::nullopt;
  int64_t base = known.getConstant().getZExtValue();
  Shape::Lanes lanes = of(value).lane_offsets();
  for (int64_t& lane : lanes) {
    lane += base;
    if (lane < 0 || lane >= int64_t(1) << bits) return std::nullopt;
  }
  return lanes;
}

std::optional<Shape::Lanes> ShapeAnalysis::known_low_bits(const llvm::Value* value, unsigned bits) const {
  if (!of(value).is_offsets() || of(value).is_guarded()) return std::nullopt;
  llvm::KnownBits known = base_bits(value).trunc(bits);
  if (!known.isConstant()) return std::nullopt;
  Shape::Lanes lanes = of(value).lane_offsets();
  for (int64_t& lane : lanes) lane = (lane + known.getConstant().getZExtValue()) & ((int64_t(1) << bits) - 1);
  return lanes;
}

// Where lanes differ only in known low bits, those can be computed here for every lane; the other bits are uniform.
Shape ShapeAnalysis::transfer_bitwise(const llvm::BinaryOperator& operation) const {
  unsigned width = operation.getType()->getScalarSizeInBits();
  if (of(operation.getOperand(0)).is_guarded() || of(operation.getOperand(1)).is_guarded()) return Shape::varying();
  for (unsigned bits = 1; bits < width && bits <= 16; ++bits) {
    auto left = low_bits(operation.getOperand(0), bits), right = low_bits(operation.getOperand(1), bits);
    if (!left || !right) continue;
    auto combine = [&](unsigned lane) {
      int64_t a = (*left)[lane], b = (*right)[lane];
      if (operation.getOpcode() == llvm::Instruction::And) return a & b;
      return operation.getOpcode() == llvm::Instruction::Or ? a | b : a ^ b;
    };
    Shape::Lanes lanes;
    for (unsigned lane = 0; lane < kLanes; ++lane) lanes[lane] = combine(lane) - combine(0);
    return Shape::offsets(lanes, width);
  }
  return Shape::varying();
}

Shape ShapeAnalysis::transfer_right_shift(const llvm::BinaryOperator& shift) const {
  auto* count = llvm::dyn_cast<llvm::ConstantInt>(shift.getOperand(1));
  unsigned width = shift.getType()->getScalarSizeInBits();
  if (!count || count->getValue().uge(width) || of(shift.getOperand(0)).is_guarded()) return Shape::varying();
  for (unsigned bits = 1; bits < width && bits <= 16; ++bits) {
    auto low = low_bits(shift.getOperand(0), bits);
    if (!low) continue;
    Shape::Lanes lanes;
    for (unsigned lane = 0; lane < kLanes; ++lane)
      lanes[lane] = ((*low)[lane] >> count->getZExtValue()) - ((*low)[0] >> count->getZExtValue());
    return Shape::offsets(lanes, width);
  }
  return Shape::varying();
}

bool ShapeAnalysis::may_wrap(const llvm::CastInst& cast) const {
  const Shape& source = of(cast.getOperand(0));
  unsigned width = cast.getSrcTy()->getScalarSizeInBits();
  if (source.is_uniform()) return false;
  llvm::ConstantRange base = base_range(cast.getOperand(0));
  // In twice the width nothing wraps: compare there.
  unsigned wide = 2 * width + 64;
  bool is_signed = llvm::isa<llvm::SExtInst>(cast);
  auto extend = [&](const llvm::APInt& value) { return is_signed ? value.sext(wide) : value.zext(wide); };
  auto low = extend(is_signed ? base.getSignedMin() : base.getUnsignedMin()) +
             llvm::APInt(wide, static_cast<uint64_t>(source.min_offset()), true);
  auto high = extend(is_signed ? base.getSignedMax() : base.getUnsignedMax()) +
              llvm::APInt(wide, static_cast<uint64_t>(source.max_offset()), true);
  auto lowest = extend(is_signed ? llvm::APInt::getSignedMinValue(width) : llvm::APInt::getMinValue(width));
  auto highest = extend(is_signed ? llvm::APInt::getSignedMaxValue(width) : llvm::APInt::getMaxValue(width));
  return low.slt(lowest) || high.sgt(highest);
}

llvm::KnownBits ShapeAnalysis::base_bits(const llvm::Value* value, unsigned depth) const {
  if (of(value).is_uniform()) return llvm::computeKnownBits(value, layout_);
  unsigned width = value->getType()->getScalarSizeInBits();
  const auto* instruction = llvm::dyn_cast<llvm::Instruction>(value);
  if (builtin_name(value) == "__msl_lane") return llvm::KnownBits::makeConstant(llvm::APInt(32, 0));
  if (!instruction || depth > 6 || !of(value).is_offsets()) return llvm::KnownBits(width);
  // Flags such as nuw say nothing of lane 0 if it is inactive: they are left out.
  auto operand = [&](unsigned i) { return base_bits(instruction->getOperand(i), depth + 1); };
  switch (instruction->getOpcode()) {
    case llvm::Instruction::Add:
    case llvm::Instruction::Sub:
      return llvm::KnownBits::computeForAddSub(instruction->getOpcode() == llvm::Instruction::Add, false, false,
                                               operand(0), operand(1));
    case llvm::Instruction::Mul: return llvm::KnownBits::mul(operand(0), operand(1));
    case llvm::Instruction::Shl: return llvm::KnownBits::shl(operand(0), operand(1));
    case llvm::Instruction::LShr: return llvm::KnownBits::lshr(operand(0), operand(1));
    case llvm::Instruction::AShr: return llvm::KnownBits::ashr(operand(0), operand(1));
    case llvm::Instruction::And: return operand(0) & operand(1);
    case llvm::Instruction::Or: return operand(0) | operand(1);
    case llvm::Instruction::Xor: return operand(0) ^ operand(1);
    case llvm::Instruction::ZExt: return operand(0).zext(width);
    case llvm::Instruction::SExt: return operand(0).sext(width);
    case llvm::Instruction::Trunc: return operand(0).trunc(width);
    case llvm::Instruction::Freeze: return operand(0);
    case llvm::Instruction::PHI: return base_bits_of_phi(llvm::cast<llvm::PHINode>(*instruction), depth);
    default: return llvm::KnownBits(width);
  }
}

// A counter keeps the low bits that none of its steps has.
llvm::KnownBits ShapeAnalysis::base_bits_of_phi(const llvm::PHINode& phi, unsigned depth) const {
  unsigned width = phi.getType()->getScalarSizeInBits(), kept = width;
  std::optional<llvm::KnownBits> known;
  for (const llvm::Value* value : phi.incoming_values()) {
    if (llvm::isa<llvm::UndefValue>(value)) continue;
    auto* step = llvm::dyn_cast<llvm::BinaryOperator>(value);
    if (step && step->getOpcode() == llvm::Instruction::Add && llvm::is_contained(step->operands(), &phi)) {
      const llvm::Value* stride = step->getOperand(step->getOperand(0) == &phi ? 1 : 0);
      kept = std::min(kept, stride == &phi ? 0 : base_bits(stride, depth + 1).countMinTrailingZeros());
    } else {
      llvm::KnownBits start = base_bits(value, depth + 1);
      known = known ? known->intersectWith(start) : start;
    }
  }
  if (!known) return llvm::KnownBits(width);
  llvm::APInt low = llvm::APInt::getLowBitsSet(width, kept);
  known->Zero &= low;
  known->One &= low;
  return *known;
}

llvm::ConstantRange ShapeAnalysis::base_range(const llvm::Value* value, unsigned depth) const {
  unsigned width = value->getType()->getScalarSizeInBits();
  auto known = llvm::ConstantRange::fromKnownBits(base_bits(value), /*IsSigned=*/false);
  if (of(value).is_uniform()) return known.intersectWith(llvm::computeConstantRange(value, /*ForSigned=*/false));
  const auto* instruction = llvm::dyn_cast<llvm::Instruction>(value);
  if (!instruction || depth > 6 || !of(value).is_offsets()) return known;
  auto operand = [&](unsigned i) { return base_range(instruction->getOperand(i), depth + 1); };
  switch (instruction->getOpcode()) {
    case llvm::Instruction::Add: return known.intersectWith(operand(0).add(operand(1)));
    case llvm::Instruction::Sub: return known.intersectWith(operand(0).sub(operand(1)));
    case llvm::Instruction::Mul: return known.intersectWith(operand(0).multiply(operand(1)));
    case llvm::Instruction::Shl: return known.intersectWith(operand(0).shl(operand(1)));
    case llvm::Instruction::LShr: return known.intersectWith(operand(0).lshr(operand(1)));
    case llvm::Instruction::And: return known.intersectWith(operand(0).binaryAnd(operand(1)));
    case llvm::Instruction::ZExt: return known.intersectWith(operand(0).zeroExtend(width));
    case llvm::Instruction::SExt: return known.intersectWith(operand(0).signExtend(width));
    default: return known;
  }
}

}  // namespace mslc
