// The functions of the IR contract that look across lanes.
#include <llvm/IR/IntrinsicsX86.h>
#include <llvm/IR/Module.h>

#include <limits>
#include <numeric>

#include "vectorise/small_floats.h"
#include "vectorise/vectoriser.h"

namespace mslc {

namespace {

enum class Combine { Sum, Product, Min, Max, And, Or, Xor };

Combine combine_of(llvm::StringRef operation) {
  if (operation.starts_with("sum")) return Combine::Sum;
  if (operation.starts_with("product")) return Combine::Product;
  if (operation.starts_with("min")) return Combine::Min;
  if (operation.starts_with("max")) return Combine::Max;
  if (operation.starts_with("and")) return Combine::And;
  return operation.starts_with("or") ? Combine::Or : Combine::Xor;
}

/// One way to combine lanes of one type.
class Reduction {
 public:
  using Builder = llvm::IRBuilder<>;
  Reduction(Combine combine, ElementKind kind) : combine_(combine), kind_(kind) {}

  /// What changes nothing: it stands in for inactive lanes. A NaN for min and max, as these pass over NaNs.
  llvm::Constant* identity(llvm::Type* type) const {
    unsigned bits = type->getScalarSizeInBits();
    switch (combine_) {
      case Combine::Sum: return kind_.is_float ? llvm::ConstantFP::getNegativeZero(type) : llvm::ConstantInt::get(type, 0);
      case Combine::Product: return kind_.is_float ? llvm::ConstantFP::get(type, 1) : llvm::ConstantInt::get(type, 1);
      case Combine::Min:
        if (kind_.is_float) return llvm::ConstantFP::getNaN(type);
        return llvm::ConstantInt::get(type, kind_.is_signed ? llvm::APInt::getSignedMaxValue(bits) : llvm::APInt::getMaxValue(bits));
      case Combine::Max:
        if (kind_.is_float) return llvm::ConstantFP::getNaN(type);
        return llvm::ConstantInt::get(type, kind_.is_signed ? llvm::APInt::getSignedMinValue(bits) : llvm::APInt::getMinValue(bits));
      case Combine::And: return llvm::Constant::getAllOnesValue(type);
      case Combine::Or:
      case Combine::Xor: break;
    }
    return llvm::Constant::getNullValue(type);
  }

  llvm::Value* reduce(Builder& b, llvm::Value* v) const {
    switch (combine_) {
      case Combine::Sum: return kind_.is_float ? fold_halves(b, v) : b.CreateAddReduce(v);
      case Combine::Product: return kind_.is_float ? fold_halves(b, v) : b.CreateMulReduce(v);
      case Combine::Min: return kind_.is_float ? b.CreateFPMinReduce(v) : b.CreateIntMinReduce(v, kind_.is_signed);
      case Combine::Max: return kind_.is_float ? b.CreateFPMaxReduce(v) : b.CreateIntMaxReduce(v, kind_.is_signed);
      case Combine::And: return b.CreateAndReduce(v);
      case Combine::Or: return b.CreateOrReduce(v);
      case Combine::Xor: break;
    }
    return b.CreateXorReduce(v);
  }

  /// Sums and products alone.
  llvm::Value* apply(Builder& b, llvm::Value* left, llvm::Value* right) const {
    if (combine_ == Combine::Sum) return kind_.is_float ? b.CreateFAdd(left, right) : b.CreateAdd(left, right);
    return kind_.is_float ? b.CreateFMul(left, right) : b.CreateMul(left, right);
  }

 private:
  /// Metal leaves the order of a sum open. A tree is fastest; this one is the same on all CPUs.
  llvm::Value* fold_halves(Builder& b, llvm::Value* v) const {
    for (unsigned half = kLanes / 2; half > 0; half /= 2) {
      llvm::SmallVector<int, kLanes / 2> low(half), high(half);
      std::iota(low.begin(), low.end(), 0);
      std::iota(high.begin(), high.end(), half);
      v = apply(b, b.CreateShuffleVector(v, low), b.CreateShuffleVector(v, high));
    }
    return b.CreateExtractElement(v, uint64_t{0});
  }

