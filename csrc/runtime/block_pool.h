// Memory blocks cut from Metal buffers and reused.
//
// A freed block is handed out again in stream order: at once to the stream that owned it, whose later work runs after
// its earlier work. A block that other streams used waits until their work is done.
#pragma once

#include <Metal/Metal.hpp>
#include <c10/core/Allocator.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/Stream.h>

#include <map>
#include <mutex>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

namespace torch_metal {

class BlockPool;
struct Block;

/// One Metal buffer in shared storage, cut into a chain of blocks.
struct Segment {
  MTL::Buffer* buffer;
  char* base;  ///< host address
  size_t size;
  bool is_small;
  Block* first;
};

/// A piece of a segment. What the context of a tensor's DataPtr points at.
struct Block {
  BlockPool* pool;
  Segment* segment;
  c10::StreamId stream;  ///< the owner
  char* data;
  size_t size;
  size_t requested = 0;
  bool is_allocated = false;
  Block* previous = nullptr;
  Block* next = nullptr;
  std::set<c10::StreamId> users{};  ///< other streams that use it
};

class BlockPool {
 public:
  /// Owner of blocks that are handed out only when no stream uses them: memory that the host touches.
  static constexpr c10::StreamId kNoStream = -1;

  /// A block of `size` > 0 bytes; the pool will hold at most `limit` bytes (0 is no limit). Throws
  /// c10::OutOfMemoryError.
  Block* allocate(size_t size, c10::StreamId stream, size_t limit);
  void free(Block* block);
  /// `stream` uses the block too: it is not reused before the work encoded there until its release is done.
  void record_use(Block* block, c10::StreamId stream);
  /// Returns buffers of which no block is in use to the system.
  void empty_cache();

  c10::CachingDeviceAllocator::DeviceStats stats() const;
  void reset_accumulated_stats();
  void reset_peak_stats();

 private:
  using FreeKey = std::tuple<c10::StreamId, bool, size_t, char*>;  // stream, small, size, address
  struct Pending {
    Block* block;
    std::vector<std::pair<c10::StreamId, uint64_t>> uses;  ///< stream, command buffer
  };

  Block* take_free(size_t size, c10::StreamId stream, bool small);
  Block* take_new(size_t size, c10::StreamId stream, bool small, size_t limit);
  void split(Block* block, size_t size);
  void release(Block* block);
  Block* merge(Block* left, Block* right);
  void process_pending();
  bool is_unused(const Segment& segment) const;
  size_t unused_bytes() const;  ///< of segments of which no block is in use
  void release_unused_segments();
  [[noreturn]] void throw_out_of_memory(size_t size, size_t limit);

  mutable std::mutex mutex_;
  std::map<FreeKey, Block*> free_;
  std::vector<Pending> pending_;
  std::set<Segment*> segments_;
  c10::CachingDeviceAllocator::DeviceStats stats_;
};

/// Deleter of every DataPtr whose context is a Block.
void free_block(void* block);
/// The block behind `pointer`, or nullptr if its memory is not ours.
Block* block_of(const c10::DataPtr& pointer);
/// The segment that holds `address`, or nullptr.
const Segment* find_segment(const void* address);

}  // namespace torch_metal
