// Events: a point in a stream's work that others wait for, and the time at which it was reached.
#pragma once

#include <Metal/Metal.hpp>

#include "runtime/stream.h"

namespace torch_metal {

class Event {
 public:
  explicit Event(bool timed);
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  /// Marks the work encoded on `stream` so far. Replaces an earlier mark.
  void record(Stream& stream);
  /// Work encoded on `stream` from here on waits for the mark.
  void block(Stream& stream) const;
  /// True if the mark is reached, or there is none.
  bool query() const;
  /// Waits for the mark. Raises what kernels of its stream reported.
  void synchronize() const;
  /// Milliseconds from this mark to that of `end`. Both are timed and recorded.
  double elapsed_time(const Event& end) const;

 private:
  const bool timed_;
  MTL::SharedEvent* const event_;
  uint64_t value_ = 0;
  Stream* stream_ = nullptr;
  MTL::CommandBuffer* carrier_ = nullptr;  ///< the command buffer that ends at the mark
};

}  // namespace torch_metal
