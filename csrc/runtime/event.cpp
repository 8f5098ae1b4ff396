#include "runtime/event.h"

#include <c10/util/Exception.h>

#include "runtime/device.h"
#include "runtime/failures.h"

namespace torch_metal {

Event::Event(bool timed) : timed_(timed), event_(made(device()->newSharedEvent(), "an event")) {}

Event::~Event() {
  if (carrier_) carrier_->release();
  event_->release();
}

void Event::record(Stream& stream) {
  MTL::CommandBuffer* const carrier = stream.signal(event_, value_ + 1);  // may throw: the mark before stays
  if (carrier_) carrier_->release();
  carrier_ = carrier;
  stream_ = &stream;
  ++value_;
}

void Event::block(Stream& stream) const {
  if (carrier_) stream.wait(event_, value_);
}

bool Event::query() const { return !carrier_ || event_->signaledValue() >= value_; }

void Event::synchronize() const {
  if (!carrier_) return;
  carrier_->waitUntilCompleted();
  stream_->raise_reported_errors();
  check_device_is_present();
}

double Event::elapsed_time(const Event& end) const {
  TORCH_CHECK(timed_ && end.timed_, "Both events must be created with enable_timing=True to measure elapsed time");
  TORCH_CHECK(carrier_ && end.carrier_, "Both events must be recorded before their elapsed time is taken");
  TORCH_CHECK(query() && end.query(), "Both events must be completed before their elapsed time is taken");
  carrier_->waitUntilCompleted();
  end.carrier_->waitUntilCompleted();
  return (end.carrier_->GPUEndTime() - carrier_->GPUEndTime()) * 1e3;
}

}  // namespace torch_metal
