#include "runtime/block_pool.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <shared_mutex>
#include <sstream>

#include "metal/validation.h"
#include "runtime/device.h"
#include "runtime/residency.h"
#include "runtime/stream.h"

namespace torch_metal {

using c10::CachingAllocator::StatArray;
using c10::CachingAllocator::StatType;
using c10::CachingDeviceAllocator::DeviceStats;

namespace {

constexpr size_t kAlignment = 512;         // sizes of blocks
constexpr size_t kSmall = 1 << 20;         // requests up to this are cut from small segments
constexpr size_t kSmallSegment = 2 << 20;
constexpr size_t kMediumSegment = 20 << 20;  // for requests below kLarge
constexpr size_t kLarge = 10 << 20;          // larger requests get a segment of their own size,
constexpr size_t kLargeStep = 2 << 20;       // in these steps

size_t round_up(size_t size, size_t step) { return (size + step - 1) / step * step; }

// While validating, each block is a buffer of its own, just as long as asked for, so that an access past it is found.
size_t block_size(size_t requested) { return round_up(requested, validating() ? 4 : kAlignment); }

size_t segment_size(size_t size) {
  if (validating()) return size;
  if (size <= kSmall) return kSmallSegment;
  return size < kLarge ? kMediumSegment : round_up(size, kLargeStep);
}

// Segments by address, of all pools. Its own lock, the innermost: it is read while a stream is locked.
std::shared_mutex address_mutex;
std::map<const char*, Segment*>& addresses() {
  static auto* const map = new std::map<const char*, Segment*>();
  return *map;
}

void increase(StatArray& stat, bool small, size_t amount) {
  stat[static_cast<size_t>(StatType::AGGREGATE)].increase(amount);
  stat[static_cast<size_t>(small ? StatType::SMALL_POOL : StatType::LARGE_POOL)].increase(amount);
}

void decrease(StatArray& stat, bool small, size_t amount) {
  stat[static_cast<size_t>(StatType::AGGREGATE)].decrease(amount);
  stat[static_cast<size_t>(small ? StatType::SMALL_POOL : StatType::LARGE_POOL)].decrease(amount);
}

size_t current(const StatArray& stat) { return stat[static_cast<size_t>(StatType::AGGREGATE)].current; }

bool is_split(const Block* block) { return block->previous || block->next; }

void count_inactive_split(DeviceStats& stats, const Block* block, bool appears) {
  if (!is_split(block)) return;
  const bool small = block->segment->is_small;
  (appears ? increase : decrease)(stats.inactive_split, small, 1);
  (appears ? increase : decrease)(stats.inactive_split_bytes, small, block->size);
}

template <class Function>
void for_each_stat(DeviceStats& stats, Function function) {
  for (StatArray* array :
       {&stats.allocation, &stats.segment, &stats.active, &stats.inactive_split, &stats.allocated_bytes,
        &stats.reserved_bytes, &stats.active_bytes, &stats.inactive_split_bytes, &stats.requested_bytes})
    for (auto& stat : *array) function(stat);
}

/// For PyTorch's profilers of memory: `block` is now in use, or not any more (bytes is negative).
void report_to_profiler(const Block& block, int64_t bytes, const DeviceStats& stats) {
  const c10::Device device = block.stream == BlockPool::kNoStream ? c10::Device(c10::kCPU) : kMetalDevice;
  c10::reportMemoryUsageToProfiler(block.data, bytes, current(stats.allocated_bytes), current(stats.reserved_bytes),
                                   device);
}

std::string in_words(size_t bytes) {
  static constexpr const char* kUnits[] = {"bytes", "KiB", "MiB", "GiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit < 3) {
    value /= 1024;
    ++unit;
  }
  std::ostringstream text;
  text.precision(2);
  text << std::fixed << value << ' ' << kUnits[unit];
  return text.str();
}

}  // namespace

Block* BlockPool::allocate(size_t requested, c10::StreamId stream, size_t limit) {
  const size_t size = block_size(requested);
  const bool small = size <= kSmall;
  std::unique_lock<std::mutex> lock(mutex_);
  process_pending();
  Block* block = take_free(size, stream, small);
  // Smaller segments that are idle give way to one that serves their requests as well.
  const bool gathers = !block && size >= kLarge && unused_bytes() >= size / 2;
  if (!block && !gathers) block = take_new(size, stream, small, limit);
  if (!block) {
    // Wait for what others still use, give back what nobody uses, and try again.
    stats_.num_alloc_retries += !gathers;
    lock.unlock();
    Stream::wait_all();
    lock.lock();
    process_pending();
    block = take_free(size, stream, small);
    if (!block) {
      release_unused_segments();
      block = take_new(size, stream, small, limit);
    }
    if (!block) throw_out_of_memory(requested, limit);
  }
  split(block, size);
  block->is_allocated = true;
  block->requested = requested;
  increase(stats_.allocation, small, 1);
  increase(stats_.active, small, 1);
  increase(stats_.allocated_bytes, small, block->size);
  increase(stats_.active_bytes, small, block->size);
  increase(stats_.requested_bytes, small, requested);
  report_to_profiler(*block, static_cast<int64_t>(block->size), stats_);
  return block;
}

void BlockPool::free(Block* block) {
  const bool small = block->segment->is_small;
  Pending pending{block, {}};
  std::set<c10::StreamId> users;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    decrease(stats_.allocation, small, 1);
    decrease(stats_.allocated_bytes, small, block->size);
    decrease(stats_.requested_bytes, small, block->requested);
    report_to_profiler(*block, -static_cast<int64_t>(block->size), stats_);
    users.swap(block->users);
    if (users.empty()) return release(block);
  }
  for (const c10::StreamId user : users) pending.uses.emplace_back(user, Stream::get(user).flush());
  const std::lock_guard<std::mutex> lock(mutex_);
  pending_.push_back(std::move(pending));
}

