#pragma once

#include "Foundation/Foundation.hpp"

namespace MTL {

class Device;

/// Orders the encoders of one queue. Here a queue runs its commands in order anyway.
class Fence : public NS::Referencing<Fence> {
 public:
  Device* device() const;
  NS::String* label() const { return label_.get(); }
  void setLabel(const NS::String* label);

 private:
  friend class Device;
  Fence() = default;
  NS::SharedPtr<NS::String> label_;
};

}  // namespace MTL
