// Order among the dispatches of one encoder, which Metal runs at once unless a barrier is between them.
#pragma once

#include <c10/util/ArrayRef.h>
#include <c10/util/SmallVector.h>

#include <cstdint>

namespace torch_metal {

/// Memory that a dispatch may use.
struct Access {
  const char* begin;
  const char* end;
  bool writes;
};

/// The memory used since the last barrier.
class Hazards {
 public:
  /// True if a dispatch that uses `accesses` must wait for a barrier. Notes them.
  bool needs_barrier(c10::ArrayRef<Access> accesses);
  /// What was noted is done.
  void clear() { noted_.clear(); }

 private:
  c10::SmallVector<Access, 64> noted_;
};

}  // namespace torch_metal
