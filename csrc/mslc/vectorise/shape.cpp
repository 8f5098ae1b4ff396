#include "vectorise/shape.h"

#include <llvm/Support/MathExtras.h>

#include <algorithm>

namespace mslc {

Shape Shape::offsets(const Lanes& offsets, unsigned bits, bool guarded) {
  if (offsets[0] != 0) return varying();
  Shape shape(Kind::Uniform);
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    shape.offsets_[lane] = llvm::SignExtend64(static_cast<uint64_t>(offsets[lane]), bits);
    if (shape.offsets_[lane] != 0) shape.kind_ = Kind::Offsets;
  }
  // Equal lanes that depend on a guard are not known to be equal.
  if (guarded && !shape.is_offsets()) return varying();
  shape.guarded_ = guarded;
  return shape;
}

Shape Shape::strided(int64_t stride, unsigned bits) {
  Lanes lanes;
  for (unsigned lane = 0; lane < kLanes; ++lane) lanes[lane] = stride * lane;
  return offsets(lanes, bits);
}

int64_t Shape::min_offset() const { return *std::min_element(offsets_.begin(), offsets_.end()); }
int64_t Shape::max_offset() const { return *std::max_element(offsets_.begin(), offsets_.end()); }

bool Shape::has_stride(int64_t stride) const {
  for (unsigned lane = 0; lane < kLanes; ++lane)
    if (offsets_[lane] != stride * lane) return false;
  return is_offsets();
}

Shape Shape::with_guard(bool guarded) const {
  Shape shape = *this;
  shape.guarded_ = guarded && is_offsets();
  return shape;
}

Shape Shape::join(const Shape& a, const Shape& b) {
  if (a.is_unknown()) return b;
  if (b.is_unknown()) return a;
  if (a.kind_ == b.kind_ && a.offsets_ == b.offsets_) return a.with_guard(a.guarded_ || b.guarded_);
  return varying();
}

}  // namespace mslc
