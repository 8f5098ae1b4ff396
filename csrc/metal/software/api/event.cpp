// Event, SharedEvent and Fence.
#include <Metal/Metal.hpp>

#include "api/objects.h"
#include "execution/timeline.h"

namespace MTL {

Event::Event() : timeline_(std::make_unique<metal_software::Timeline>()) {}

Event::~Event() = default;

void Event::setLabel(const NS::String* label) { metal_software::assign_copy(label_, label); }

uint64_t SharedEvent::signaledValue() const { return timeline_->value(); }

void SharedEvent::setSignaledValue(uint64_t signaledValue) { timeline_->set(signaledValue); }

bool SharedEvent::waitUntilSignaledValue(uint64_t value, uint64_t milliseconds) {
  return timeline_->wait_for(value, milliseconds);
}

void Fence::setLabel(const NS::String* label) { metal_software::assign_copy(label_, label); }

}  // namespace MTL
