// 8x8 matrices whose elements are spread over the lanes, two a lane.
#include <llvm/IR/Module.h>

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

}  // namespace

llvm::Value* Vectoriser::matrix_load(Builder& b, llvm::CallInst& call) {
  llvm::Value *start = call.getArgOperand(1), *stride = call.getArgOperand(2), *transpose = call.getArgOperand(3);
  if (!is_constant(call.getArgOperand(0)) || !is_constant(transpose) || !is_uniform(start) || !is_uniform(stride))
    fail("matrix in memory is not the same for all lanes", call);
  llvm::Type* type = call.getType();
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
  return b.CreateShuffleVector(parts[0], from);
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
  llvm::Value* own = lanes(call.getArgOperand(4));
  llvm::Value* others = other ? lanes(other->getArgOperand(4)) : llvm::PoisonValue::get(own->getType());
  llvm::Type* type = own->getType()->getScalarType();
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

// c[row][column] + sum of a[row][k] * b[k][column]: for each k, every lane's row of a and column of b.
llvm::Value* Vectoriser::matrix_multiply(Builder& b, llvm::CallInst& call) {
  if (!is_constant(call.getArgOperand(0))) fail("half of a matrix is not known", call);
  llvm::Type* type = call.getType();
  auto element = [&](unsigned argument) {
    llvm::Value* value = lanes(call.getArgOperand(argument));
    return type->isFloatTy() ? value : to_float(b, value);
  };
  llvm::Value* left[2] = {element(1), element(2)};
  llvm::Value* right = element(3 + half_of(call));
  llvm::Value* sum = element(5);
  for (unsigned k = 0; k < kSide; ++k) {
    llvm::SmallVector<int, kLanes> row, column;
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      row.push_back(lane_of(row_of(lane), k));
      column.push_back(lane_of(k, column_of(lane)));
    }
    sum = b.CreateIntrinsic(llvm::Intrinsic::fma, {sum->getType()},
                            {b.CreateShuffleVector(left[k % 2], row), b.CreateShuffleVector(right, column), sum});
  }
  return type->isFloatTy() ? sum : from_float(b, sum, lane_vector(type));
}

}  // namespace mslc
