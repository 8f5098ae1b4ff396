// Loads and stores of vectors' elements: a lane's lie side by side, and lanes follow one another. All lanes' elements
// together are one piece of memory, which is moved whole and taken apart, or put together, in registers.
#include "vectorise/vectoriser.h"

namespace mslc {

namespace {

constexpr unsigned kMaxElements = 4;  // of a lane; with more, taking apart costs more than gathering

/// An address as a value and bytes from there.
struct Place {
  const llvm::Value* base;
  int64_t offset;
};

Place place_of(const llvm::DataLayout& layout, const llvm::Instruction& access) {
  const llvm::Value* address = llvm::getLoadStorePointerOperand(&access);
  llvm::APInt offset(layout.getIndexTypeSizeInBits(address->getType()), 0);
  const llvm::Value* base = address->stripAndAccumulateConstantOffsets(layout, offset, /*AllowNonInbounds=*/true);
  return {base, offset.getSExtValue()};
}

bool is_simple(const llvm::Instruction& access) {
  if (auto* load = llvm::dyn_cast<llvm::LoadInst>(&access)) return load->isSimple();
  return llvm::cast<llvm::StoreInst>(access).isSimple();
}

/// Elements that a lane's address is ahead of its left neighbour's; 0 if it is no small power of two.
unsigned elements_apart(const Shape& shape, int64_t size) {
  for (unsigned n = 2; n <= kMaxElements; n *= 2)
    if (shape.has_stride(n * size)) return n;
  return 0;
}

/// Whether `other` may stand between an access and its neighbours: a load may move up, a store down past it.
bool may_stand_between(const llvm::Instruction& access, const llvm::Instruction& other) {
  if (other.isTerminator()) return false;
  return llvm::isa<llvm::LoadInst>(access) ? !other.mayWriteToMemory() : !other.mayReadOrWriteMemory();
}

/// Vectors of one length, one after the other; their number is a power of two.
llvm::Value* concatenated(llvm::IRBuilder<>& b, llvm::SmallVector<llvm::Value*, 8> parts) {
  while (parts.size() > 1) {
    unsigned length = llvm::cast<llvm::FixedVectorType>(parts[0]->getType())->getNumElements();
    llvm::SmallVector<int, kLanes> positions;
    for (unsigned i = 0; i < 2 * length; ++i) positions.push_back(i);
    llvm::SmallVector<llvm::Value*, 8> longer;
    for (unsigned i = 0; i < parts.size(); i += 2) longer.push_back(b.CreateShuffleVector(parts[i], parts[i + 1], positions));
    parts = std::move(longer);
  }
  return parts[0];
}

/// A vector that is put together from elements of others of its own length.
class Collected {
 public:
  Collected(llvm::IRBuilder<>& b, unsigned length) : b_(b), taken_(length, -1) {}

  /// Takes from `source` what `positions` says for each element; negative where it has nothing.
  void take(llvm::Value* source, llvm::ArrayRef<int> positions) {
    int length = taken_.size();
    llvm::SmallVector<int, kLanes> shuffled(taken_);
    for (int i = 0; i < length; ++i) {
      if (positions[i] < 0) continue;
      shuffled[i] = value_ ? length + positions[i] : positions[i];
      taken_[i] = i;
    }
    if (value_)
      value_ = b_.CreateShuffleVector(value_, source, shuffled);
    else
      value_ = b_.CreateShuffleVector(source, llvm::PoisonValue::get(source->getType()), shuffled);
  }

  llvm::Value* value() const { return value_; }

