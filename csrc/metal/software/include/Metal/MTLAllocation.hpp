#pragma once

#include "Foundation/Foundation.hpp"

namespace MTL {

/// What takes device memory.
class Allocation : public NS::Referencing<Allocation> {
 public:
  NS::UInteger allocatedSize() const { return allocated_size_; }

 protected:
  NS::UInteger allocated_size_ = 0;
};

}  // namespace MTL
