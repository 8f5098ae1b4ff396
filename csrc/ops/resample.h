// Outputs whose every position along a dimension is a copy of some position of the input, and the adjoint of that.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace torch_metal {

/// out[.., i, ..] = input[.., positions[i], ..]
at::Tensor resample(const at::Tensor& input, int64_t dim, const std::vector<int64_t>& positions);

/// The sum of `gradient` over all positions of the output that come from one of the input, of which there are `size`.
at::Tensor resample_adjoint(const at::Tensor& gradient, int64_t dim, const std::vector<int64_t>& positions,
                            int64_t size);

}  // namespace torch_metal
