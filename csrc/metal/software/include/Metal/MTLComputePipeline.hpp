#pragma once

#include <memory>

#include "Metal/MTLAllocation.hpp"
#include "Metal/MTLArgument.hpp"
#include "Metal/MTLTypes.hpp"

namespace mslc {
class Kernel;
struct KernelInfo;
}  // namespace mslc

namespace metal_software {
struct Pipeline;
class References;
}  // namespace metal_software

namespace MTL {

class ComputeCommandEncoder;
class Device;
class Function;

class ComputePipelineReflection : public NS::Referencing<ComputePipelineReflection> {
 public:
  NS::Array* bindings() const { return bindings_.get(); }

 private:
  friend class Device;
  explicit ComputePipelineReflection(const mslc::KernelInfo& kernel);
  NS::SharedPtr<NS::Array> bindings_;
};

class ComputePipelineDescriptor : public NS::Copying<ComputePipelineDescriptor> {
 public:
  static ComputePipelineDescriptor* alloc();
  ComputePipelineDescriptor* init() { return this; }
  void reset();

  Function* computeFunction() const { return function_.get(); }
  void setComputeFunction(const Function* computeFunction);
  NS::String* label() const { return label_.get(); }
  void setLabel(const NS::String* label);
  /// 0: as many as the kernel allows.
  NS::UInteger maxTotalThreadsPerThreadgroup() const { return max_threads_; }
  void setMaxTotalThreadsPerThreadgroup(NS::UInteger maxTotalThreads) { max_threads_ = maxTotalThreads; }
  bool threadGroupSizeIsMultipleOfThreadExecutionWidth() const { return whole_simdgroups_; }
  void setThreadGroupSizeIsMultipleOfThreadExecutionWidth(bool isMultiple) { whole_simdgroups_ = isMultiple; }

 protected:
  NS::Object* newCopy() const override;

 private:
  NS::SharedPtr<Function> function_;
  NS::SharedPtr<NS::String> label_;
  NS::UInteger max_threads_ = 0;
  bool whole_simdgroups_ = false;
};

class ComputePipelineState : public NS::Referencing<ComputePipelineState, Allocation> {
 public:
  Device* device() const;
  NS::String* label() const { return label_.get(); }
  ComputePipelineReflection* reflection() const { return reflection_.get(); }
  NS::UInteger maxTotalThreadsPerThreadgroup() const;
  NS::UInteger staticThreadgroupMemoryLength() const;
  NS::UInteger threadExecutionWidth() const;
  bool supportIndirectCommandBuffers() const { return false; }

 private:
  friend class Device;
  friend class ComputeCommandEncoder;
  friend class metal_software::References;
  ComputePipelineState(std::unique_ptr<metal_software::Pipeline> pipeline, NS::SharedPtr<NS::String> label,
                       NS::SharedPtr<ComputePipelineReflection> reflection);
  ~ComputePipelineState() override;

  std::unique_ptr<metal_software::Pipeline> pipeline_;
  NS::SharedPtr<NS::String> label_;
  NS::SharedPtr<ComputePipelineReflection> reflection_;
  mutable std::atomic<uint64_t> retained_by_{0};  // the command buffer that retained it last
};

}  // namespace MTL
