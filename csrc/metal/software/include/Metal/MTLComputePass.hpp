#pragma once

#include "Metal/MTLCommandBuffer.hpp"

namespace MTL {

class ComputePassDescriptor : public NS::Copying<ComputePassDescriptor> {
 public:
  static ComputePassDescriptor* alloc();
  static ComputePassDescriptor* computePassDescriptor();
  ComputePassDescriptor* init() { return this; }
  DispatchType dispatchType() const { return dispatch_type_; }
  void setDispatchType(DispatchType dispatchType) { dispatch_type_ = dispatchType; }

 protected:
  NS::Object* newCopy() const override;

 private:
  DispatchType dispatch_type_ = DispatchTypeSerial;
};

}  // namespace MTL
