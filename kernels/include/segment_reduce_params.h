// Parameters of reductions over segments of a dimension, shared by host and kernels.
#pragma once
#ifndef __METAL__
#include <cstdint>
#endif

namespace torch_metal {

/// Numbered as PyTorch does.
enum SegmentReduction : uint32_t { kSegmentMax, kSegmentMean, kSegmentMin, kSegmentSum, kSegmentProduct };

/// Dense tensors: data [outer, size, inner], results [outer, segments, inner], offsets [outer, segments + 1].
struct SegmentParams {
  int64_t size;
  uint32_t segments;
  uint32_t inner;
  uint32_t reduction;
  uint32_t has_initial;
  float initial;
};

}  // namespace torch_metal
