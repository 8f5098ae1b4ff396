// Convolutions whose groups have one channel of the input each (kernels/depthwise.metal).
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "convolution_params.h"

namespace torch_metal {

/// out = weight x patches + bias for each group of one channel; weight is [channels of out, 1, kernel...]. Returns false,
/// with nothing done, for integers and where there are no taps.
bool convolve_depthwise(const at::Tensor& out, const at::Tensor& in, const at::Tensor& weight,
                        const std::optional<at::Tensor>& bias, const ConvolutionParams& params);

}  // namespace torch_metal
