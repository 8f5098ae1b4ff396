#pragma once

#include <map>
#include <mutex>

#include "Metal/MTLAllocation.hpp"

namespace MTL {

class Device;

class ResidencySetDescriptor : public NS::Copying<ResidencySetDescriptor> {
 public:
  static ResidencySetDescriptor* alloc();
  ResidencySetDescriptor* init() { return this; }
  NS::UInteger initialCapacity() const { return initial_capacity_; }
  void setInitialCapacity(NS::UInteger initialCapacity) { initial_capacity_ = initialCapacity; }

 protected:
  NS::Object* newCopy() const override;

 private:
  NS::UInteger initial_capacity_ = 0;
};

/// Allocations that queues may use without naming them. All memory is resident here: a set keeps its members alive, and
/// changes count from commit() on.
class ResidencySet : public NS::Referencing<ResidencySet> {
 public:
  void addAllocation(const Allocation* allocation);
  void removeAllocation(const Allocation* allocation);
  void removeAllAllocations();
  void commit();
  void requestResidency() {}
  void endResidency() {}

  /// Of committed members, as the two below.
  bool containsAllocation(const Allocation* anAllocation);
  NS::UInteger allocationCount() const;
  uint64_t allocatedSize() const;
  Device* device() const;

 private:
  friend class Device;
  using Members = std::map<const Allocation*, NS::SharedPtr<const Allocation>>;
  ResidencySet() = default;
  mutable std::mutex mutex_;
  Members committed_, next_;
};

}  // namespace MTL
