// The device's allocator and that of pinned host memory. Both hand out shared Metal buffers: the address of a tensor's
// data is one that the CPU can use.
#pragma once

#include <ATen/core/CachingHostAllocator.h>
#include <c10/core/CachingDeviceAllocator.h>

namespace torch_metal {

/// Memory of metal tensors, reused in the order of the stream that was current at allocation.
c10::DeviceAllocator* device_allocator();
/// Page-locked memory as other devices have it; here memory that kernels can read and write in place.
at::HostAllocator* host_allocator();

/// The share of MTLDevice.recommendedMaxWorkingSetSize that tensors may take; 0 is no limit. 1 unless set.
void set_memory_fraction(double fraction);
double memory_fraction();
/// Bytes that tensors may take; 0 is no limit.
size_t memory_limit();

/// Notes that `stream` uses memory of either allocator. Returns false if it is neither's.
bool record_use(const c10::DataPtr& pointer, c10::StreamId stream);
/// True for memory of host_allocator().
bool is_pinned(const void* data);
/// True for memory of device_allocator().
bool is_device_memory(const void* data);

/// Gives `storage` room for `bytes`, keeping its content, in stream order.
void resize_storage(c10::StorageImpl* storage, size_t bytes);

}  // namespace torch_metal
