// ComputePipelineDescriptor, ComputePipelineState and their reflection.
#include <Metal/Metal.hpp>

#include <vector>

#include "api/data_type.h"
#include "api/objects.h"
#include "execution/pipeline.h"

namespace MTL {

Binding::Binding(const mslc::Argument& argument)
    : size_(argument.size),
      alignment_(argument.alignment),
      data_type_(metal_software::element_type(argument.type)),
      name_(NS::RetainPtr(metal_software::make_string(argument.name))),
      type_(argument.kind == mslc::ArgumentKind::Buffer ? BindingTypeBuffer : BindingTypeThreadgroupMemory),
      access_(argument.read_only ? BindingAccessReadOnly : BindingAccessReadWrite),
      index_(argument.index) {}

ComputePipelineReflection::ComputePipelineReflection(const mslc::KernelInfo& kernel) {
  std::vector<NS::SharedPtr<Binding>> owned;
  std::vector<const NS::Object*> bindings;
  for (const mslc::Argument& argument : kernel.arguments) {
    if (argument.kind == mslc::ArgumentKind::BuiltIn) continue;
    Binding* binding;
    if (argument.kind == mslc::ArgumentKind::Buffer)
      binding = new BufferBinding(argument);
    else
      binding = new ThreadgroupBinding(argument);
    bindings.push_back(binding);
    owned.push_back(NS::TransferPtr(binding));
  }
  bindings_ = NS::TransferPtr(NS::Array::alloc()->init(bindings.data(), bindings.size()));
}

ComputePipelineDescriptor* ComputePipelineDescriptor::alloc() { return new ComputePipelineDescriptor; }

void ComputePipelineDescriptor::reset() {
  function_.reset();
  label_.reset();
  max_threads_ = 0;
  whole_simdgroups_ = false;
}

void ComputePipelineDescriptor::setComputeFunction(const Function* computeFunction) {
  function_ = NS::RetainPtr(const_cast<Function*>(computeFunction));
}

void ComputePipelineDescriptor::setLabel(const NS::String* label) { metal_software::assign_copy(label_, label); }

NS::Object* ComputePipelineDescriptor::newCopy() const {
  auto* const copy = alloc();
  copy->function_ = function_;
  copy->label_ = label_;
  copy->max_threads_ = max_threads_;
  copy->whole_simdgroups_ = whole_simdgroups_;
  return copy;
}

ComputePipelineState::ComputePipelineState(std::unique_ptr<metal_software::Pipeline> pipeline,
                                           NS::SharedPtr<NS::String> label,
                                           NS::SharedPtr<ComputePipelineReflection> reflection)
    : pipeline_(std::move(pipeline)), label_(std::move(label)), reflection_(std::move(reflection)) {}

ComputePipelineState::~ComputePipelineState() = default;

NS::UInteger ComputePipelineState::maxTotalThreadsPerThreadgroup() const {
  return pipeline_->max_threads_per_threadgroup;
}

NS::UInteger ComputePipelineState::staticThreadgroupMemoryLength() const {
  return pipeline_->kernel->static_threadgroup_bytes();
}

NS::UInteger ComputePipelineState::threadExecutionWidth() const { return mslc::kSimdWidth; }

}  // namespace MTL
