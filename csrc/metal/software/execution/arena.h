// Memory for the commands of one command buffer: handed out in order, freed all at once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

namespace metal_software {

class Arena {
 public:
  /// Aligned to 16 bytes, as the largest MSL types need.
  void* allocate(size_t bytes) {
    bytes = (bytes + 15) & ~size_t{15};
    if (bytes > available_) grow(bytes);
    std::byte* const result = next_;
    next_ += bytes;
    available_ -= bytes;
    return result;
  }

  template <class T>
  T* allocate_array(size_t count) {
    return static_cast<T*>(allocate(count * sizeof(T)));
  }

  void clear() {
    blocks_.clear();
    next_ = first_;
    available_ = sizeof first_;
  }

 private:
  void grow(size_t bytes) {
    const size_t size = std::max<size_t>(bytes, 16 << 10);
    blocks_.emplace_back(new std::byte[size]);
    next_ = blocks_.back().get();
    available_ = size;
  }

  // Enough for most command buffers. Who executes one is seldom who made it, and frees what it has to slowly.
  alignas(16) std::byte first_[4 << 10];
  std::vector<std::unique_ptr<std::byte[]>> blocks_;
  std::byte* next_ = first_;
  size_t available_ = sizeof first_;
};

}  // namespace metal_software
