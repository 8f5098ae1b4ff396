// CommandQueue and the descriptors of queues, command buffers and compute passes.
#include <Metal/Metal.hpp>

#include "api/objects.h"
#include "execution/faults.h"
#include "execution/host_threads.h"
#include "execution/queue_executor.h"

namespace MTL {

CommandQueueDescriptor* CommandQueueDescriptor::alloc() { return new CommandQueueDescriptor; }

NS::Object* CommandQueueDescriptor::newCopy() const {
  auto* const copy = alloc();
  copy->max_command_buffers_ = max_command_buffers_;
  return copy;
}

CommandBufferDescriptor* CommandBufferDescriptor::alloc() { return new CommandBufferDescriptor; }

NS::Object* CommandBufferDescriptor::newCopy() const {
  auto* const copy = alloc();
  copy->retained_references_ = retained_references_;
  copy->error_options_ = error_options_;
  return copy;
}

ComputePassDescriptor* ComputePassDescriptor::alloc() { return new ComputePassDescriptor; }

ComputePassDescriptor* ComputePassDescriptor::computePassDescriptor() { return alloc()->init()->autorelease(); }

NS::Object* ComputePassDescriptor::newCopy() const {
  auto* const copy = alloc();
  copy->dispatch_type_ = dispatch_type_;
  return copy;
}

CommandQueue::CommandQueue(NS::UInteger max_command_buffers)
    : executor_(std::make_shared<metal_software::QueueExecutor>()), max_command_buffers_(max_command_buffers) {}

CommandQueue::~CommandQueue() { executor_->close(); }

CommandBuffer* CommandQueue::commandBuffer() { return makeCommandBuffer(true); }

CommandBuffer* CommandQueue::commandBuffer(const CommandBufferDescriptor* descriptor) {
  return makeCommandBuffer(descriptor->retainedReferences());
}

CommandBuffer* CommandQueue::commandBufferWithUnretainedReferences() { return makeCommandBuffer(false); }

CommandBuffer* CommandQueue::makeCommandBuffer(bool retained_references) {
  if (metal_software::fails(metal_software::Place::new_command_buffer)) return nullptr;
  if (!torch_metal::forked_after_use()) executor_->wait_for_room(max_command_buffers_);
  return (new CommandBuffer(this, retained_references))->autorelease();
}

void CommandQueue::setLabel(const NS::String* label) { metal_software::assign_copy(label_, label); }

}  // namespace MTL
