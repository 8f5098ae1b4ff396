#pragma once

#include <memory>

#include "Foundation/Foundation.hpp"

namespace metal_software {
class QueueExecutor;
}

namespace MTL {

class CommandBuffer;
class CommandBufferDescriptor;
class Device;
class ResidencySet;

class CommandQueueDescriptor : public NS::Copying<CommandQueueDescriptor> {
 public:
  static CommandQueueDescriptor* alloc();
  CommandQueueDescriptor* init() { return this; }
  NS::UInteger maxCommandBufferCount() const { return max_command_buffers_; }
  void setMaxCommandBufferCount(NS::UInteger maxCommandBufferCount) { max_command_buffers_ = maxCommandBufferCount; }

 protected:
  NS::Object* newCopy() const override;

 private:
  NS::UInteger max_command_buffers_ = 64;
};

/// Executes its command buffers one after the other, in the order of enqueue() or commit().
class CommandQueue : public NS::Referencing<CommandQueue> {
 public:
  /// A command buffer that retains what it uses until it has completed. Waits while as many command buffers as
  /// the queue allows are committed and not complete.
  CommandBuffer* commandBuffer();
  CommandBuffer* commandBuffer(const CommandBufferDescriptor* descriptor);
  CommandBuffer* commandBufferWithUnretainedReferences();

  /// All memory is resident here: nothing is left to do.
  void addResidencySet(const ResidencySet* residencySet) {}
  void removeResidencySet(const ResidencySet* residencySet) {}

  Device* device() const;
  NS::String* label() const { return label_.get(); }
  void setLabel(const NS::String* label);

 private:
  friend class CommandBuffer;
  friend class Device;
  explicit CommandQueue(NS::UInteger max_command_buffers);
  ~CommandQueue() override;
  CommandBuffer* makeCommandBuffer(bool retained_references);

  std::shared_ptr<metal_software::QueueExecutor> executor_;
  NS::UInteger max_command_buffers_;
  NS::SharedPtr<NS::String> label_;
};

}  // namespace MTL
