// Parameters of recurrent cells, shared by host and kernels.
#pragma once
#ifndef __METAL__
#include <cstdint>
#endif

namespace torch_metal {

/// Gates are [batch, gates * hidden], states [batch, hidden], all contiguous.
struct CellParams {
  uint32_t hidden;
  uint32_t has_bias;
  uint32_t has_grad_hidden;  ///< backward of an LSTM: which of the gradients there are
  uint32_t has_grad_cell;
};

}  // namespace torch_metal
