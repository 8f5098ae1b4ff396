#include "runtime/stream.h"

#include <c10/util/Exception.h>

#include <array>
#include <atomic>

#include "runtime/device.h"
#include "runtime/failures.h"
#include "runtime/profiler.h"
#include "runtime/residency.h"

namespace torch_metal {

namespace {

constexpr c10::StreamId kPoolStreams = 16;

std::array<std::atomic<Stream*>, kPoolStreams + 1> streams{};  // 0 is the default stream; never destroyed
std::mutex creation_mutex;
thread_local c10::StreamId current_stream = 0;

// A command buffer that fails may leave its signals out, and who waits for them would wait for ever. Events are shared.
void signal_after_failure(MTL::CommandBuffer* buffer, const MTL::Event* event, uint64_t value) {
  auto shared = NS::RetainPtr(const_cast<MTL::SharedEvent*>(static_cast<const MTL::SharedEvent*>(event)));
  buffer->addCompletedHandler([shared = std::move(shared), value](MTL::CommandBuffer* done) {
    const bool failed = done->status() == MTL::CommandBufferStatusError;
    if (failed && shared->signaledValue() < value) shared->setSignaledValue(value);
  });
}

template <class Function>
void for_each_stream(Function function) {
  for (auto& entry : streams)
    if (Stream* stream = entry.load(std::memory_order_acquire)) function(*stream);
}

}  // namespace

Stream& Stream::get(c10::StreamId id) {
  TORCH_CHECK(id >= 0 && id <= kPoolStreams, "Not a stream of the metal device: id ", id);
  auto& entry = streams[id];
  if (Stream* stream = entry.load(std::memory_order_acquire)) return *stream;
  const std::lock_guard<std::mutex> lock(creation_mutex);
  if (!entry.load(std::memory_order_relaxed)) entry.store(new Stream(id), std::memory_order_release);
  return *entry.load(std::memory_order_relaxed);
}

Stream& Stream::current() { return get(current_stream); }

c10::StreamId Stream::exchange_current(c10::StreamId id) {
  get(id);
  return std::exchange(current_stream, id);
}

c10::StreamId Stream::current_id() { return current_stream; }

c10::StreamId Stream::next_from_pool() {
  static std::atomic<c10::StreamId> next{0};
  return 1 + next.fetch_add(1, std::memory_order_relaxed) % kPoolStreams;
}

void Stream::synchronize_all() {
  wait_all();
  for_each_stream([](Stream& stream) { stream.synchronize(); });
}

void Stream::wait_all() {
  for_each_stream([](Stream& stream) { stream.wait_for(stream.flush()); });
}

Stream::Stream(c10::StreamId id)
    : id_(id),
      queue_(made(device()->newCommandQueue(), "a command queue")),
      fence_(made(device()->newFence(), "a fence")),
      event_(made(device()->newEvent(), "an event")),
      limits_(batch_limits(device())) {
  residency::attach(queue_);
}

uint64_t Stream::flush() {
  const auto guard = lock();
  commit();
  return committed_;
}

bool Stream::is_idle() {
  const auto guard = lock();
  commit();
  retire();
  return in_flight_.empty();
}

bool Stream::has_completed(uint64_t number) {
  const auto guard = lock();
  retire();
  return number <= committed_ && (in_flight_.empty() || in_flight_.front().number > number);
}

void Stream::wait_for(uint64_t number) {
  auto guard = lock();
  while (true) {
    retire();
    if (in_flight_.empty() || in_flight_.front().number > number) return;
    MTL::CommandBuffer* const oldest = in_flight_.front().buffer->retain();
    guard.unlock();
    oldest->waitUntilCompleted();
    oldest->release();
    guard.lock();
  }
}

void Stream::synchronize() {
  wait_for(flush());
  raise_reported_errors();
  check_device_is_present();
}

void Stream::copy(const MTL::Buffer* destination, uint64_t destination_offset, const MTL::Buffer* source,
                  uint64_t source_offset, uint64_t size) {
  const auto guard = lock();
  const AutoreleaseScope pool;
  profiler::Operation operation;
  if (profiler::is_on()) operation = {"Memcpy DtoD", {}, {}, 2 * size, profiler::now_ns()};
  begin_operation();
  close_encoder();
  open_buffer();
  if (has_foreign_work_) order_by_event();
  MTL::BlitCommandEncoder* const blit = buffer_->blitCommandEncoder();
  if (!blit) has_foreign_work_ = true;  // the fence knows nothing of it yet
  made(blit, "an encoder of copies")->waitForFence(fence_);
  blit->copyFromBuffer(source, source_offset, destination, destination_offset, size);
  blit->updateFence(fence_);
  blit->endEncoding();
  bytes_ += size;
  end_operation(operation.bytes ? &operation : nullptr);
}

MTL::CommandBuffer* Stream::signal(const MTL::Event* event, uint64_t value) {
  const auto guard = lock();
  open_encoder();  // after all that the fence knows of, in earlier command buffers too
  close_encoder();
  MTL::CommandBuffer* const carrier = buffer_->retain();
  buffer_->encodeSignalEvent(event, value);
  signal_after_failure(buffer_, event, value);
  commit();
  return carrier;
}

void Stream::wait(const MTL::Event* event, uint64_t value) {
  const auto guard = lock();
  close_encoder();
  open_buffer();
  buffer_->encodeWait(event, value);
  has_foreign_work_ = true;
}

MTL::ComputeCommandEncoder* Stream::encoder() {
  begin_operation();
  open_encoder();
  return encoder_;
}

void Stream::order(c10::ArrayRef<Access> accesses) {
  if (hazards_.needs_barrier(accesses)) encoder_->memoryBarrier(MTL::BarrierScopeBuffers);
  for (const Access& access : accesses) bytes_ += access.end - access.begin;
}

MTL::CommandBuffer* Stream::command_buffer() {
  begin_operation();
  if (!has_foreign_work_) open_encoder();
  close_encoder();
  order_by_event();
  has_foreign_work_ = true;
  return buffer_;
}

// All that is encoded so far in this command buffer has run before what follows.
void Stream::order_by_event() {
  buffer_->encodeSignalEvent(event_, ++event_value_);
  buffer_->encodeWait(event_, event_value_);
  has_foreign_work_ = false;
}

// A command buffer that is profiled holds one operation, and no wait for an event before it.
void Stream::begin_operation() {
  if (profiler::is_on()) commit();
}

void Stream::end_operation(const profiler::Operation* profiled) {
  ++operations_;
  if (profiled && operations_ == 1) profiler::record(*profiled, id_, buffer_);
  retire();
  const bool ran_dry = in_flight_.empty() && (has_foreign_work_ || has(kWorthStarting));
  if (profiled || has(limits_) || ran_dry) commit();
}

void Stream::open_buffer() {
  if (buffer_) return;
  const AutoreleaseScope pool;
  MTL::CommandBuffer* const buffer = queue_->commandBuffer();
  if (!buffer && !in_flight_.empty()) {
    // What is under way may find that the device is removed.
    in_flight_.back().buffer->waitUntilCompleted();
    retire();
  }
  buffer_ = made(buffer, "a command buffer")->retain();
}

void Stream::open_encoder() {
  if (encoder_) return;
  open_buffer();
  if (has_foreign_work_) order_by_event();
  const AutoreleaseScope pool;
  MTL::ComputeCommandEncoder* const encoder = buffer_->computeCommandEncoder(MTL::DispatchTypeConcurrent);
  if (!encoder) has_foreign_work_ = true;  // the fence knows nothing of it yet
  encoder_ = made(encoder, "an encoder of kernels")->retain();
  encoder_->waitForFence(fence_);
  hazards_.clear();
}

void Stream::close_encoder() {
  if (!encoder_) return;
  encoder_->updateFence(fence_);
  encoder_->endEncoding();
  encoder_->release();
  encoder_ = nullptr;
}

// Never throws: memory is freed by way of it.
void Stream::commit() {
  if (!buffer_) return;
  bool carries_over = true;
  if (has_foreign_work_) try {
      open_encoder();  // so that the fence carries it over to the next command buffer
    } catch (const c10::Error&) {
      carries_over = false;
    }
  close_encoder();
  buffer_->commit();
  if (!carries_over) buffer_->waitUntilCompleted();
  has_foreign_work_ = false;
  in_flight_.push_back({++committed_, buffer_});
  buffer_ = nullptr;
  operations_ = 0;
  bytes_ = 0;
}

// Lets go of the command buffers that are done.
void Stream::retire() {
  while (!in_flight_.empty() && in_flight_.front().buffer->status() >= MTL::CommandBufferStatusCompleted) {
    MTL::CommandBuffer* const done = in_flight_.front().buffer;
    in_flight_.pop_front();
    if (done->status() == MTL::CommandBufferStatusError) {
      const AutoreleaseScope pool;
      const std::string failure = failure_of(done);
      if (failure_.empty()) failure_ = failure;
    }
    done->release();
  }
}

void Stream::raise_reported_errors() {
  const auto guard = lock();
  retire();
  if (!in_flight_.empty()) return;  // kernels may still be writing
  const std::string failure = std::exchange(failure_, {});
  const std::string reported = errors_.take_messages();
  if (!failure.empty() || !reported.empty()) throw_failure(failure, reported);
}

}  // namespace torch_metal
