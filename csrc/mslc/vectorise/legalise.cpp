#include <llvm/ADT/STLFunctionalExtras.h>
#include <llvm/Analysis/ValueTracking.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/IntrinsicInst.h>
#include <llvm/IR/Module.h>
#include <llvm/Transforms/Utils/BasicBlockUtils.h>

#include <numeric>

#include "vectorise/prepare.h"

namespace mslc {

namespace {

constexpr uint64_t kMaxInlineCopies = 32;

/// Replaces what the vectoriser has no form for. One object per function.
class Legaliser {
 public:
  explicit Legaliser(llvm::Function& function) : function_(function), layout_(function.getParent()->getDataLayout()) {}

  void run() {
    std::vector<llvm::Instruction*> instructions;
    for (llvm::Instruction& instruction : llvm::instructions(function_)) instructions.push_back(&instruction);
    for (llvm::Instruction* instruction : instructions) legalise(*instruction);
    for (llvm::BasicBlock& block : function_) {
      // Nothing gets there; what is behind must still be a way out.
      if (!llvm::isa<llvm::UnreachableInst>(block.getTerminator())) continue;
      llvm::IRBuilder<> b(block.getTerminator());
      b.CreateRetVoid();
      block.getTerminator()->eraseFromParent();
    }
  }

 private:
  using Builder = llvm::IRBuilder<>;

  void legalise(llvm::Instruction& instruction) {
    Builder b(&instruction);
    if (auto* copy = llvm::dyn_cast<llvm::MemTransferInst>(&instruction)) return expand_copy(*copy);
    if (auto* set = llvm::dyn_cast<llvm::MemSetInst>(&instruction)) return expand_set(*set);
    llvm::Value* result = nullptr;
    if (auto* cast = llvm::dyn_cast<llvm::BitCastInst>(&instruction))
      result = expand_bit_cast(b, *cast);
    else if (auto* load = llvm::dyn_cast<llvm::LoadInst>(&instruction))
      result = split_load(b, *load);
    else if (auto* store = llvm::dyn_cast<llvm::StoreInst>(&instruction))
      return split_store(b, *store);
    else if (auto* call = llvm::dyn_cast<llvm::IntrinsicInst>(&instruction))
      result = expand_intrinsic(b, *call);
    else if (auto* part = llvm::dyn_cast<llvm::ExtractValueInst>(&instruction))
      result = inserted_value(*part);
    if (!result) return;
    instruction.replaceAllUsesWith(result);
    instruction.eraseFromParent();
  }

  // Between a vector and a scalar, or vectors of different elements. A part of the result is made of the elements that
  // overlap it and no others: those may be poison.
  llvm::Value* expand_bit_cast(Builder& b, llvm::BitCastInst& cast) {
    unsigned from = element_count(cast.getSrcTy()), to = element_count(cast.getDestTy());
    if (from == to) return nullptr;
    unsigned parts = std::gcd(from, to);
    llvm::SmallVector<llvm::Value*, 16> results;
    for (unsigned part = 0; part < parts; ++part) {
      llvm::SmallVector<llvm::Value*, 16> elements;
      for (unsigned i = 0; i < from / parts; ++i)
        elements.push_back(element(b, cast.getOperand(0), part * (from / parts) + i));
      llvm::Value* bits = joined_bits(b, elements);
      unsigned width = bits->getType()->getIntegerBitWidth() / (to / parts);
      for (unsigned i = 0; i < to / parts; ++i) {
        llvm::Value* piece = b.CreateTrunc(b.CreateLShr(bits, i * width), b.getIntNTy(width));
        results.push_back(b.CreateBitCast(piece, cast.getDestTy()->getScalarType()));
      }
    }
    if (!cast.getDestTy()->isVectorTy()) return results.front();
    llvm::Value* vector = llvm::PoisonValue::get(cast.getDestTy());
    for (unsigned i = 0; i < to; ++i) vector = b.CreateInsertElement(vector, results[i], i);
    return vector;
  }

  static unsigned element_count(llvm::Type* type) {
    auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(type);
    return vector ? vector->getNumElements() : 1;
  }

  static llvm::Value* element(Builder& b, llvm::Value* value, unsigned index) {
    return value->getType()->isVectorTy() ? b.CreateExtractElement(value, index) : value;
  }

  // One integer, the first element lowest.
  llvm::Value* joined_bits(Builder& b, llvm::ArrayRef<llvm::Value*> elements) {
    unsigned width = layout_.getTypeSizeInBits(elements.front()->getType());
    llvm::Type* whole = b.getIntNTy(width * elements.size());
    llvm::Value* bits = llvm::ConstantInt::get(whole, 0);
    for (size_t i = 0; i < elements.size(); ++i) {
      llvm::Value* piece = b.CreateZExt(b.CreateBitCast(elements[i], b.getIntNTy(width)), whole);
      bits = b.CreateOr(bits, b.CreateShl(piece, i * width));
    }
    return bits;
  }

