#include "runtime/hazards.h"

#include <algorithm>

namespace torch_metal {

namespace {

// Comparing with more than this costs more than the barrier.
constexpr size_t kMostNoted = 64;

bool conflict(const Access& a, const Access& b) {
  return (a.writes || b.writes) && a.begin < b.end && b.begin < a.end;
}

}  // namespace

bool Hazards::needs_barrier(c10::ArrayRef<Access> accesses) {
  const bool full = noted_.size() + accesses.size() > kMostNoted;
  const bool waits = !noted_.empty() && (full || std::any_of(accesses.begin(), accesses.end(), [&](const Access& next) {
    return std::any_of(noted_.begin(), noted_.end(), [&](const Access& before) { return conflict(before, next); });
  }));
  if (waits) noted_.clear();
  noted_.append(accesses.begin(), accesses.end());
  return waits;
}

}  // namespace torch_metal