void BlockPool::record_use(Block* block, c10::StreamId stream) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (block->stream != stream) block->users.insert(stream);
}

void BlockPool::empty_cache() {
  Stream::wait_all();
  const std::lock_guard<std::mutex> lock(mutex_);
  process_pending();
  release_unused_segments();
}

DeviceStats BlockPool::stats() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return stats_;
}

void BlockPool::reset_accumulated_stats() {
  const std::lock_guard<std::mutex> lock(mutex_);
  for_each_stat(stats_, [](auto& stat) { stat.reset_accumulated(); });
  stats_.num_alloc_retries = stats_.num_ooms = stats_.num_device_alloc = stats_.num_device_free = 0;
}

void BlockPool::reset_peak_stats() {
  const std::lock_guard<std::mutex> lock(mutex_);
  for_each_stat(stats_, [](auto& stat) { stat.reset_peak(); });
}

// Best fit.
Block* BlockPool::take_free(size_t size, c10::StreamId stream, bool small) {
  const auto found = free_.lower_bound({stream, small, size, nullptr});
  if (found == free_.end()) return nullptr;
  Block* const block = found->second;
  if (block->stream != stream || block->segment->is_small != small) return nullptr;
  if (validating() && block->size != size) return nullptr;
  free_.erase(found);
  count_inactive_split(stats_, block, false);
  return block;
}

Block* BlockPool::take_new(size_t size, c10::StreamId stream, bool small, size_t limit) {
  const size_t bytes = segment_size(size);
  if (limit && current(stats_.reserved_bytes) + bytes > limit) return nullptr;
  if (bytes > device()->maxBufferLength()) return nullptr;
  auto owner = NS::TransferPtr(
      device()->newBuffer(bytes, MTL::ResourceStorageModeShared | MTL::ResourceHazardTrackingModeUntracked));
  MTL::Buffer* const buffer = owner.get();
  if (!buffer) return nullptr;
  residency::add(buffer);  // may throw
  owner.detach();
  auto* const base = static_cast<char*>(buffer->contents());
  auto* const segment = new Segment{buffer, base, bytes, small, nullptr};
  segment->first = new Block{this, segment, stream, base, bytes};
  segments_.insert(segment);
  {
    const std::unique_lock<std::shared_mutex> lock(address_mutex);
    addresses().emplace(base, segment);
  }
  ++stats_.num_device_alloc;
  increase(stats_.segment, small, 1);
  increase(stats_.reserved_bytes, small, bytes);
  return segment->first;
}

// Cuts `block` to `size` if the rest is worth keeping.
void BlockPool::split(Block* block, size_t size) {
  const bool small = block->segment->is_small;
  if (validating() || block->size - size < (small ? kAlignment : kSmall)) return;
  auto* const rest = new Block{this, block->segment, block->stream, block->data + size, block->size - size};
  rest->previous = block;
  rest->next = block->next;
  if (rest->next) rest->next->previous = rest;
  block->next = rest;
  block->size = size;
  free_.emplace(FreeKey{rest->stream, small, rest->size, rest->data}, rest);
  count_inactive_split(stats_, rest, true);
}

