// 8x8 matrices whose elements are spread over the lanes, two a lane.
#include <llvm/IR/IntrinsicsX86.h>
#include <llvm/IR/Module.h>
#include <llvm/IR/PatternMatch.h>

#include <array>

#include "vectorise/small_floats.h"
#include "vectorise/vectoriser.h"

namespace mslc {

namespace {

constexpr unsigned kSide = 8;

unsigned row_of(unsigned lane) { return ((lane >> 4) & 1) * 4 + ((lane >> 1) & 3); }
unsigned column_of(unsigned lane) { return ((lane >> 3) & 1) * 4 + (lane & 1) * 2; }
/// The lane that holds (row, column); which of its two elements it is is column % 2.
unsigned lane_of(unsigned row, unsigned column) {
  return (row / 4) * 16 + (column / 4) * 8 + (row % 4) * 2 + (column / 2) % 2;
}

unsigned half_of(const llvm::CallInst& call) {
  return llvm::cast<llvm::ConstantInt>(call.getArgOperand(0))->getZExtValue();
}

bool is_constant(const llvm::Value* value) { return llvm::isa<llvm::ConstantInt>(value); }

/// Two vectors of equal length end to end.
llvm::Value* concatenate(llvm::IRBuilder<>& b, llvm::Value* low, llvm::Value* high) {
  unsigned size = 2 * llvm::cast<llvm::FixedVectorType>(low->getType())->getNumElements();
  llvm::SmallVector<int, 64> all;
  for (unsigned i = 0; i < size; ++i) all.push_back(i);
  return b.CreateShuffleVector(low, high, all);
}

/// Where line `i` of the matrix in memory begins: a row, or a column if it is stored transposed.
llvm::Value* line_address(llvm::IRBuilder<>& b, llvm::Type* type, llvm::Value* start, llvm::Value* stride, unsigned i) {
  return b.CreateGEP(type, start, b.CreateMul(stride, b.getInt64(i)));
}

/// The other half's store right behind this one, if there is one.
llvm::CallInst* other_half(llvm::CallInst& store) {
  for (llvm::Instruction* next = store.getNextNode(); next; next = next->getNextNode()) {
    auto* call = llvm::dyn_cast<llvm::CallInst>(next);
    bool matches = call && call->getCalledFunction() == store.getCalledFunction() &&
                   call->getArgOperand(1) == store.getArgOperand(1) && call->getArgOperand(2) == store.getArgOperand(2) &&
                   call->getArgOperand(3) == store.getArgOperand(3) && half_of(*call) == 1 - half_of(store);
    if (matches) return call;
    if (next->mayReadOrWriteMemory()) return nullptr;
  }
  return nullptr;
}

/// The bfloat that `value` is, or that it was before to_float(), or its bits; null if there is none.
llvm::Value* bfloat_behind(llvm::Value* value) {
  using namespace llvm::PatternMatch;
  llvm::Value* source;
  if (value->getType()->isBFloatTy()) return value;
  bool widened = match(value, m_BitCast(m_Shl(m_ZExt(m_Value(source)), m_SpecificInt(16))));
  return widened && source->getType()->isIntegerTy(16) ? source : nullptr;
}

/// What matrices of a type are in memory.
llvm::Type* stored_type(llvm::Type* type) {
  return type->isBFloatTy() ? llvm::Type::getInt16Ty(type->getContext()) : type;
}

}  // namespace

llvm::Value* Vectoriser::matrix_load(Builder& b, llvm::CallInst& call) {
  llvm::Value *start = call.getArgOperand(1), *stride = call.getArgOperand(2), *transpose = call.getArgOperand(3);
  if (!is_constant(call.getArgOperand(0)) || !is_constant(transpose) || !is_uniform(start) || !is_uniform(stride))
    fail("matrix in memory is not the same for all lanes", call);
  llvm::Type* type = stored_type(call.getType());
  bool transposed = llvm::cast<llvm::ConstantInt>(transpose)->isOne();
  llvm::SmallVector<llvm::Value*, kSide> parts;
  for (unsigned i = 0; i < kSide; ++i)
    parts.push_back(b.CreateAlignedLoad(llvm::FixedVectorType::get(type, kSide), line_address(b, type, start, stride, i),
                                        layout_.getABITypeAlign(type)));
  while (parts.size() > 1) {
    for (size_t i = 0; i < parts.size() / 2; ++i) parts[i] = concatenate(b, parts[2 * i], parts[2 * i + 1]);
    parts.resize(parts.size() / 2);
  }
  llvm::SmallVector<int, kLanes> from;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    unsigned row = row_of(lane), column = column_of(lane) + half_of(call);
    from.push_back(transposed ? column * kSide + row : row * kSide + column);
  }
  return b.CreateBitCast(b.CreateShuffleVector(parts[0], from), lane_vector(call.getType()));
}