  llvm::Value* expand_intrinsic(Builder& b, llvm::IntrinsicInst& call) {
    if (auto* overflow = llvm::dyn_cast<llvm::WithOverflowInst>(&call)) return expand_overflow(b, *overflow);
    llvm::Value* vector = call.arg_size() > 0 ? call.getArgOperand(call.arg_size() - 1) : nullptr;
    switch (call.getIntrinsicID()) {
      case llvm::Intrinsic::vector_reduce_add: return fold(b, vector, llvm::Instruction::Add);
      case llvm::Intrinsic::vector_reduce_mul: return fold(b, vector, llvm::Instruction::Mul);
      case llvm::Intrinsic::vector_reduce_and: return fold(b, vector, llvm::Instruction::And);
      case llvm::Intrinsic::vector_reduce_or: return fold(b, vector, llvm::Instruction::Or);
      case llvm::Intrinsic::vector_reduce_xor: return fold(b, vector, llvm::Instruction::Xor);
      case llvm::Intrinsic::vector_reduce_fadd: return fold(b, vector, llvm::Instruction::FAdd, call.getArgOperand(0));
      case llvm::Intrinsic::vector_reduce_fmul: return fold(b, vector, llvm::Instruction::FMul, call.getArgOperand(0));
      case llvm::Intrinsic::vector_reduce_smax: return fold(b, vector, llvm::Intrinsic::smax);
      case llvm::Intrinsic::vector_reduce_smin: return fold(b, vector, llvm::Intrinsic::smin);
      case llvm::Intrinsic::vector_reduce_umax: return fold(b, vector, llvm::Intrinsic::umax);
      case llvm::Intrinsic::vector_reduce_umin: return fold(b, vector, llvm::Intrinsic::umin);
      case llvm::Intrinsic::vector_reduce_fmax: return fold(b, vector, llvm::Intrinsic::maxnum);
      case llvm::Intrinsic::vector_reduce_fmin: return fold(b, vector, llvm::Intrinsic::minnum);
      default: return nullptr;
    }
  }

  llvm::Value* fold(Builder& b, llvm::Value* vector, llvm::Instruction::BinaryOps operation, llvm::Value* start = nullptr) {
    return fold_elements(b, vector, start, [&](llvm::Value* x, llvm::Value* y) { return b.CreateBinOp(operation, x, y); });
  }

  llvm::Value* fold(Builder& b, llvm::Value* vector, llvm::Intrinsic::ID operation) {
    return fold_elements(b, vector, nullptr,
                         [&](llvm::Value* x, llvm::Value* y) { return b.CreateBinaryIntrinsic(operation, x, y); });
  }

  llvm::Value* fold_elements(Builder& b, llvm::Value* vector, llvm::Value* result,
                             llvm::function_ref<llvm::Value*(llvm::Value*, llvm::Value*)> combine) {
    for (unsigned i = 0; i < llvm::cast<llvm::FixedVectorType>(vector->getType())->getNumElements(); ++i) {
      llvm::Value* element = b.CreateExtractElement(vector, i);
      result = result ? combine(result, element) : element;
    }
    return result;
  }

  // Computed in twice the width, where it fits.
  llvm::Value* expand_overflow(Builder& b, llvm::WithOverflowInst& call) {
    llvm::Type* narrow = call.getLHS()->getType();
    llvm::Type* wide = narrow->getExtendedType();
    auto extend = [&](llvm::Value* v) { return call.isSigned() ? b.CreateSExt(v, wide) : b.CreateZExt(v, wide); };
    llvm::Value* exact = b.CreateBinOp(call.getBinaryOp(), extend(call.getLHS()), extend(call.getRHS()));
    llvm::Value* result = b.CreateTrunc(exact, narrow);
    llvm::Value* overflows = b.CreateICmpNE(extend(result), exact);
    llvm::Value* pair = b.CreateInsertValue(llvm::PoisonValue::get(call.getType()), result, 0);
    return b.CreateInsertValue(pair, overflows, 1);
  }

  llvm::Value* inserted_value(llvm::ExtractValueInst& part) {
    return llvm::FindInsertedValue(part.getAggregateOperand(), part.getIndices());
  }

  /// Calls `visit` with the index and the byte offset of each member of an aggregate.
  void for_each_member(llvm::Type* type, llvm::function_ref<void(unsigned, llvm::Type*, uint64_t)> visit) {
    if (auto* structure = llvm::dyn_cast<llvm::StructType>(type)) {
      for (unsigned i = 0; i < structure->getNumElements(); ++i)
        visit(i, structure->getElementType(i), layout_.getStructLayout(structure)->getElementOffset(i));
    } else {
      auto* array = llvm::cast<llvm::ArrayType>(type);
      for (unsigned i = 0; i < array->getNumElements(); ++i)
        visit(i, array->getElementType(), i * layout_.getTypeAllocSize(array->getElementType()));
    }
  }

