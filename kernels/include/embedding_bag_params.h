// Parameters of bags of embeddings, shared by host and kernels.
#pragma once
#ifndef __METAL__
#include <cstdint>
#endif

namespace torch_metal {

/// How a bag's rows become one. Numbered as PyTorch does.
enum BagMode : uint32_t { kBagSum, kBagMean, kBagMax };

struct BagParams {
  uint32_t bags;
  uint32_t indices;     ///< of all bags together
  uint32_t features;
  int64_t embeddings;   ///< rows of the table
  int64_t row_stride;   ///< of the table, in elements
  int64_t padding;      ///< the row that is left out, or -1
  uint32_t mode;
  uint32_t has_last_offset;  ///< offsets end with the end of the last bag
  uint32_t has_weights;      ///< each index has a factor of its own
};

}  // namespace torch_metal
