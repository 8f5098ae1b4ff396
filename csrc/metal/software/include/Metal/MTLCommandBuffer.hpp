#pragma once

#include <functional>
#include <memory>

#include "Foundation/Foundation.hpp"

namespace metal_software {
struct Submission;
}

namespace MPSGraph {
class Executable;
}

namespace MTL {

class BlitCommandEncoder;
class CommandBuffer;
class CommandQueue;
class ComputeCommandEncoder;
class ComputePassDescriptor;
class Device;
class Event;

enum CommandBufferStatus : NS::UInteger {
  CommandBufferStatusNotEnqueued = 0,
  CommandBufferStatusEnqueued = 1,
  CommandBufferStatusCommitted = 2,
  CommandBufferStatusScheduled = 3,
  CommandBufferStatusCompleted = 4,
  CommandBufferStatusError = 5,
};

enum CommandBufferError : NS::UInteger {
  CommandBufferErrorNone = 0,
  CommandBufferErrorInternal = 1,
  CommandBufferErrorTimeout = 2,
  CommandBufferErrorPageFault = 3,
  CommandBufferErrorAccessRevoked = 4,
  CommandBufferErrorNotPermitted = 7,
  CommandBufferErrorOutOfMemory = 8,
  CommandBufferErrorInvalidResource = 9,
  CommandBufferErrorMemoryless = 10,
  CommandBufferErrorDeviceRemoved = 11,
  CommandBufferErrorStackOverflow = 12,
};

enum DispatchType : NS::UInteger { DispatchTypeSerial = 0, DispatchTypeConcurrent = 1 };

using CommandBufferErrorOption = NS::UInteger;
enum : CommandBufferErrorOption {
  CommandBufferErrorOptionNone = 0,
  CommandBufferErrorOptionEncoderExecutionStatus = 1,
};

using HandlerFunction = std::function<void(CommandBuffer*)>;

class CommandBufferDescriptor : public NS::Copying<CommandBufferDescriptor> {
 public:
  static CommandBufferDescriptor* alloc();
  CommandBufferDescriptor* init() { return this; }
  bool retainedReferences() const { return retained_references_; }
  void setRetainedReferences(bool retainedReferences) { retained_references_ = retainedReferences; }
  CommandBufferErrorOption errorOptions() const { return error_options_; }
  void setErrorOptions(CommandBufferErrorOption errorOptions) { error_options_ = errorOptions; }

 protected:
  NS::Object* newCopy() const override;

 private:
  bool retained_references_ = true;
  CommandBufferErrorOption error_options_ = CommandBufferErrorOptionNone;
};

/// Recorded commands. One thread at a time encodes; after commit() any thread may wait.
///
/// What Metal's API validation would abort on (an unbound buffer, a threadgroup that is too large, a copy beyond
/// the end of a buffer) ends here in status Error with a text that says what was wrong; nothing is executed.
class CommandBuffer : public NS::Referencing<CommandBuffer> {
 public:
  CommandQueue* commandQueue() const;
  Device* device() const;
  NS::String* label() const { return label_.get(); }
  void setLabel(const NS::String* label);
  bool retainedReferences() const;

  ComputeCommandEncoder* computeCommandEncoder();
  ComputeCommandEncoder* computeCommandEncoder(DispatchType dispatchType);
  ComputeCommandEncoder* computeCommandEncoder(const ComputePassDescriptor* computePassDescriptor);
  BlitCommandEncoder* blitCommandEncoder();

  /// Sets the event to `value` when all commands before have run, even if one of them failed.
  void encodeSignalEvent(const Event* event, uint64_t value);
  /// Holds the commands that follow until the event has reached `value`.
  void encodeWait(const Event* event, uint64_t value);

  void addScheduledHandler(const HandlerFunction& function);
  /// Handlers run in the order they were added, after the status is final and before waitUntilCompleted()
  /// returns; on a thread of the queue or on one that waits for it.
  void addCompletedHandler(const HandlerFunction& function);

  void enqueue();
  void commit();
  void waitUntilScheduled();
  void waitUntilCompleted();

  CommandBufferStatus status() const;
  NS::Error* error() const;
  CommandBufferErrorOption errorOptions() const { return CommandBufferErrorOptionNone; }

  CFTimeInterval GPUStartTime() const;
  CFTimeInterval GPUEndTime() const;
  CFTimeInterval kernelStartTime() const;
  CFTimeInterval kernelEndTime() const;

 private:
  friend class CommandQueue;
  friend class MPSGraph::Executable;  // records itself
  CommandBuffer(CommandQueue* queue, bool retained_references);
  ~CommandBuffer() override;
  bool betweenEncoders();
  bool beginEncoder();
  bool waitable();
  bool hasRun() const;

  NS::SharedPtr<CommandQueue> queue_;
  std::unique_ptr<metal_software::Submission> submission_;
  NS::SharedPtr<NS::String> label_;
};

}  // namespace MTL