 private:
  llvm::IRBuilder<>& b_;
  llvm::Value* value_ = nullptr;
  llvm::SmallVector<int, kLanes> taken_;
};

}  // namespace

/// The accesses of its block that `access` can be done with, itself among them, in their order in the block.
Vectoriser::Neighbours Vectoriser::neighbours(llvm::Instruction& access) const {
  Neighbours alone{{&access}, {0}, 0};
  llvm::Type* type = llvm::getLoadStoreType(&access);
  int64_t size = layout_.getTypeAllocSize(type);
  const Shape& shape = shapes_.of(llvm::getLoadStorePointerOperand(&access));
  unsigned apart = shape.is_offsets() && is_simple(access) && !mask_of(access) ? elements_apart(shape, size) : 0;
  bool is_whole = layout_.getTypeSizeInBits(type) == 8 * static_cast<uint64_t>(size);
  if (apart == 0 || !is_whole || piece_type(type)->getNumElements() < apart) return alone;
  Place place = place_of(layout_, access);
  llvm::SmallVector<std::pair<llvm::Instruction*, int64_t>, kMaxElements> found{{&access, place.offset}};
  auto is_neighbour = [&](llvm::Instruction& other) {
    if (other.getOpcode() != access.getOpcode() || !is_simple(other) || llvm::getLoadStoreType(&other) != type) return false;
    Place at = place_of(layout_, other);
    if (at.base != place.base || (at.offset - place.offset) % size != 0) return false;
    found.emplace_back(&other, at.offset);
    return true;
  };
  for (auto* other = access.getPrevNode(); other; other = other->getPrevNode())
    if (!is_neighbour(*other) && !may_stand_between(access, *other)) break;
  std::reverse(found.begin(), found.end());
  for (auto* other = access.getNextNode(); other; other = other->getNextNode())
    if (!is_neighbour(*other) && !may_stand_between(access, *other)) break;
  Neighbours result{{}, {}, apart};
  int64_t first = llvm::min_element(found, llvm::less_second())->second;
  llvm::SmallVector<bool, kMaxElements> seen(apart);
  for (auto [member, offset] : found) {
    uint64_t element = (offset - first) / size;
    if (element >= apart || seen[element]) return llvm::isa<llvm::LoadInst>(access) ? Neighbours{{&access}, {0}, apart} : alone;
    seen[element] = true;
    result.accesses.push_back(member);
    result.elements.push_back(element);
  }
  if (llvm::isa<llvm::StoreInst>(access) && result.accesses.size() < apart) {
    // Gaps are left out by a mask. A store alone is better scattered.
    bool can_skip = target_.isLegalMaskedStore(piece_type(type), llvm::getLoadStoreAlignment(&access));
    if (!can_skip || result.accesses.size() == 1) return alone;
  }
  return result;
}

/// As many lanes' elements as a register holds.
llvm::FixedVectorType* Vectoriser::piece_type(llvm::Type* element) const {
  unsigned bits = target_.getRegisterBitWidth(llvm::TargetTransformInfo::RGK_FixedWidthVector).getFixedValue();
  unsigned length = std::clamp<unsigned>(bits / layout_.getTypeSizeInBits(element), 2, kLanes);
  return llvm::FixedVectorType::get(element, length);
}

/// The lanes of all loads, made where the first one is. No byte is read that lies before the first or behind the last
/// element wanted: what lies between is in pages that are read anyway.
llvm::SmallVector<llvm::Value*, 4> Vectoriser::load_neighbours(Builder& b, const Neighbours& loads) {
  auto& first = llvm::cast<llvm::LoadInst>(*loads.accesses.front());
  llvm::FixedVectorType* piece = piece_type(first.getType());
  const int64_t size = layout_.getTypeAllocSize(first.getType());
  const unsigned length = piece->getNumElements(), apart = loads.apart;
  const unsigned lowest = *llvm::min_element(loads.elements), highest = *llvm::max_element(loads.elements);
  const unsigned end = (kLanes - 1) * apart + highest + 1;
  const int64_t to_element_0 = -static_cast<int64_t>(loads.elements.front()) * size;

  struct Piece {
    unsigned start;  // element
    llvm::Value* value;
  };
  llvm::SmallVector<Piece, 16> pieces;
  for (unsigned start = lowest; start < end; start += length) {
    unsigned from = std::min(start, end - length);
    llvm::Value* address = b.CreateGEP(b.getInt8Ty(), first.getPointerOperand(), b.getInt64(to_element_0 + from * size));
    pieces.push_back({from, b.CreateAlignedLoad(piece, address, llvm::commonAlignment(first.getAlign(), size))});
  }
  llvm::SmallVector<llvm::Value*, 4> results;
  for (unsigned element : loads.elements) {
    llvm::SmallVector<llvm::Value*, 8> parts;
    for (unsigned lane = 0; lane < kLanes; lane += length) {
      Collected part(b, length);
      llvm::SmallVector<bool, kLanes> placed(length);
      for (const Piece& from : pieces) {
        llvm::SmallVector<int, kLanes> positions(length, -1);
        bool any = false;
        for (unsigned i = 0; i < length; ++i) {
          unsigned wanted = (lane + i) * apart + element;
          if (placed[i] || wanted < from.start || wanted >= from.start + length) continue;
          positions[i] = wanted - from.start;
          placed[i] = any = true;
        }
        if (any) part.take(from.value, positions);
      }
      parts.push_back(part.value());
    }
    results.push_back(concatenated(b, parts));
  }
  return results;
}

/// Stores all where the last one is.
void Vectoriser::store_neighbours(Builder& b, const Neighbours& stores) {
  auto& last = llvm::cast<llvm::StoreInst>(*stores.accesses.back());
  llvm::FixedVectorType* piece = piece_type(last.getValueOperand()->getType());
  const int64_t size = layout_.getTypeAllocSize(piece->getElementType());
  const unsigned length = piece->getNumElements(), apart = stores.apart;
  const int64_t to_element_0 = -static_cast<int64_t>(stores.elements.back()) * size;
  const llvm::Align align = llvm::commonAlignment(last.getAlign(), size);
  for (unsigned start = 0; start < kLanes * apart; start += length) {
    const unsigned lane = start / apart, block = lane / length * length;  // whose elements the piece begins with
    llvm::SmallVector<int, kLanes> part;
    for (unsigned i = 0; i < length; ++i) part.push_back(block + i);
    Collected elements(b, length);
    llvm::SmallVector<llvm::Constant*, kLanes> written(length, b.getFalse());
    for (auto [store, element] : llvm::zip(stores.accesses, stores.elements)) {
      llvm::SmallVector<int, kLanes> positions(length, -1);
      for (unsigned i = element; i < length; i += apart) {
        positions[i] = lane - block + i / apart;
        written[i] = b.getTrue();
      }
      llvm::Value* value = lanes(llvm::cast<llvm::StoreInst>(store)->getValueOperand());
      elements.take(b.CreateShuffleVector(value, part), positions);
    }
    llvm::Value* address = b.CreateGEP(b.getInt8Ty(), last.getPointerOperand(), b.getInt64(to_element_0 + start * size));
    if (stores.accesses.size() == apart)
      b.CreateAlignedStore(elements.value(), address, align);
    else
      b.CreateMaskedStore(elements.value(), address, align, llvm::ConstantVector::get(written));
  }
}

}  // namespace mslc
