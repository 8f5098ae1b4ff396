#include "runtime/allocator.h"

#include <c10/core/StorageImpl.h>

#include <algorithm>
#include <atomic>

#include "runtime/block_pool.h"
#include "runtime/device.h"
#include "runtime/stream.h"

namespace torch_metal {

namespace {

BlockPool& device_pool() {
  static auto* const pool = new BlockPool();
  return *pool;
}

BlockPool& host_pool() {
  static auto* const pool = new BlockPool();
  return *pool;
}

c10::DataPtr data_pointer(Block* block, c10::Device device) {
  if (!block) return {nullptr, nullptr, &free_block, device};
  return {block->data, block, &free_block, device};
}

// Copies whole allocations, in stream order. Blocks are multiples of 4 bytes long.
void copy_allocation(void* destination, const void* source, size_t size) {
  if (size == 0) return;
  const Segment* const to = find_segment(destination);
  const Segment* const from = find_segment(source);
  TORCH_INTERNAL_ASSERT(to && from);
  Stream::current().copy(to->buffer, static_cast<char*>(destination) - to->base, from->buffer,
                         static_cast<const char*>(source) - from->base, (size + 3) / 4 * 4);
}

std::atomic<double> fraction{1};

class MetalAllocator final : public c10::DeviceAllocator {
 public:
  c10::DataPtr allocate(size_t size) override {
    if (size == 0) return data_pointer(nullptr, kMetalDevice);
    return data_pointer(device_pool().allocate(size, Stream::current_id(), memory_limit()), kMetalDevice);
  }
  void copy_data(void* destination, const void* source, size_t size) const override {
    copy_allocation(destination, source, size);
  }
  bool initialized() override { return device_is_open(); }
  void emptyCache(c10::MempoolId_t) override { device_pool().empty_cache(); }
  void recordStream(const c10::DataPtr& pointer, c10::Stream stream) override { record_use(pointer, stream.id()); }
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex index) override {
    check_device_index(index);
    return device_pool().stats();
  }
  void resetAccumulatedStats(c10::DeviceIndex index) override {
    check_device_index(index);
    device_pool().reset_accumulated_stats();
  }
  void resetPeakStats(c10::DeviceIndex index) override {
    check_device_index(index);
    device_pool().reset_peak_stats();
  }
  std::pair<size_t, size_t> getMemoryInfo(c10::DeviceIndex index) override {
    check_device_index(index);
    const size_t total = memory_limit() ? memory_limit() : device()->recommendedMaxWorkingSetSize();
    const size_t reserved = device_pool().stats().reserved_bytes[0].current;
    return {total - std::min(total, reserved), total};
  }
};

class PinnedAllocator final : public at::HostAllocator {
 public:
  c10::DataPtr allocate(size_t size) override {
    if (size == 0) return data_pointer(nullptr, c10::DeviceType::CPU);
    return data_pointer(host_pool().allocate(size, BlockPool::kNoStream, 0), c10::DeviceType::CPU);
  }
  void copy_data(void* destination, const void* source, size_t size) const override {
    default_copy_data(destination, source, size);
  }
  bool record_event(void*, void* context, c10::Stream stream) override {
    auto* const block = static_cast<Block*>(context);
    if (!block || block->pool != &host_pool()) return false;
    block->pool->record_use(block, stream.id());
    return true;
  }
  void empty_cache() override { host_pool().empty_cache(); }
  at::HostStats get_stats() override {
    const auto stats = host_pool().stats();
    at::HostStats result;
    result.active_requests = stats.allocation[0];
    result.active_bytes = stats.allocated_bytes[0];
    result.allocations = stats.segment[0];
    result.allocated_bytes = stats.reserved_bytes[0];
    result.num_host_alloc = stats.num_device_alloc;
    result.num_host_free = stats.num_device_free;
    return result;
  }
  void reset_accumulated_stats() override { host_pool().reset_accumulated_stats(); }
  void reset_peak_stats() override { host_pool().reset_peak_stats(); }
};

const BlockPool* pool_of(const void* data) {
  const Segment* const segment = find_segment(data);
  return segment ? segment->first->pool : nullptr;
}

}  // namespace

c10::DeviceAllocator* device_allocator() {
  static auto* const allocator = new MetalAllocator();
  return allocator;
}

at::HostAllocator* host_allocator() {
  static auto* const allocator = new PinnedAllocator();
  return allocator;
}

REGISTER_ALLOCATOR(kMetal, device_allocator())
REGISTER_HOST_ALLOCATOR(kMetal, host_allocator())

void set_memory_fraction(double new_fraction) { fraction = new_fraction; }

double memory_fraction() { return fraction; }

size_t memory_limit() {
  return static_cast<size_t>(fraction * static_cast<double>(device()->recommendedMaxWorkingSetSize()));
}

bool record_use(const c10::DataPtr& pointer, c10::StreamId stream) {
  Block* const block = block_of(pointer);
  if (block) block->pool->record_use(block, stream);
  return block;
}

bool is_pinned(const void* data) { return pool_of(data) == &host_pool(); }

bool is_device_memory(const void* data) { return pool_of(data) == &device_pool(); }

void resize_storage(c10::StorageImpl* storage, size_t bytes) {
  TORCH_CHECK(storage->resizable(), "Trying to resize storage that is not resizable");
  c10::DataPtr data = device_allocator()->allocate(bytes);
  copy_allocation(data.get(), storage->data(), std::min(bytes, storage->nbytes()));
  const c10::DataPtr old = storage->set_data_ptr(std::move(data));
  record_use(old, Stream::current_id());
  storage->set_nbytes(bytes);
}

}  // namespace torch_metal