// Makes a block available, merged with its free neighbours.
void BlockPool::release(Block* block) {
  const bool small = block->segment->is_small;
  decrease(stats_.active, small, 1);
  decrease(stats_.active_bytes, small, block->size);
  block->is_allocated = false;
  const auto is_free = [&](const Block* b) {
    return b && free_.count(FreeKey{b->stream, small, b->size, b->data}) != 0;
  };
  for (Block* neighbour : {block->previous, block->next}) {
    if (!is_free(neighbour)) continue;
    free_.erase(FreeKey{neighbour->stream, small, neighbour->size, neighbour->data});
    count_inactive_split(stats_, neighbour, false);
    block = neighbour == block->previous ? merge(neighbour, block) : merge(block, neighbour);
  }
  free_.emplace(FreeKey{block->stream, small, block->size, block->data}, block);
  count_inactive_split(stats_, block, true);
}

Block* BlockPool::merge(Block* left, Block* right) {
  left->size += right->size;
  left->next = right->next;
  if (left->next) left->next->previous = left;
  delete right;
  return left;
}

void BlockPool::process_pending() {
  const auto is_done = [](const std::pair<c10::StreamId, uint64_t>& use) {
    return Stream::get(use.first).has_completed(use.second);
  };
  std::erase_if(pending_, [&](const Pending& pending) {
    if (!std::all_of(pending.uses.begin(), pending.uses.end(), is_done)) return false;
    release(pending.block);
    return true;
  });
}

bool BlockPool::is_unused(const Segment& segment) const {
  const Block& block = *segment.first;
  return block.size == segment.size && free_.count({block.stream, segment.is_small, block.size, block.data}) != 0;
}

size_t BlockPool::unused_bytes() const {
  size_t bytes = 0;
  for (const Segment* const segment : segments_)
    if (is_unused(*segment)) bytes += segment->size;
  return bytes;
}

void BlockPool::release_unused_segments() {
  std::erase_if(segments_, [&](Segment* segment) {
    if (!is_unused(*segment)) return false;
    Block* const block = segment->first;
    free_.erase({block->stream, segment->is_small, block->size, block->data});
    {
      const std::unique_lock<std::shared_mutex> lock(address_mutex);
      addresses().erase(segment->base);
    }
    ++stats_.num_device_free;
    decrease(stats_.segment, segment->is_small, 1);
    decrease(stats_.reserved_bytes, segment->is_small, segment->size);
    residency::remove(segment->buffer);
    segment->buffer->release();
    delete block;
    delete segment;
    return true;
  });
}

void BlockPool::throw_out_of_memory(size_t size, size_t limit) {
  ++stats_.num_ooms;
  const size_t allocated = current(stats_.allocated_bytes);
  const size_t reserved = current(stats_.reserved_bytes);
  TORCH_CHECK_WITH(OutOfMemoryError, false, "metal out of memory. Tried to allocate ", in_words(size), ". ",
                   limit ? "The memory limit is " + in_words(limit) : std::string("There is no memory limit"),
                   " and the longest Metal buffer ", in_words(device()->maxBufferLength()), ". ",
                   in_words(allocated), " is allocated by PyTorch, and ", in_words(reserved - allocated),
                   " is reserved by PyTorch but unallocated. torch.metal.set_per_process_memory_fraction sets the "
                   "limit.");
}

void free_block(void* context) {
  // A child forked from a process that used the device shares nothing with it any more.
  if (!context || in_bad_fork()) return;
  auto* const block = static_cast<Block*>(context);
  block->pool->free(block);
}

Block* block_of(const c10::DataPtr& pointer) {
  return pointer.get_deleter() == &free_block ? static_cast<Block*>(pointer.get_context()) : nullptr;
}

const Segment* find_segment(const void* address) {
  const auto* const byte = static_cast<const char*>(address);
  const std::shared_lock<std::shared_mutex> lock(address_mutex);
  auto after = addresses().upper_bound(byte);
  if (after == addresses().begin()) return nullptr;
  const Segment* const segment = std::prev(after)->second;
  return byte < segment->base + segment->size ? segment : nullptr;
}

}  // namespace torch_metal
