#pragma once

#include "Foundation/Foundation.hpp"

namespace metal_software {
struct Submission;
}

namespace MTL {

class CommandBuffer;
class Device;

using ResourceUsage = NS::UInteger;
enum : ResourceUsage { ResourceUsageRead = 1, ResourceUsageWrite = 1 << 1, ResourceUsageSample = 1 << 2 };

using BarrierScope = NS::UInteger;
enum : BarrierScope { BarrierScopeBuffers = 1, BarrierScopeTextures = 1 << 1, BarrierScopeRenderTargets = 1 << 2 };

class CommandEncoder : public NS::Referencing<CommandEncoder> {
 public:
  Device* device() const;
  NS::String* label() const { return label_.get(); }
  void setLabel(const NS::String* label);
  void endEncoding();
  /// Markers for a debugger; there is none to show them.
  void insertDebugSignpost(const NS::String* string) {}
  void pushDebugGroup(const NS::String* string) {}
  void popDebugGroup() {}

 protected:
  CommandEncoder(CommandBuffer* command_buffer, metal_software::Submission& submission);
  ~CommandEncoder() override;
  /// True while commands may be encoded; notes an error on the command buffer otherwise.
  bool recording();
  /// Commands from here on are ordered behind those before.
  virtual void endUnordered() {}

  NS::SharedPtr<CommandBuffer> command_buffer_;
  metal_software::Submission& submission_;

 private:
  bool ended_ = false;
  NS::SharedPtr<NS::String> label_;
};

}  // namespace MTL
