#include "validate/thread_position.h"

#include <algorithm>

namespace mslc {

GroupShape::GroupShape(const Launch& launch, uint64_t group) {
  for (unsigned d = 0; d < 3; ++d) {
    const uint64_t threads = launch.threads_per_threadgroup[d];
    const uint64_t groups = (launch.threads_per_grid[d] + threads - 1) / threads;
    position_[d] = group % groups;
    group /= groups;
    start_[d] = position_[d] * threads;
    size_[d] = std::min<uint64_t>(threads, launch.threads_per_grid[d] - start_[d]);
  }
}

uint32_t GroupShape::lanes(unsigned simdgroup) const {
  const unsigned first = simdgroup * kSimdWidth;
  if (first >= threads()) return 0;
  const unsigned count = std::min(threads() - first, kSimdWidth);
  return count == 32 ? ~uint32_t{0} : (uint32_t{1} << count) - 1;
}

std::string GroupShape::thread_text(unsigned simdgroup, unsigned lane) const {
  const auto triple = [](uint32_t x, uint32_t y, uint32_t z) {
    return "(" + std::to_string(x) + ", " + std::to_string(y) + ", " + std::to_string(z) + ")";
  };
  const uint32_t index = simdgroup * kSimdWidth + lane;
  const uint32_t x = index % size_[0], y = index / size_[0] % size_[1], z = index / size_[0] / size_[1];
  return "thread " + triple(start_[0] + x, start_[1] + y, start_[2] + z) + ", which is " + triple(x, y, z) +
         " in threadgroup " + triple(position_[0], position_[1], position_[2]);
}

}  // namespace mslc