  Combine combine_;
  ElementKind kind_;
};

/// Lanes moved up by `count`, `fill` entering below.
llvm::Value* move_up(llvm::IRBuilder<>& b, llvm::Value* v, unsigned count, llvm::Constant* fill) {
  llvm::SmallVector<int, kLanes> from;
  for (unsigned lane = 0; lane < kLanes; ++lane) from.push_back(lane < count ? kLanes : lane - count);
  return b.CreateShuffleVector(v, b.CreateVectorSplat(kLanes, fill), from);
}

llvm::Value* prefix(llvm::IRBuilder<>& b, const Reduction& reduction, llvm::Value* v, bool exclusive) {
  llvm::Constant* identity = reduction.identity(v->getType()->getScalarType());
  for (unsigned distance = 1; distance < kLanes; distance *= 2)
    v = reduction.apply(b, move_up(b, v, distance, identity), v);
  return exclusive ? move_up(b, v, 1, identity) : v;
}

}  // namespace

void Vectoriser::widen_builtin(llvm::CallInst& call, llvm::StringRef name) {
  if (name == "__msl_lane" || name == "__msl_threadgroup_barrier") return;
  // Lanes run in lockstep: memory is in order.
  if (name == "__msl_simdgroup_barrier") return replaced_.push_back(&call);
  if (name.starts_with("__msl_check_")) return widen_check(call, name);
  if (name == "__msl_log") return widen_log(call);
  Builder b(&call);
  llvm::Value* mask = mask_of(call);
  if (name.starts_with("__msl_matrix_load")) return set_lanes(call, matrix_load(b, call));
  if (name.starts_with("__msl_matrix_store")) return matrix_store(b, call);
  if (name.starts_with("__msl_matrix_mma")) return matrix_multiply(b, call);
  if (name == "__msl_all_active") {
    if (call.getParent()->getTerminator()->getOperand(0) == &call) full_branches_.insert(call.getParent());
    return set_uniform(call, b.CreateICmpEQ(mask_bits(b, mask), b.getInt32(~0u)));
  }
  if (name == "__msl_all") return set_uniform(call, all_lanes_hold(b, call.getArgOperand(0), mask));
  if (!name.consume_front("__msl_simd_")) fail("unknown built-in function", call);

  llvm::Value* value = lanes(call.getArgOperand(0));
  if (name == "ballot") {
    value = b.CreateICmpNE(value, llvm::Constant::getNullValue(value->getType()));
    if (mask) value = b.CreateLogicalAnd(mask, value);
    return set_uniform(call, b.CreateBitCast(value, b.getInt32Ty()));
  }
  if (name.starts_with("broadcast_first")) {
    llvm::Value* first = b.CreateBinaryIntrinsic(llvm::Intrinsic::cttz, mask_bits(b, mask), b.getTrue());
    return set_uniform(call, b.CreateExtractElement(value, first));
  }
  if (name.starts_with("shuffle")) {
    // What an inactive lane would give is unspecified, but not undefined behaviour.
    value = b.CreateFreeze(value);
    llvm::Value* source = call.getArgOperand(1);
    if (is_uniform(source)) return set_uniform(call, b.CreateExtractElement(value, b.CreateAnd(source, kLanes - 1)));
    if (auto known = shapes_.known_low_bits(source, 5))
      return set_lanes(call, b.CreateShuffleVector(value, llvm::SmallVector<int, kLanes>(known->begin(), known->end())));
    return set_lanes(call, permute(b, value, b.CreateAnd(lanes(source), kLanes - 1)));
  }

  ElementKind kind = element_kind(name);
  bool is_prefix = name.consume_front("prefix_");
  bool exclusive = name.consume_front("exclusive_");
  name.consume_front("inclusive_");
  Reduction reduction(combine_of(name), kind);
  llvm::Type* type = call.getType();
  bool is_small_float = kind.is_float && !type->isFloatTy();
  if (is_small_float) value = to_float(b, value);
  llvm::Constant* identity = reduction.identity(value->getType()->getScalarType());
  if (mask) value = b.CreateSelect(mask, value, b.CreateVectorSplat(kLanes, identity));
  llvm::Value* result = is_prefix ? prefix(b, reduction, value, exclusive) : reduction.reduce(b, value);
  if (is_small_float) result = from_float(b, result, is_prefix ? lane_vector(type) : type);
  is_prefix ? set_lanes(call, result) : set_uniform(call, result);
}

/// Whether the condition holds in all active lanes. May be false though it does: loops that ask go on either way.
llvm::Value* Vectoriser::all_lanes_hold(Builder& b, llvm::Value* condition, llvm::Value* mask) {
  if (is_uniform(condition)) return condition;
  if (llvm::Value* holds = last_lane_holds(b, condition)) return holds;
  llvm::Value* bits = b.CreateBitCast(lanes(condition), b.getInt32Ty());
  if (mask) bits = b.CreateOr(bits, b.CreateNot(mask_bits(b, mask)));
  return b.CreateICmpEQ(bits, b.getInt32(~0u));
}

/// For offsets below a uniform limit: whether the largest is, without a vector. Where an offset wraps, it saturates.
llvm::Value* Vectoriser::last_lane_holds(Builder& b, llvm::Value* condition) {
  auto* comparison = llvm::dyn_cast<llvm::ICmpInst>(condition);
  if (!comparison || comparison->isEquality()) return nullptr;
  llvm::Value *value = comparison->getOperand(0), *limit = comparison->getOperand(1);
  llvm::CmpInst::Predicate predicate = comparison->getPredicate();
  if (!shapes_.of(value).is_offsets()) {
    std::swap(value, limit);
    predicate = llvm::CmpInst::getSwappedPredicate(predicate);
  }
  const Shape& shape = shapes_.of(value);
  bool is_upper_limit = predicate == llvm::CmpInst::getStrictPredicate(predicate)
                            ? predicate == llvm::CmpInst::ICMP_ULT || predicate == llvm::CmpInst::ICMP_SLT
                            : predicate == llvm::CmpInst::ICMP_ULE || predicate == llvm::CmpInst::ICMP_SLE;
  if (!is_upper_limit || !is_uniform(limit) || !shape.is_offsets() || shape.is_guarded() || shape.min_offset() < 0)
    return nullptr;
  auto add = llvm::CmpInst::isSigned(predicate) ? llvm::Intrinsic::sadd_sat : llvm::Intrinsic::uadd_sat;
  llvm::Value* largest = b.CreateBinaryIntrinsic(add, value, llvm::ConstantInt::get(value->getType(), shape.max_offset()));
  return b.CreateICmp(predicate, largest, limit);
}

/// Elements of 32 bits by an instruction: the bits of an index below the fifth count within a register.
llvm::Value* Vectoriser::permute_registers(Builder& b, llvm::Value* vector, llvm::Value* source_lanes) {
  llvm::Function* instruction = llvm::Intrinsic::getDeclaration(&module_, llvm::Intrinsic::x86_avx512_vpermi2var_d_512);
  llvm::Value* bits = b.CreateBitCast(vector, lane_vector(b.getInt32Ty()));
  llvm::Value* indices = b.CreateZExtOrTrunc(source_lanes, lane_vector(b.getInt32Ty()));
  llvm::Value* parts[2];
  for (unsigned i = 0; i < 2; ++i)
    parts[i] = b.CreateCall(instruction, {part_of(b, bits, 0), part_of(b, indices, i), part_of(b, bits, 1)});
  llvm::SmallVector<int, kLanes> all(kLanes);
  std::iota(all.begin(), all.end(), 0);
  return b.CreateBitCast(b.CreateShuffleVector(parts[0], parts[1], all), vector->getType());
}

/// LLVM's IR has no words for it.
llvm::Value* Vectoriser::permute_through_memory(Builder& b, llvm::Value* vector, llvm::Value* source_lanes) {
  llvm::Type* type = vector->getType()->getScalarType();
  llvm::AllocaInst* memory = temporary(vector->getType());
  b.CreateStore(vector, memory);
  llvm::Value* addresses = b.CreateGEP(type, memory, source_lanes);
  return b.CreateMaskedGather(vector->getType(), addresses, layout_.getABITypeAlign(type));
}

llvm::Value* Vectoriser::permute(Builder& b, llvm::Value* vector, llvm::Value* source_lanes) {
  if (auto* constant = llvm::dyn_cast<llvm::Constant>(source_lanes)) {
    llvm::SmallVector<int, kLanes> from;
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      auto* source = llvm::dyn_cast_or_null<llvm::ConstantInt>(constant->getAggregateElement(lane));
      from.push_back(source ? static_cast<int>(source->getZExtValue()) : 0);
    }
    return b.CreateShuffleVector(vector, from);
  }
  llvm::Type* type = vector->getType()->getScalarType();
  bool is_small = type->getScalarSizeInBits() < 32;
  llvm::Type* wide = is_small ? b.getInt32Ty() : type;
  llvm::Value* wide_vector = vector;
  if (is_small)
    wide_vector = b.CreateZExt(b.CreateBitCast(vector, lane_vector(b.getIntNTy(type->getScalarSizeInBits()))), lane_vector(wide));
  llvm::Value* result = features_.permute_registers ? permute_registers(b, wide_vector, source_lanes)
                                                    : permute_through_memory(b, wide_vector, source_lanes);
  if (!is_small) return result;
  return b.CreateBitCast(b.CreateTrunc(result, lane_vector(b.getIntNTy(type->getScalarSizeInBits()))), vector->getType());
}

}  // namespace mslc
