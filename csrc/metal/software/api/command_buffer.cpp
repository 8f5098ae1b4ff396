#include <Metal/Metal.hpp>

#include "api/objects.h"
#include "execution/faults.h"
#include "execution/host_threads.h"
#include "execution/queue_executor.h"
#include "execution/submission.h"

namespace MTL {

using metal_software::Command;
using metal_software::EventCommand;

CommandBuffer::CommandBuffer(CommandQueue* queue, bool retained_references)
    : queue_(NS::RetainPtr(queue)),
      submission_(std::make_unique<metal_software::Submission>(this, retained_references)) {}

CommandBuffer::~CommandBuffer() = default;

CommandQueue* CommandBuffer::commandQueue() const { return queue_.get(); }

void CommandBuffer::setLabel(const NS::String* label) { metal_software::assign_copy(label_, label); }

bool CommandBuffer::retainedReferences() const { return submission_->references.retains(); }

// False once the command buffer is committed. An encoder that was not ended is an error.
bool CommandBuffer::betweenEncoders() {
  if (submission_->committed()) return false;
  if (submission_->encoding) submission_->fail(CommandBufferErrorInternal, "an encoder has not been ended");
  return true;
}

bool CommandBuffer::beginEncoder() {
  const bool open = betweenEncoders() && !metal_software::fails(metal_software::Place::new_encoder);
  submission_->encoding = open;
  return open;
}

ComputeCommandEncoder* CommandBuffer::computeCommandEncoder() { return computeCommandEncoder(DispatchTypeSerial); }

ComputeCommandEncoder* CommandBuffer::computeCommandEncoder(const ComputePassDescriptor* computePassDescriptor) {
  return computeCommandEncoder(computePassDescriptor->dispatchType());
}

ComputeCommandEncoder* CommandBuffer::computeCommandEncoder(DispatchType dispatchType) {
  if (!beginEncoder()) return nullptr;
  return (new ComputeCommandEncoder(this, *submission_, dispatchType))->autorelease();
}

BlitCommandEncoder* CommandBuffer::blitCommandEncoder() {
  if (!beginEncoder()) return nullptr;
  return (new BlitCommandEncoder(this, *submission_))->autorelease();
}

void CommandBuffer::encodeSignalEvent(const Event* event, uint64_t value) {
  if (!betweenEncoders()) return;
  submission_->references.add(event);
  submission_->append<EventCommand>(Command::Kind::Signal, event->timeline_.get(), value);
}

void CommandBuffer::encodeWait(const Event* event, uint64_t value) {
  if (!betweenEncoders()) return;
  submission_->references.add(event);
  submission_->append<EventCommand>(Command::Kind::Wait, event->timeline_.get(), value);
}

void CommandBuffer::addScheduledHandler(const HandlerFunction& function) {
  if (!submission_->committed()) submission_->scheduled_handlers.push_back(function);
}

void CommandBuffer::addCompletedHandler(const HandlerFunction& function) {
  if (!submission_->committed()) submission_->completed_handlers.push_back(function);
}

void CommandBuffer::enqueue() {
  if (status() == CommandBufferStatusNotEnqueued && !torch_metal::forked_after_use())
    queue_->executor_->enqueue(*submission_);
}

void CommandBuffer::commit() {
  if (!betweenEncoders()) return;
  metal_software::inject_fault(*submission_);
  if (!torch_metal::forked_after_use()) return queue_->executor_->commit(*submission_);
  submission_->first = nullptr;
  submission_->fail(CommandBufferErrorNotPermitted,
                    "the Metal device was used before this process was forked and has no threads here; "
                    "start processes with the 'spawn' or 'forkserver' method");
  submission_->execute();
}

void CommandBuffer::waitUntilScheduled() {
  if (!waitable()) return;
  uint32_t status;
  while ((status = submission_->status.load(std::memory_order_acquire)) < CommandBufferStatusScheduled)
    submission_->status.wait(status);
}

void CommandBuffer::waitUntilCompleted() {
  if (waitable()) queue_->executor_->wait(*submission_);
}

// Waiting for what was not committed would last for ever; so would waiting in a forked child.
bool CommandBuffer::waitable() {
  if (!submission_->committed()) submission_->fail(CommandBufferErrorInternal, "waited for before it was committed");
  return submission_->committed() && !torch_metal::forked_after_use();
}

CommandBufferStatus CommandBuffer::status() const {
  return static_cast<CommandBufferStatus>(submission_->status.load(std::memory_order_acquire));
}

NS::Error* CommandBuffer::error() const {
  return status() == CommandBufferStatusError ? submission_->error.get() : nullptr;
}

CFTimeInterval CommandBuffer::GPUStartTime() const { return hasRun() ? submission_->start_seconds : 0; }

CFTimeInterval CommandBuffer::GPUEndTime() const { return hasRun() ? submission_->end_seconds : 0; }

CFTimeInterval CommandBuffer::kernelStartTime() const { return GPUStartTime(); }

CFTimeInterval CommandBuffer::kernelEndTime() const { return GPUEndTime(); }

bool CommandBuffer::hasRun() const { return status() >= CommandBufferStatusCompleted; }

}  // namespace MTL
