// Shapes of a binary search. Included by host and kernels.
#pragma once

#ifndef __METAL__
#include <cstdint>
#endif

namespace torch_metal {

struct SearchParams {
  uint64_t row;         // values that share a row of boundaries; all of them if there is one row
  uint32_t boundaries;  // in a row
  uint32_t right;       // the position after equal boundaries, not before
  uint32_t has_sorter;
};

}  // namespace torch_metal
