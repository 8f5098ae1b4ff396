// When each kernel ran on the device, on how many bytes, and which of PyTorch's operators asked for it.
//
// While a recording is open, each kernel has a command buffer of its own, whose GPUStartTime and GPUEndTime are the
// kernel's: Apple's GPUs sample their clock at the ends of an encoder, not between dispatches. While none is open, it
// costs a relaxed load.
#pragma once

#include <ATen/core/ivalue.h>
#include <Metal/Metal.hpp>
#include <c10/core/Stream.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace torch_metal::profiler {

/// A kernel, or a copy, as it is encoded.
struct Operation {
  std::string name;
  std::array<uint64_t, 3> grid{};         ///< threads; zeros for a copy
  std::array<uint64_t, 3> threadgroup{};  ///< threads
  uint64_t bytes = 0;                     ///< of the tensors given to it: what it can have read and written
  int64_t encode_start_ns = 0;            ///< now_ns() when its encoding began
};

/// Times are nanoseconds since the Unix epoch.
struct Record : Operation {
  uint64_t number = 0;  ///< operations count up as they are encoded
  c10::StreamId stream = 0;
  uint64_t thread = 0;         ///< that encoded it, as RecordFunction numbers threads
  uint64_t call = 0;           ///< the innermost operator call, or 0
  std::string operator_name;   ///< of that call: "aten::add"
  uint64_t correlation = 0;    ///< the innermost one pushed, or 0
  int64_t encode_end_ns = 0;
  int64_t start_ns = 0, end_ns = 0;  ///< on the device
  std::string error;                 ///< why the device stopped it; empty if it did not
};

/// A call of an operator that encoded operations itself, not through operators that it calls.
struct Call {
  uint64_t id = 0;
  std::string name;
  uint64_t thread = 0;
  int64_t start_ns = 0, end_ns = 0;           ///< on the host
  std::vector<c10::IValue> inputs, outputs;  ///< sizes of tensors, numbers and lists of numbers; None for all else
};

/// What ran between start and end. Records are in the order of encoding.
struct Trace {
  int64_t start_ns = 0, end_ns = 0;
  std::vector<Record> records;
  std::vector<Call> calls;
};

/// Records what any thread encodes from its construction to stop(). Several may be open; each has all that is its.
class Recording {
 public:
  Recording();
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;
  /// Waits for the operations of the recording; what kernels reported still raises at the next synchronisation. Called
  /// once.
  Trace stop();

 private:
  void close();
  const int64_t start_ns_;
  uint64_t first_ = 0;  ///< operation
  bool open_ = true;
};

namespace detail {
inline std::atomic<int> open_recordings{0};
}

/// True while a recording is open.
inline bool is_on() { return detail::open_recordings.load(std::memory_order_relaxed) != 0; }
/// Nanoseconds since the Unix epoch.
int64_t now_ns();
/// Notes that `buffer`, not yet committed, holds `operation` and nothing else.
void record(const Operation& operation, c10::StreamId stream, MTL::CommandBuffer* buffer);

/// Ids by which another profiler knows the operator calls of this thread, innermost last.
void push_correlation(uint64_t id);
void pop_correlation();

}  // namespace torch_metal::profiler
