// The Metal device of this process. There is one: metal:0.
#pragma once

#include <Metal/Metal.hpp>
#include <c10/core/Device.h>

namespace torch_metal {

inline constexpr c10::DeviceType kMetal = c10::DeviceType::PrivateUse1;
inline const c10::Device kMetalDevice(kMetal, 0);

/// The device, opened at first use. Throws in a child forked from a process that had it open.
MTL::Device* device();
/// True once device() has been called.
bool device_is_open();
/// True in a child forked after the device was open: threads and queues do not survive a fork.
bool in_bad_fork();
/// 1, or 0 if open_metal_device() finds none; never throws.
c10::DeviceIndex device_count() noexcept;
/// Throws unless `index` names the only device; -1 means the current one.
void check_device_index(c10::DeviceIndex index);

/// An autorelease pool for one scope: Metal hands out command buffers and encoders autoreleased.
class AutoreleaseScope {
 public:
  AutoreleaseScope() : pool_(NS::AutoreleasePool::alloc()->init()) {}
  ~AutoreleaseScope() { pool_->release(); }
  AutoreleaseScope(const AutoreleaseScope&) = delete;
  AutoreleaseScope& operator=(const AutoreleaseScope&) = delete;

 private:
  NS::AutoreleasePool* pool_;
};

}  // namespace torch_metal
