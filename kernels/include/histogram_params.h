// Shapes of a histogram. Included by host and kernels.
#pragma once

#ifndef __METAL__
#include <cstdint>
#endif

namespace torch_metal {

enum BinSearch : uint32_t {
  kBinarySearch,       // bins of any width
  kLinear,             // bins of one width
  kLinearThenCompare,  // the same, agreeing with the rounded edges
};

/// One coordinate of the points.
struct HistogramParams {
  int64_t stride;  // elements between points
  uint32_t bins;   // along this coordinate; there is one edge more
  uint32_t search;
  uint32_t first;  // of the coordinates: there are no places yet
};

enum : uint32_t { kGroupBins = 4096 };  // that a threadgroup counts in its own memory

struct CountParams {
  uint64_t size;
  uint64_t group_size;  // values that a threadgroup counts
  uint64_t bins;
};

}  // namespace torch_metal
