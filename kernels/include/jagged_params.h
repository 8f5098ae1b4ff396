// Parameters of the moves between rows packed one after the other and rows padded to one length, shared by host and
// kernels.
#pragma once
#ifndef __METAL__
#include <cstdint>
#endif

namespace torch_metal {

struct JaggedParams {
  uint64_t inner;    ///< elements of one position
  uint64_t batch;    ///< sequences; there is one offset more
  uint64_t length;   ///< positions of a padded sequence
  uint64_t packed;   ///< positions of all sequences together
};

}  // namespace torch_metal
