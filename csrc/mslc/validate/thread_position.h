// Which thread of a grid a lane is.
#pragma once

#include <cstdint>
#include <string>

#include "mslc/mslc.h"

namespace mslc {

/// Threadgroup `group` of a launch, counted x fastest. Those at the end of the grid may be cut off.
class GroupShape {
 public:
  GroupShape() = default;
  GroupShape(const Launch& launch, uint64_t group);

  uint32_t position(unsigned dimension) const { return position_[dimension]; }
  unsigned threads() const { return size_[0] * size_[1] * size_[2]; }
  unsigned simdgroups() const { return (threads() + kSimdWidth - 1) / kSimdWidth; }
  /// Bit i: the SIMD-group has a lane i.
  uint32_t lanes(unsigned simdgroup) const;
  /// "thread (33, 0, 0), which is (1, 0, 0) in threadgroup (2, 0, 0)"
  std::string thread_text(unsigned simdgroup, unsigned lane) const;

 private:
  uint32_t position_[3] = {};
  uint32_t size_[3] = {};
  uint32_t start_[3] = {};  // of its first thread in the grid
};

}  // namespace mslc