void Vectoriser::matrix_store(Builder& b, llvm::CallInst& call) {
  if (llvm::is_contained(replaced_, &call)) return;  // stored with its other half
  llvm::Value *start = call.getArgOperand(1), *stride = call.getArgOperand(2), *transpose = call.getArgOperand(3);
  if (!is_constant(call.getArgOperand(0)) || !is_constant(transpose) || !is_uniform(start) || !is_uniform(stride))
    fail("matrix in memory is not the same for all lanes", call);
  bool transposed = llvm::cast<llvm::ConstantInt>(transpose)->isOne();
  unsigned half = half_of(call);
  llvm::CallInst* other = other_half(call);
  if (other) b.SetInsertPoint(other);
  llvm::Type* type = stored_type(call.getArgOperand(4)->getType());
  auto stored = [&](llvm::CallInst& half) { return b.CreateBitCast(lanes(half.getArgOperand(4)), lane_vector(type)); };
  llvm::Value* own = stored(call);
  llvm::Value* others = other ? stored(*other) : llvm::PoisonValue::get(own->getType());
  llvm::Align alignment = layout_.getABITypeAlign(type);
  for (unsigned line = 0; line < kSide; ++line) {
    llvm::SmallVector<int, kSide> from;
    llvm::SmallVector<llvm::Constant*, kSide> mask;
    for (unsigned i = 0; i < kSide; ++i) {
      unsigned row = transposed ? i : line, column = transposed ? line : i;
      from.push_back(lane_of(row, column) + (column % 2 == half ? 0 : kLanes));
      mask.push_back(b.getInt1(other || column % 2 == half));
    }
    llvm::Value* values = b.CreateShuffleVector(own, others, from);
    llvm::Value* address = line_address(b, type, start, stride, line);
    if (other)
      b.CreateAlignedStore(values, address, alignment);
    else
      b.CreateMaskedStore(values, address, alignment, llvm::ConstantVector::get(mask));
  }
  replaced_.push_back(&call);
  if (other) replaced_.push_back(other);
}

/// Products with the same left matrix, from `first` on, whose operands are there before it: as many as their sums can
/// stay in half of the registers.
llvm::SmallVector<llvm::CallInst*, 8> Vectoriser::products_with_same_left(llvm::CallInst& first) const {
  unsigned vectors = target_.getNumberOfRegisters(target_.getRegisterClassForType(/*Vector=*/true));
  unsigned bits = target_.getRegisterBitWidth(llvm::TargetTransformInfo::RGK_FixedWidthVector).getFixedValue();
  unsigned each = std::max<unsigned>(1, kLanes * 32 / std::max(bits, 1u));
  size_t most = std::max(1u, vectors / 2 / each);
  auto is_before = [&](const llvm::Use& operand) {
    auto* instruction = llvm::dyn_cast<llvm::Instruction>(operand);
    return !instruction || instruction->getParent() != first.getParent() || instruction->comesBefore(&first);
  };
  llvm::SmallVector<llvm::CallInst*, 8> products{&first};
  for (llvm::Instruction* next = first.getNextNode(); next && products.size() < most; next = next->getNextNode()) {
    auto* call = llvm::dyn_cast<llvm::CallInst>(next);
    bool matches = call && call->getCalledFunction() == first.getCalledFunction() && !lanes_.contains(call) &&
                   call->getArgOperand(1) == first.getArgOperand(1) && call->getArgOperand(2) == first.getArgOperand(2);
    if (matches && is_constant(call->getArgOperand(0)) && llvm::all_of(call->args(), is_before)) products.push_back(call);
  }
  return products;
}

// c[row][column] + sum of a[row][k] * b[k][column]. Several products advance together, so that each row of a is looked
// up once and the sums stay in registers.
void Vectoriser::matrix_multiply(Builder& b, llvm::CallInst& first) {
  if (lanes_.contains(&first)) return;  // done with one before
  if (!is_constant(first.getArgOperand(0))) fail("half of a matrix is not known", first);
  auto products = products_with_same_left(first);
  if (!features_.bfloat_dot || !multiply_bfloats(b, products)) multiply_floats(b, products);
}

