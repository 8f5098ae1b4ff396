#include <Metal/Metal.hpp>

namespace MTL {

ResidencySetDescriptor* ResidencySetDescriptor::alloc() { return new ResidencySetDescriptor; }

NS::Object* ResidencySetDescriptor::newCopy() const {
  auto* const copy = alloc();
  copy->initial_capacity_ = initial_capacity_;
  return copy;
}

void ResidencySet::addAllocation(const Allocation* allocation) {
  const std::lock_guard<std::mutex> lock(mutex_);
  next_.emplace(allocation, NS::RetainPtr(allocation));
}

void ResidencySet::removeAllocation(const Allocation* allocation) {
  const std::lock_guard<std::mutex> lock(mutex_);
  next_.erase(allocation);
}

void ResidencySet::removeAllAllocations() {
  const std::lock_guard<std::mutex> lock(mutex_);
  next_.clear();
}

void ResidencySet::commit() {
  Members before;  // released after the lock
  const std::lock_guard<std::mutex> lock(mutex_);
  before = std::exchange(committed_, next_);
}

bool ResidencySet::containsAllocation(const Allocation* anAllocation) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return committed_.count(anAllocation) != 0;
}

NS::UInteger ResidencySet::allocationCount() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return committed_.size();
}

uint64_t ResidencySet::allocatedSize() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  uint64_t bytes = 0;
  for (const auto& [allocation, reference] : committed_) bytes += allocation->allocatedSize();
  return bytes;
}

}  // namespace MTL