  /// Integers that lanes cannot load or store at once, as SROA makes them of structs with padding: 24, 48, 128 bits.
  static bool is_odd_integer(llvm::Type* type) {
    if (!type->isIntegerTy() || type->getIntegerBitWidth() % 8 != 0) return false;
    return !llvm::isPowerOf2_32(type->getIntegerBitWidth()) || type->getIntegerBitWidth() > 64;
  }

  /// Calls `visit` with the type and the byte offset of pieces of an odd integer, each a power of two of bytes.
  static void for_each_piece(llvm::Type* type, llvm::function_ref<void(llvm::Type*, uint64_t)> visit) {
    unsigned bytes = type->getIntegerBitWidth() / 8;
    for (unsigned offset = 0, size; offset < bytes; offset += size) {
      size = std::min(8u, llvm::bit_floor(bytes - offset));
      visit(llvm::Type::getIntNTy(type->getContext(), 8 * size), offset);
    }
  }

  llvm::Value* load_value(Builder& b, llvm::Type* type, llvm::Value* address, llvm::Align align, bool is_volatile) {
    if (is_odd_integer(type)) {
      llvm::Value* whole = llvm::ConstantInt::get(type, 0);
      for_each_piece(type, [&](llvm::Type* piece, uint64_t offset) {
        llvm::Value* at = b.CreateConstGEP1_64(b.getInt8Ty(), address, offset);
        llvm::Value* bits = b.CreateAlignedLoad(piece, at, llvm::commonAlignment(align, offset), is_volatile);
        whole = b.CreateOr(whole, b.CreateShl(b.CreateZExt(bits, type), 8 * offset));
      });
      return whole;
    }
    if (!type->isAggregateType()) return b.CreateAlignedLoad(type, address, align, is_volatile);
    llvm::Value* whole = llvm::PoisonValue::get(type);
    for_each_member(type, [&](unsigned i, llvm::Type* member, uint64_t offset) {
      llvm::Value* part = b.CreateConstGEP1_64(b.getInt8Ty(), address, offset);
      whole = b.CreateInsertValue(whole, load_value(b, member, part, llvm::commonAlignment(align, offset), is_volatile), i);
    });
    return whole;
  }

  void store_value(Builder& b, llvm::Value* value, llvm::Value* address, llvm::Align align, bool is_volatile) {
    if (is_odd_integer(value->getType())) {
      return for_each_piece(value->getType(), [&](llvm::Type* piece, uint64_t offset) {
        llvm::Value* bits = b.CreateTrunc(b.CreateLShr(value, 8 * offset), piece);
        llvm::Value* at = b.CreateConstGEP1_64(b.getInt8Ty(), address, offset);
        b.CreateAlignedStore(bits, at, llvm::commonAlignment(align, offset), is_volatile);
      });
    }
    if (!value->getType()->isAggregateType()) return void(b.CreateAlignedStore(value, address, align, is_volatile));
    for_each_member(value->getType(), [&](unsigned i, llvm::Type*, uint64_t offset) {
      llvm::Value* part = b.CreateConstGEP1_64(b.getInt8Ty(), address, offset);
      store_value(b, b.CreateExtractValue(value, i), part, llvm::commonAlignment(align, offset), is_volatile);
    });
  }

  llvm::Value* split_load(Builder& b, llvm::LoadInst& load) {
    if (!load.getType()->isAggregateType() && !is_odd_integer(load.getType())) return nullptr;
    return load_value(b, load.getType(), load.getPointerOperand(), load.getAlign(), load.isVolatile());
  }

  void split_store(Builder& b, llvm::StoreInst& store) {
    llvm::Type* type = store.getValueOperand()->getType();
    if (!type->isAggregateType() && !is_odd_integer(type)) return;
    store_value(b, store.getValueOperand(), store.getPointerOperand(), store.getAlign(), store.isVolatile());
    store.eraseFromParent();
  }

  /// Size of one access of a copy: that of the elements of a private array, so that the array keeps one element type.
  uint64_t unit_of(llvm::Value* pointer, llvm::Align align, uint64_t length) const {
    uint64_t unit = std::min<uint64_t>(align.value(), 4);
    if (auto* variable = llvm::dyn_cast<llvm::AllocaInst>(llvm::getUnderlyingObject(pointer))) {
      llvm::Type* type = variable->getAllocatedType();
      while (type->isAggregateType() && type->getNumContainedTypes() > 0) type = type->getContainedType(0);
      unit = std::min<uint64_t>(align.value(), layout_.getTypeAllocSize(type->getScalarType()));
    }
    unit = std::min<uint64_t>(unit, 8);
    while (length % unit != 0) unit /= 2;
    return unit;
  }

