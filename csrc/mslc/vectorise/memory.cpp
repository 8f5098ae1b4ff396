// Loads and stores: neighbouring lanes to neighbouring addresses where they are, else gathers and scatters.
#include <llvm/IR/Module.h>

#include "vectorise/lane_loop.h"
#include "vectorise/vectoriser.h"

namespace mslc {

namespace {

/// Lanes that touch every element of a short piece of memory, in any order.
struct DenseSpan {
  int64_t start = 0;                  // bytes from lane 0's address
  unsigned size = 0;                  // elements; 0 if the lanes leave gaps
  llvm::SmallVector<int, kLanes> element;  // of each lane
};

DenseSpan dense_span(const Shape& shape, int64_t element_size) {
  DenseSpan span;
  span.start = shape.min_offset();
  int64_t size = (shape.max_offset() - span.start) / element_size + 1;
  if (size > kLanes) return span;
  llvm::SmallVector<bool, kLanes> touched(size);
  for (int64_t offset : shape.lane_offsets()) {
    if ((offset - span.start) % element_size != 0) return span;
    span.element.push_back((offset - span.start) / element_size);
    touched[span.element.back()] = true;
  }
  if (llvm::all_of(touched, [](bool t) { return t; })) span.size = size;
  return span;
}

/// Lanes whose elements lie side by side, in this order.
struct Run {
  int64_t start;  // bytes from lane 0's address
  llvm::SmallVector<int, kLanes> lanes;
};

/// All lanes in runs; none if elements overlap.
llvm::SmallVector<Run, kLanes> runs_of(const Shape& shape, int64_t element_size) {
  llvm::SmallVector<std::pair<int64_t, int>, kLanes> places;
  for (int64_t offset : shape.lane_offsets()) places.emplace_back(offset, places.size());
  llvm::sort(places);
  llvm::SmallVector<Run, kLanes> runs;
  for (unsigned i = 0; i < kLanes; ++i) {
    const auto [offset, lane] = places[i];
    const int64_t gap = i > 0 ? offset - places[i - 1].first : 2 * element_size;
    if (gap < element_size) return {};
    if (gap > element_size) runs.push_back({offset, {}});
    runs.back().lanes.push_back(lane);
  }
  return runs;
}

llvm::Value* offset_address(llvm::IRBuilder<>& b, llvm::Value* address, int64_t bytes) {
  return bytes == 0 ? address : b.CreateGEP(b.getInt8Ty(), address, b.getInt64(bytes));
}

/// Neither cached, torn nor moved: one access of the scalar's own kind for each lane.
template <class Access>
bool is_ordered(const Access& access) {
  return access.isAtomic() || access.isVolatile();
}

std::string access_name(llvm::StringRef verb, llvm::Type* type, llvm::Instruction& access, bool is_volatile,
                        llvm::AtomicOrdering ordering) {
  return (verb + "." + type_suffix(type) + "." + llvm::Twine(llvm::getLoadStoreAlignment(&access).value()) +
          (is_volatile ? ".volatile" : "") + "." + llvm::toIRString(ordering))
      .str();
}

}  // namespace

void Vectoriser::widen_load(llvm::LoadInst& load) {
  const Shape& address = shapes_.of(load.getPointerOperand());
  if (address.is_uniform() || lanes_.contains(&load)) return;  // the latter was loaded with its neighbour
  const Neighbours loads = neighbours(load);
  if (address.is_guarded()) return defer(loads);
  Builder b(&load);
  llvm::Value* mask = mask_of(load);
  if (!address.is_offsets()) return set_lanes(load, gather(b, load, lanes(load.getPointerOperand()), mask));
  for (auto [member, value] : llvm::zip(loads.accesses, load_in_order(b, loads, mask))) set_lanes(*member, value);
}

/// The lanes of loads whose addresses have known offsets from lane to lane.
llvm::SmallVector<llvm::Value*, 4> Vectoriser::load_in_order(Builder& b, const Neighbours& loads, llvm::Value* mask) {
  if (loads.apart > 0) return load_neighbours(b, loads);
  auto& load = llvm::cast<llvm::LoadInst>(*loads.accesses.front());
  return {load_lanes(b, load, shapes_.of(load.getPointerOperand()), mask)};
}

void Vectoriser::store_in_order(Builder& b, const Neighbours& stores, llvm::Value* mask) {
  if (stores.apart > 0) return store_neighbours(b, stores);
  auto& store = llvm::cast<llvm::StoreInst>(*stores.accesses.front());
  store_lanes(b, store, shapes_.of(store.getPointerOperand()), mask);
}

llvm::Value* Vectoriser::load_lanes(Builder& b, llvm::LoadInst& load, const Shape& shape, llvm::Value* mask) {
  llvm::Type* type = load.getType();
  llvm::Value* address = load.getPointerOperand();
  int64_t size = layout_.getTypeAllocSize(type);
  if (is_ordered(load)) return gather(b, load, lanes(address), mask);
  if (shape.has_stride(size)) {
    llvm::FixedVectorType* vector = lane_vector(type);
    if (!mask) return b.CreateAlignedLoad(vector, address, load.getAlign());
    if (target_.isLegalMaskedLoad(vector, load.getAlign())) return b.CreateMaskedLoad(vector, address, load.getAlign(), mask);
  } else if (!mask) {
    if (DenseSpan span = dense_span(shape, size); span.size > 0) {
      auto* piece = llvm::FixedVectorType::get(type, span.size);
      return b.CreateShuffleVector(b.CreateAlignedLoad(piece, offset_address(b, address, span.start), load.getAlign()),
                                   span.element);
    }
  }
  return gather(b, load, lanes(address), mask);
}

llvm::Value* Vectoriser::gather(Builder& b, llvm::LoadInst& load, llvm::Value* addresses, llvm::Value* mask) {
  llvm::Type* type = load.getType();
  llvm::FixedVectorType* vector = lane_vector(type);
  if (!is_ordered(load)) {
    if (target_.isLegalMaskedGather(vector, load.getAlign()) && !target_.forceScalarizeMaskedGather(vector, load.getAlign()))
      return b.CreateMaskedGather(vector, addresses, load.getAlign(), mask);
    if (llvm::Value* small = gather_small(b, load, addresses, mask)) return small;
  }
  auto load_lane = [&](Builder& lane, llvm::ArrayRef<llvm::Value*> operands) {
    llvm::LoadInst* scalar = lane.CreateAlignedLoad(type, operands[0], load.getAlign(), load.isVolatile());
    scalar->setAtomic(load.getOrdering(), load.getSyncScopeID());
    return scalar;
  };
  return call_for_each_lane(b, access_name("load", type, load, load.isVolatile(), load.getOrdering()), {addresses},
                            mask_bits(b, mask), type, load_lane);
}

// CPUs gather words. A word that is aligned lies in one page with the byte or half word wanted of it, so reading all of
// it is safe.
llvm::Value* Vectoriser::gather_small(Builder& b, llvm::LoadInst& load, llvm::Value* addresses, llvm::Value* mask) {
  unsigned bits = layout_.getTypeSizeInBits(load.getType());
  llvm::FixedVectorType* words = lane_vector(b.getInt32Ty());
  if ((bits != 8 && bits != 16) || load.getAlign().value() * 8 < bits) return nullptr;
  if (!target_.isLegalMaskedGather(words, llvm::Align(4)) || target_.forceScalarizeMaskedGather(words, llvm::Align(4)))
    return nullptr;
  llvm::Type* address_bits = lane_vector(b.getInt64Ty());
  auto splat = [&](int64_t value) { return llvm::ConstantInt::get(address_bits, value, true); };
  llvm::Value* address = b.CreatePtrToInt(addresses, address_bits);
  llvm::Value* word_address = b.CreateIntToPtr(b.CreateAnd(address, splat(~3)), addresses->getType());
  llvm::Value* word = b.CreateMaskedGather(words, word_address, llvm::Align(4), mask);
  llvm::Value* shift = b.CreateShl(b.CreateTrunc(b.CreateAnd(address, splat(3)), words), 3);
  llvm::Value* value = b.CreateTrunc(b.CreateLShr(word, shift), lane_vector(b.getIntNTy(bits)));
  return b.CreateBitCast(value, lane_vector(load.getType()));
}

void Vectoriser::widen_store(llvm::StoreInst& store) {
  const Shape& address = shapes_.of(store.getPointerOperand());
  if (address.is_uniform() && is_uniform(store.getValueOperand())) return;
  replaced_.push_back(&store);
  const Neighbours stores = neighbours(store);
  if (stores.accesses.back() != &store) return;  // done with the last of them
  if (address.is_guarded()) return defer(stores);
  Builder b(&store);
  llvm::Value* mask = mask_of(store);
  if (address.is_uniform())
    store_last_lane(b, store, mask);
  else if (address.is_offsets())
    store_in_order(b, stores, mask);
  else
    scatter(b, store, lanes(store.getPointerOperand()), mask);
}

// All lanes store to one place: as if in the order of lanes, the last active one's value stays.
void Vectoriser::store_last_lane(Builder& b, llvm::StoreInst& store, llvm::Value* mask) {
  llvm::Value* value = lanes(store.getValueOperand());
  llvm::Value* last = b.getInt32(kLanes - 1);
  if (mask)
    last = b.CreateSub(last, b.CreateBinaryIntrinsic(llvm::Intrinsic::ctlz, mask_bits(b, mask), b.getTrue()));
  auto* scalar = llvm::cast<llvm::StoreInst>(store.clone());
  scalar->setOperand(0, b.CreateExtractElement(value, last));
  b.Insert(scalar);
}

void Vectoriser::store_lanes(Builder& b, llvm::StoreInst& store, const Shape& shape, llvm::Value* mask) {
  llvm::Value *value = lanes(store.getValueOperand()), *address = store.getPointerOperand();
  int64_t size = layout_.getTypeAllocSize(store.getValueOperand()->getType());
  bool ordered = is_ordered(store);
  if (!ordered && shape.has_stride(size)) {
    if (!mask) return void(b.CreateAlignedStore(value, address, store.getAlign()));
    if (target_.isLegalMaskedStore(value->getType(), store.getAlign()))
      return void(b.CreateMaskedStore(value, address, store.getAlign(), mask));
  } else if (!ordered && !mask) {
    if (DenseSpan span = dense_span(shape, size); span.size == kLanes) {
      llvm::SmallVector<int, kLanes> lane_of_element(kLanes);
      for (unsigned lane = 0; lane < kLanes; ++lane) lane_of_element[span.element[lane]] = lane;
      b.CreateAlignedStore(b.CreateShuffleVector(value, lane_of_element), offset_address(b, address, span.start),
                           store.getAlign());
      return;
    }
    // Scattering costs several instructions for each lane.
    if (auto runs = runs_of(shape, size); !runs.empty() && runs.size() <= kLanes / 2) {
      for (const Run& run : runs)
        b.CreateAlignedStore(b.CreateShuffleVector(value, run.lanes), offset_address(b, address, run.start),
                             store.getAlign());
      return;
    }
  }
  scatter(b, store, lanes(address), mask);
}

void Vectoriser::scatter(Builder& b, llvm::StoreInst& store, llvm::Value* addresses, llvm::Value* mask) {
  llvm::Value* value = lanes(store.getValueOperand());
  if (!is_ordered(store) && target_.isLegalMaskedScatter(value->getType(), store.getAlign())) {
    b.CreateMaskedScatter(value, addresses, store.getAlign(), mask);
    return;
  }
  auto store_lane = [&](Builder& lane, llvm::ArrayRef<llvm::Value*> operands) -> llvm::Value* {
    llvm::StoreInst* scalar = lane.CreateAlignedStore(operands[1], operands[0], store.getAlign(), store.isVolatile());
    scalar->setAtomic(store.getOrdering(), store.getSyncScopeID());
    return nullptr;
  };
  std::string name = access_name("store", value->getType()->getScalarType(), store, store.isVolatile(), store.getOrdering());
  call_for_each_lane(b, name, {addresses, value}, mask_bits(b, mask), nullptr, store_lane);
}

}  // namespace mslc
