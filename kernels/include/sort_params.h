// Shapes of a sort. Included by host and kernels.
#pragma once

#ifndef __METAL__
#include <cstdint>
#endif

namespace torch_metal {

enum : uint32_t {
  kSortBlock = 1024,   // elements that a threadgroup orders in its own memory
  kSortItems = 8,      // elements of it that a thread orders
  kSortRun = 256,      // elements of it that a SIMD-group orders in registers
  kSelectBlock = 2048  // elements of which a SIMD-group selects the first
};

/// Dense rows; each is sorted by itself. A row comes in as sorted runs of `width` elements and goes out as fewer of
/// them, of `kept` elements each; the last may be shorter. The first step makes runs from blocks.
struct SortParams {
  uint32_t size;      // of a row that comes in
  uint32_t out_size;  // of one that goes out
  uint32_t width;
  uint32_t kept;
  uint32_t tiles;  // that a run which goes out is made in
  uint32_t descending;
};

/// Dense rows, cut into blocks; of each block that comes in, the first `wanted` go out.
struct SelectParams {
  uint32_t size;      // of a row that comes in
  uint32_t out_size;  // of one that goes out
  uint32_t wanted;
  uint32_t descending;
};

enum : uint32_t { kRandomOrderDraws = 1 + kSortItems / 4 };  // counters that a thread draws from

/// A random permutation of few numbers.
struct RandomOrderParams {
  int64_t seed;
  int64_t offset;
  uint32_t size;
};

}  // namespace torch_metal