  /// Runs `body` for 0 <= index < count: unrolled if short.
  void repeat(llvm::Instruction& at, llvm::Value* count, llvm::function_ref<void(Builder&, llvm::Value*)> body) {
    auto* known = llvm::dyn_cast<llvm::ConstantInt>(count);
    if (known && known->getZExtValue() <= kMaxInlineCopies) {
      Builder b(&at);
      for (uint64_t i = 0; i < known->getZExtValue(); ++i) body(b, b.getInt64(i));
      return;
    }
    llvm::BasicBlock* before = at.getParent();
    llvm::BasicBlock* after = llvm::SplitBlock(before, &at);
    auto* loop = llvm::BasicBlock::Create(at.getContext(), "copy", &function_, after);
    before->getTerminator()->eraseFromParent();
    Builder b(before);
    b.CreateCondBr(b.CreateICmpEQ(count, b.getInt64(0)), after, loop);
    b.SetInsertPoint(loop);
    llvm::PHINode* index = b.CreatePHI(b.getInt64Ty(), 2);
    index->addIncoming(b.getInt64(0), before);
    body(b, index);
    llvm::Value* next = b.CreateNUWAdd(index, b.getInt64(1));
    index->addIncoming(next, loop);
    b.CreateCondBr(b.CreateICmpEQ(next, count), after, loop);
  }

  void expand_copy(llvm::MemTransferInst& copy) {
    auto* length = llvm::dyn_cast<llvm::ConstantInt>(copy.getLength());
    llvm::Align align = std::min(copy.getDestAlign().valueOrOne(), copy.getSourceAlign().valueOrOne());
    uint64_t unit = 1;
    if (length) {
      unit = std::min(unit_of(copy.getDest(), align, length->getZExtValue()),
                      unit_of(copy.getSource(), align, length->getZExtValue()));
      unit = std::max<uint64_t>(unit, 1);
    }
    Builder b(&copy);
    llvm::Type* type = b.getIntNTy(8 * unit);
    llvm::Align unit_align(unit);
    bool may_overlap = llvm::isa<llvm::MemMoveInst>(copy);
    if (may_overlap && length && length->getZExtValue() / unit <= kMaxInlineCopies) {
      llvm::SmallVector<llvm::Value*, 32> values;
      for (uint64_t i = 0; i < length->getZExtValue() / unit; ++i)
        values.push_back(b.CreateAlignedLoad(type, b.CreateConstGEP1_64(type, copy.getSource(), i), unit_align));
      for (uint64_t i = 0; i < values.size(); ++i)
        b.CreateAlignedStore(values[i], b.CreateConstGEP1_64(type, copy.getDest(), i), unit_align);
    } else if (may_overlap) {
      return;
    } else {
      llvm::Value* count = b.CreateZExtOrTrunc(copy.getLength(), b.getInt64Ty());
      if (length) count = b.getInt64(length->getZExtValue() / unit);
      repeat(copy, count, [&](Builder& body, llvm::Value* i) {
        llvm::Value* value = body.CreateAlignedLoad(type, body.CreateGEP(type, copy.getSource(), i), unit_align);
        body.CreateAlignedStore(value, body.CreateGEP(type, copy.getDest(), i), unit_align);
      });
    }
    copy.eraseFromParent();
  }

  void expand_set(llvm::MemSetInst& set) {
    auto* length = llvm::dyn_cast<llvm::ConstantInt>(set.getLength());
    uint64_t unit = length ? unit_of(set.getDest(), set.getDestAlign().valueOrOne(), length->getZExtValue()) : 1;
    Builder b(&set);
    llvm::Type* type = b.getIntNTy(8 * unit);
    // The byte repeated over the unit.
    llvm::Value* value = b.CreateMul(b.CreateZExt(set.getValue(), type),
                                     llvm::ConstantInt::get(type, llvm::APInt::getSplat(8 * unit, llvm::APInt(8, 1))));
    llvm::Value* count = length ? b.getInt64(length->getZExtValue() / unit)
                                : b.CreateZExtOrTrunc(set.getLength(), b.getInt64Ty());
    repeat(set, count, [&](Builder& body, llvm::Value* i) {
      body.CreateAlignedStore(value, body.CreateGEP(type, set.getDest(), i), llvm::Align(unit));
    });
    set.eraseFromParent();
  }

  llvm::Function& function_;
  const llvm::DataLayout& layout_;
};

}  // namespace

llvm::PreservedAnalyses LegalisePass::run(llvm::Function& function, llvm::FunctionAnalysisManager&) {
  Legaliser(function).run();
  return llvm::PreservedAnalyses::none();
}

}  // namespace mslc
