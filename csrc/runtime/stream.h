// A stream: a Metal command queue, the command buffer that is being filled, and those that are executing.
//
// Work is encoded and comes back at once. A command buffer is committed when it is full, when the queue has run dry and
// there is enough to start with, or when someone waits. Command buffers of a stream are numbered 1, 2, ... and execute in
// that order.
//
// Buffers are untracked: Metal knows of no order that it is not told of. Dispatches of an encoder run at once unless a
// barrier is between them; encoders follow each other by a fence; what a framework encodes, by an event.
#pragma once

#include <Metal/Metal.hpp>
#include <c10/core/Stream.h>

#include <deque>
#include <mutex>
#include <string>

#include "runtime/batching.h"
#include "runtime/error_buffer.h"
#include "runtime/hazards.h"

namespace torch_metal {

namespace profiler {
struct Operation;
}

class Stream {
 public:
  static Stream& get(c10::StreamId id);
  static Stream& current();
  /// Makes `id` this thread's current stream. Returns the one before.
  static c10::StreamId exchange_current(c10::StreamId id);
  static c10::StreamId current_id();
  /// The next stream of the pool, round robin.
  static c10::StreamId next_from_pool();
  /// Waits for every stream. Raises what kernels reported.
  static void synchronize_all();
  /// Waits for every stream and raises nothing.
  static void wait_all();

  c10::StreamId id() const { return id_; }
  MTL::CommandQueue* queue() const { return queue_; }

  /// Commits the open command buffer. Returns the number of the last one committed.
  uint64_t flush();
  /// True if all that was encoded is done. Commits the open command buffer, so that who keeps asking is told so one day.
  bool is_idle();
  bool has_completed(uint64_t number);
  void wait_for(uint64_t number);
  /// Flushes, waits, raises what kernels reported (c10::AcceleratorError).
  void synchronize();
  /// Raises what kernels that are done have reported.
  void raise_reported_errors();

  /// Copies bytes in stream order. Offsets and size are multiples of 4, as Metal wants.
  void copy(const MTL::Buffer* destination, uint64_t destination_offset, const MTL::Buffer* source,
            uint64_t source_offset, uint64_t size);
  /// Commits a signal of `event`. Returns the command buffer that carries it, retained.
  MTL::CommandBuffer* signal(const MTL::Event* event, uint64_t value);
  /// What is encoded from here on waits for `event`.
  void wait(const MTL::Event* event, uint64_t value);

  /// Encoding: hold lock(), use encoder(), call end_operation(). `profiled` describes the operation if a recording of
  /// profiler.h is open.
  std::unique_lock<std::mutex> lock() { return std::unique_lock<std::mutex>(mutex_); }
  MTL::ComputeCommandEncoder* encoder();
  /// Says what the next dispatch uses: it waits for those before it that it depends on.
  void order(c10::ArrayRef<Access> accesses);
  /// The same for what encodes itself: the command buffer, in which no encoder is open.
  MTL::CommandBuffer* command_buffer();
  /// Counts the operation as so many bytes more, where what is bound to it does not tell what it does.
  void add_work(uint64_t bytes) { bytes_ += bytes; }
  void end_operation(const profiler::Operation* profiled = nullptr);
  const MTL::Buffer* error_buffer(const char* operator_name) { return errors_.for_operator(operator_name); }

 private:
  explicit Stream(c10::StreamId id);
  void begin_operation();
  void open_buffer();
  void open_encoder();
  void order_by_event();
  void close_encoder();
  bool has(const BatchLimits& work) const { return operations_ >= work.operations || bytes_ >= work.bytes; }
  void commit();
  void retire();

  struct InFlight {
    uint64_t number;
    MTL::CommandBuffer* buffer;
  };

  const c10::StreamId id_;
  MTL::CommandQueue* const queue_;
  MTL::Fence* const fence_;
  MTL::Event* const event_;
  const BatchLimits limits_;
  std::mutex mutex_;  ///< guards all below
  MTL::CommandBuffer* buffer_ = nullptr;
  MTL::ComputeCommandEncoder* encoder_ = nullptr;
  unsigned operations_ = 0;  ///< in buffer_
  uint64_t bytes_ = 0;       ///< that they use
  Hazards hazards_;          ///< of encoder_
  uint64_t event_value_ = 0;
  bool has_foreign_work_ = false;  ///< buffer_ ends with what the fence knows nothing of: a framework's work, or a wait
  std::deque<InFlight> in_flight_;
  uint64_t committed_ = 0;
  std::string failure_;  ///< of a command buffer, not yet raised
  ErrorBuffers errors_;
};

}  // namespace torch_metal
