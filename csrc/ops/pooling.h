// What kinds of pooling have in common.
#pragma once

#include <ATen/core/Tensor.h>

#include "pooling_params.h"

namespace torch_metal {

/// Sizes and layouts of volumes that pooling reads and writes, for windows that split the input evenly. Throws if they
/// are too large for the kernels.
PoolingParams adaptive_windows(const at::Tensor& in, const at::Tensor& out);

}  // namespace torch_metal
