// What PyTorch's device and stream guards, torch.Stream and torch.Event ask of the metal device.
#include <c10/core/DeviceCapability.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include "runtime/allocator.h"
#include "runtime/device.h"
#include "runtime/event.h"
#include "runtime/stream.h"

namespace torch_metal {

namespace {

c10::Stream wrap(c10::StreamId id) { return c10::Stream(c10::Stream::UNSAFE, kMetalDevice, id); }
Stream& unwrap(const c10::Stream& stream) { return Stream::get(stream.id()); }

constexpr uint64_t bit(c10::ScalarTypeIndex index) { return uint64_t{1} << index; }

class MetalGuard final : public c10::impl::DeviceGuardImplInterface {
 public:
  c10::DeviceType type() const override { return kMetal; }

  // There is one device, so nothing changes hands.
  c10::Device exchangeDevice(c10::Device device) const override {
    check_device_index(device.index());
    return kMetalDevice;
  }
  c10::Device getDevice() const override { return kMetalDevice; }
  void setDevice(c10::Device device) const override { check_device_index(device.index()); }
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::DeviceIndex deviceCount() const noexcept override { return device_count(); }
  c10::DeviceCapability getDeviceCapability(c10::Device device) const override {
    check_device_index(device.index());
    c10::DeviceCapability capability;
    capability.capability_data.capability_bits =
        bit(c10::kIndex_Bool) | bit(c10::kIndex_Byte) | bit(c10::kIndex_Char) | bit(c10::kIndex_Short) |
        bit(c10::kIndex_Int) | bit(c10::kIndex_Long) | bit(c10::kIndex_Half) | bit(c10::kIndex_BFloat16) |
        bit(c10::kIndex_Float) | bit(c10::kIndex_Double) | bit(c10::kIndex_ComplexHalf) |
        bit(c10::kIndex_ComplexFloat) | bit(c10::kIndex_ComplexDouble);
    return capability;
  }

  c10::Stream getStream(c10::Device) const override { return wrap(Stream::current_id()); }
  c10::Stream getDefaultStream(c10::Device) const override { return wrap(0); }
  c10::Stream getStreamFromGlobalPool(c10::Device, bool) const override { return wrap(Stream::next_from_pool()); }
  c10::Stream getNewStream(c10::Device device, int) const override {
    check_device_index(device.index());
    return wrap(Stream::next_from_pool());
  }
  c10::Stream exchangeStream(c10::Stream stream) const override { return wrap(Stream::exchange_current(stream.id())); }
  void* getStreamNativeHandle(const c10::Stream stream) const override { return unwrap(stream).queue(); }
  bool queryStream(const c10::Stream& stream) const override { return unwrap(stream).is_idle(); }
  void synchronizeStream(const c10::Stream& stream) const override { unwrap(stream).synchronize(); }
  void synchronizeDevice(const c10::DeviceIndex index) const override {
    check_device_index(index);
    Stream::synchronize_all();
  }

  void record(void** event, const c10::Stream& stream, const c10::DeviceIndex,
              const c10::EventFlag flag) const override {
    if (!*event) *event = new Event(flag == c10::EventFlag::BACKEND_DEFAULT);
    static_cast<Event*>(*event)->record(unwrap(stream));
  }
  void block(void* event, const c10::Stream& stream) const override {
    if (event) static_cast<Event*>(event)->block(unwrap(stream));
  }
  bool queryEvent(void* event) const override { return !event || static_cast<Event*>(event)->query(); }
  void synchronizeEvent(void* event) const override {
    if (event) static_cast<Event*>(event)->synchronize();
  }
  double elapsedTime(void* start, void* end, const c10::DeviceIndex) const override {
    TORCH_CHECK(start && end, "Both events must be recorded before their elapsed time is taken");
    return static_cast<Event*>(start)->elapsed_time(*static_cast<Event*>(end));
  }
  void destroyEvent(void* event, const c10::DeviceIndex) const noexcept override {
    if (!in_bad_fork()) delete static_cast<Event*>(event);
  }

  void recordDataPtrOnStream(const c10::DataPtr& pointer, const c10::Stream& stream) const override {
    record_use(pointer, stream.id());
  }
};

C10_REGISTER_GUARD_IMPL(PrivateUse1, MetalGuard)

}  // namespace

}  // namespace torch_metal
