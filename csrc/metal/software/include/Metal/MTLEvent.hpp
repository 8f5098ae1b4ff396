// Events order command buffers of different queues, and command buffers and the host.
#pragma once

#include <memory>

#include "Foundation/Foundation.hpp"

namespace metal_software {
class Timeline;
}

namespace MTL {

class CommandBuffer;
class Device;

class Event : public NS::Referencing<Event> {
 public:
  Device* device() const;
  NS::String* label() const { return label_.get(); }
  void setLabel(const NS::String* label);

 protected:
  friend class CommandBuffer;
  friend class Device;
  Event();
  ~Event() override;
  std::unique_ptr<metal_software::Timeline> timeline_;

 private:
  NS::SharedPtr<NS::String> label_;
};

/// An event whose value the host can read, set and wait for. Values grow.
class SharedEvent : public NS::Referencing<SharedEvent, Event> {
 public:
  uint64_t signaledValue() const;
  void setSignaledValue(uint64_t signaledValue);
  /// False if `milliseconds` pass before the event reaches `value`.
  bool waitUntilSignaledValue(uint64_t value, uint64_t milliseconds);

 private:
  friend class Device;
  SharedEvent() = default;
};

}  // namespace MTL