// For each k, every lane's row of a and column of b.
void Vectoriser::multiply_floats(Builder& b, llvm::ArrayRef<llvm::CallInst*> products) {
  llvm::Type* type = products.front()->getType();
  auto element = [&](llvm::CallInst* call, unsigned argument) {
    llvm::Value* value = lanes(call->getArgOperand(argument));
    return type->isFloatTy() ? value : to_float(b, value);
  };
  llvm::Value* left[2] = {element(products.front(), 1), element(products.front(), 2)};
  llvm::SmallVector<llvm::Value*, 8> right, sums;
  for (llvm::CallInst* call : products) {
    right.push_back(element(call, 3 + half_of(*call)));
    sums.push_back(element(call, 5));
  }
  for (unsigned k = 0; k < kSide; ++k) {
    llvm::SmallVector<int, kLanes> row, column;
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      row.push_back(lane_of(row_of(lane), k));
      column.push_back(lane_of(k, column_of(lane)));
    }
    llvm::Value* rows = b.CreateShuffleVector(left[k % 2], row);
    for (auto [sum, matrix] : llvm::zip(sums, right))
      sum = b.CreateIntrinsic(llvm::Intrinsic::fma, {sum->getType()}, {rows, b.CreateShuffleVector(matrix, column), sum});
  }
  for (auto [call, sum] : llvm::zip(products, sums))
    set_lanes(*call, type->isFloatTy() ? sum : from_float(b, sum, lane_vector(type)));
}

// The same for pairs of k where all elements are bfloats. The instruction takes denormals for zero. Returns false if the
// elements are not bfloats.
bool Vectoriser::multiply_bfloats(Builder& b, llvm::ArrayRef<llvm::CallInst*> products) {
  llvm::Type* type = products.front()->getType();
  for (llvm::CallInst* call : products)
    for (unsigned argument = 1; argument < 5; ++argument)
      if (!bfloat_behind(call->getArgOperand(argument))) return false;

  llvm::FixedVectorType* bits = lane_vector(b.getInt16Ty());
  auto element = [&](llvm::CallInst* call, unsigned argument) {
    return b.CreateBitCast(lanes(bfloat_behind(call->getArgOperand(argument))), bits);
  };
  llvm::FixedVectorType* pairs = lane_vector(b.getInt32Ty());
  // A lane's two elements are a pair of its row; pairs of a column are put together from two rows.
  llvm::SmallVector<int, 2 * kLanes> both;
  for (unsigned lane = 0; lane < kLanes; ++lane) both.append({int(lane), int(kLanes + lane)});
  llvm::Value* left =
      b.CreateBitCast(b.CreateShuffleVector(element(products.front(), 1), element(products.front(), 2), both), pairs);
  llvm::SmallVector<llvm::Value*, 8> right;
  llvm::SmallVector<std::array<llvm::Value*, 2>, 8> sums;
  for (llvm::CallInst* call : products) {
    right.push_back(element(call, 3 + half_of(*call)));
    llvm::Value* sum = lanes(call->getArgOperand(5));
    if (!type->isFloatTy()) sum = to_float(b, sum);
    sums.push_back({part_of(b, sum, 0), part_of(b, sum, 1)});
  }
  llvm::Function* dot = llvm::Intrinsic::getDeclaration(&module_, llvm::Intrinsic::x86_avx512bf16_dpbf16ps_512);
  for (unsigned k = 0; k < kSide; k += 2) {
    llvm::SmallVector<int, kLanes> row;
    llvm::SmallVector<int, 2 * kLanes> column;
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      row.push_back(lane_of(row_of(lane), k));
      column.append({int(lane_of(k, column_of(lane))), int(lane_of(k + 1, column_of(lane)))});
    }
    llvm::Value* rows = b.CreateShuffleVector(left, row);
    for (auto [sum, matrix] : llvm::zip(sums, right)) {
      llvm::Value* columns = b.CreateBitCast(b.CreateShuffleVector(matrix, column), pairs);
      for (unsigned part = 0; part < 2; ++part) {
        llvm::Value* operands[3] = {sum[part], part_of(b, rows, part), part_of(b, columns, part)};
        for (unsigned i = 0; i < 3; ++i) operands[i] = b.CreateBitCast(operands[i], dot->getArg(i)->getType());
        sum[part] = b.CreateCall(dot, operands);
      }
    }
  }
  for (auto [call, sum] : llvm::zip(products, sums)) {
    llvm::Value* whole = concatenate(b, sum[0], sum[1]);
    set_lanes(*call, type->isFloatTy() ? whole : from_float(b, whole, lane_vector(type)));
  }
  return true;
}

}  // namespace mslc
