// Memory for what PyTorch's CPU functions allocate on the way to a graph's result (host_library.cpp).
//
// A convolution makes its result and reordered operands anew, megabytes each. The C library gives such blocks back to the
// system as soon as they are free, at least on threads that are not the first, and every page faults again at the next
// convolution. So large blocks are kept, up to a bound.
#pragma once

#include <cstddef>

namespace torch_metal {

/// While it lives, PyTorch's CPU allocator takes this thread's large blocks from those that are kept, and what it gives
/// out that way is kept again when it is freed, whoever does. Nothing changes for other threads.
class KeptMemoryScope {
 public:
  KeptMemoryScope();
  ~KeptMemoryScope();
  KeptMemoryScope(const KeptMemoryScope&) = delete;
  KeptMemoryScope& operator=(const KeptMemoryScope&) = delete;
};

/// Bytes of blocks that are free and kept; at most kMaxKeptMemory.
size_t kept_memory();
inline constexpr size_t kMaxKeptMemory = size_t{32} << 20;

}  // namespace torch_metal
