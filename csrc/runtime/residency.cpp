#include "runtime/residency.h"

#include <c10/util/Exception.h>

#include <mutex>

#include "metal/platform.h"
#include "runtime/device.h"

namespace torch_metal::residency {

namespace {

std::mutex mutex;  // sets are not safe for threads

// Null before macOS 15, where encoders name what they use.
MTL::ResidencySet* open_set() {
  if (!has_residency_sets()) return nullptr;
  const AutoreleaseScope pool;
  MTL::ResidencySetDescriptor* const descriptor = MTL::ResidencySetDescriptor::alloc()->init();
  NS::Error* error = nullptr;
  MTL::ResidencySet* const set = device()->newResidencySet(descriptor, &error);
  descriptor->release();
  TORCH_CHECK(set, "The metal device gives no residency set: ",
              error ? error->localizedDescription()->utf8String() : "no reason given");
  set->requestResidency();
  return set;
}

MTL::ResidencySet* resident_set() {
  static MTL::ResidencySet* const set = open_set();
  return set;
}

template <class Change>
void change(Change&& change_set) {
  MTL::ResidencySet* const set = resident_set();
  if (!set) return;
  const std::lock_guard<std::mutex> lock(mutex);
  change_set(set);
  set->commit();
}

}  // namespace

void add(const MTL::Buffer* buffer) {
  change([&](MTL::ResidencySet* set) { set->addAllocation(buffer); });
}

void remove(const MTL::Buffer* buffer) {
  change([&](MTL::ResidencySet* set) { set->removeAllocation(buffer); });
}

void attach(MTL::CommandQueue* queue) {
  if (MTL::ResidencySet* const set = resident_set()) queue->addResidencySet(set);
}

}  // namespace torch_metal::residency
