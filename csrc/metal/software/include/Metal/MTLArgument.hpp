// What a kernel's signature says of its arguments.
#pragma once

#include "Foundation/Foundation.hpp"
#include "Metal/MTLDataType.hpp"

namespace mslc {
struct Argument;
}

namespace MTL {

class ComputePipelineReflection;

enum BindingType : NS::Integer { BindingTypeBuffer = 0, BindingTypeThreadgroupMemory = 1 };

enum BindingAccess : NS::UInteger {
  BindingAccessReadOnly = 0,
  BindingAccessReadWrite = 1,
  BindingAccessWriteOnly = 2,
};

class Binding : public NS::Referencing<Binding> {
 public:
  NS::String* name() const { return name_.get(); }
  BindingType type() const { return type_; }
  BindingAccess access() const { return access_; }
  NS::UInteger index() const { return index_; }
  bool isArgument() const { return true; }
  bool isUsed() const { return true; }

 protected:
  explicit Binding(const mslc::Argument& argument);
  NS::UInteger size_, alignment_;  // of the pointee
  DataType data_type_;

 private:
  NS::SharedPtr<NS::String> name_;
  BindingType type_;
  BindingAccess access_;
  NS::UInteger index_;
};

class BufferBinding : public NS::Referencing<BufferBinding, Binding> {
 public:
  NS::UInteger bufferAlignment() const { return alignment_; }
  NS::UInteger bufferDataSize() const { return size_; }
  DataType bufferDataType() const { return data_type_; }

 private:
  friend class ComputePipelineReflection;
  using NS::Referencing<BufferBinding, Binding>::Referencing;
};

class ThreadgroupBinding : public NS::Referencing<ThreadgroupBinding, Binding> {
 public:
  NS::UInteger threadgroupMemoryAlignment() const { return alignment_; }
  NS::UInteger threadgroupMemoryDataSize() const { return size_; }

 private:
  friend class ComputePipelineReflection;
  using NS::Referencing<ThreadgroupBinding, Binding>::Referencing;
};

}  // namespace MTL
