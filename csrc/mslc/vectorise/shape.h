// How a value differs between the lanes of a SIMD-group.
#pragma once

#include <array>
#include <cstdint>

#include "vectorise/lanes.h"

namespace mslc {

/// Uniform: the same in all active lanes. Offsets: lane i holds base + offset(i), where the base is what lane 0 would
/// hold, active or not, and arithmetic wraps at the value's width. Varying: anything. Unknown: not reached yet.
///
/// Guarded offsets hold only if a check at run time passes: a widened 32-bit index that might have wrapped
/// between lanes. What is done with such a value needs a slow path for when it did.
class Shape {
 public:
  enum class Kind : uint8_t { Unknown, Uniform, Offsets, Varying };
  using Lanes = std::array<int64_t, kLanes>;

  Shape() = default;
  static Shape uniform() { return Shape(Kind::Uniform); }
  static Shape varying() { return Shape(Kind::Varying); }
  /// Offsets from lane 0 at `bits` of width; Uniform if all are zero.
  static Shape offsets(const Lanes& offsets, unsigned bits, bool guarded = false);
  /// `stride` between neighbouring lanes.
  static Shape strided(int64_t stride, unsigned bits);

  bool is_unknown() const { return kind_ == Kind::Unknown; }
  bool is_uniform() const { return kind_ == Kind::Uniform; }
  bool is_offsets() const { return kind_ == Kind::Offsets; }
  bool is_varying() const { return kind_ == Kind::Varying; }
  bool is_guarded() const { return guarded_; }

  /// All zero unless is_offsets().
  const Lanes& lane_offsets() const { return offsets_; }
  int64_t min_offset() const;
  int64_t max_offset() const;
  bool has_stride(int64_t stride) const;

  Shape with_guard(bool guarded) const;
  /// The least general shape that describes both.
  static Shape join(const Shape& a, const Shape& b);
  bool operator==(const Shape& other) const = default;

 private:
  explicit Shape(Kind kind) : kind_(kind) {}

  Kind kind_ = Kind::Unknown;
  bool guarded_ = false;
  Lanes offsets_{};
};

}  // namespace mslc
