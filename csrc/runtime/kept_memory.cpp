#include "runtime/kept_memory.h"

#include <c10/core/CPUAllocator.h>

#include <algorithm>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "runtime/device.h"

namespace torch_metal {
namespace {

constexpr size_t kLarge = 256 << 10;

thread_local int scopes = 0;

/// Stands before PyTorch's allocator, and passes on to it all that is not its business.
class KeepingAllocator final : public c10::Allocator {
 public:
  explicit KeepingAllocator(c10::Allocator* underlying) : underlying_(underlying) {}

  c10::DataPtr allocate(size_t bytes) override {
    if (scopes == 0 || bytes < kLarge) return underlying_->allocate(bytes);
    Block block = take(bytes);
    if (!block.memory) block = {underlying_->allocate(bytes), bytes};
    void* const data = block.memory.get();
    const std::lock_guard<std::mutex> lock(mutex_);
    in_use_.emplace(data, std::move(block));
    return {data, data, &release, c10::DeviceType::CPU};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* destination, const void* source, size_t bytes) const override {
    underlying_->copy_data(destination, source, bytes);
  }

  size_t kept_bytes() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return kept_bytes_;
  }

 private:
  struct Block {
    c10::DataPtr memory;
    size_t bytes = 0;
  };

  /// The smallest block that is large enough, if it is not much too large; else one without memory.
  Block take(size_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    auto best = kept_.end();
    for (auto block = kept_.begin(); block != kept_.end(); ++block) {
      const bool fits = block->bytes >= bytes && block->bytes <= 2 * bytes;
      if (fits && (best == kept_.end() || block->bytes < best->bytes)) best = block;
    }
    if (best == kept_.end()) return {};
    Block block = std::move(*best);
    kept_.erase(best);
    kept_bytes_ -= block.bytes;
    return block;
  }

  /// Frees what either allocator gave: raw_deallocate() does not know which it was.
  static void release(void* data);
  void keep(void* data) {
    std::vector<Block> too_old;  // freed without the lock
    std::unique_lock<std::mutex> lock(mutex_);
    const auto found = in_use_.find(data);
    if (found == in_use_.end()) {
      lock.unlock();
      return underlying_->raw_deallocate(data);
    }
    kept_bytes_ += found->second.bytes;
    kept_.push_back(std::move(found->second));
    in_use_.erase(found);
    while (kept_bytes_ > kMaxKeptMemory) {
      kept_bytes_ -= kept_.front().bytes;
      too_old.push_back(std::move(kept_.front()));
      kept_.erase(kept_.begin());
    }
  }

  c10::Allocator* const underlying_;
  mutable std::mutex mutex_;
  std::unordered_map<void*, Block> in_use_;
  std::vector<Block> kept_;  ///< those freed last are last
  size_t kept_bytes_ = 0;
};

KeepingAllocator& keeping_allocator() {
  static auto* const allocator = [] {
    auto* const keeping = new KeepingAllocator(c10::GetCPUAllocator());  // never destroyed: storages point at it
    c10::SetCPUAllocator(keeping, UINT8_MAX);
    return keeping;
  }();
  return *allocator;
}

void KeepingAllocator::release(void* data) {
  KeepingAllocator& allocator = keeping_allocator();
  // In a forked child another thread may have held the lock. All memory is the underlying allocator's.
  in_bad_fork() ? allocator.underlying_->raw_deallocate(data) : allocator.keep(data);
}

}  // namespace

KeptMemoryScope::KeptMemoryScope() {
  keeping_allocator();
  ++scopes;
}

KeptMemoryScope::~KeptMemoryScope() { --scopes; }

size_t kept_memory() { return keeping_allocator().kept_bytes(); }

}  // namespace torch_metal
