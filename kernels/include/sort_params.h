// Shapes of a sort. Included by host and kernels.
#pragma once

#ifndef __METAL__
#include <cstdint>
#endif

namespace torch_metal {

enum : uint32_t { kSortBlock = 1024 };  // elements that a threadgroup sorts in its own memory

/// Dense rows; each is sorted by itself.
struct SortParams {
  uint32_t size;   // of a row
  uint32_t width;  // of the sorted runs that are merged
  uint32_t descending;
};

}  // namespace torch_metal
