// Memory that a kernel cannot run past unnoticed.
#pragma once

#include <cstddef>

namespace mslc::cli {

/// Bytes that end at pages nobody may touch, and start after one. Zero-filled.
class GuardedMemory {
 public:
  explicit GuardedMemory(size_t size);
  ~GuardedMemory();
  GuardedMemory(GuardedMemory&& other) noexcept;
  GuardedMemory& operator=(GuardedMemory&&) = delete;

  /// Aligned to 16 bytes, as vectors need it: up to 15 bytes between the end and the guard can be touched.
  std::byte* data() const { return data_; }

 private:
  void* mapped_;
  size_t mapped_size_;
  std::byte* data_;
};

}  // namespace mslc::cli
