// Convolutions whose groups have one channel of the input each (kernels/depthwise.metal).
#pragma once

#include <optional>

#include "convolution_params.h"
#include "ops/convolution_geometry.h"

namespace torch_metal {

/// out = weight x patches + bias for each group of one channel; weight is [channels of out, 1, kernel...]. Returns false,
/// with nothing done, for integers and where there are no taps.
bool convolve_depthwise(const at::Tensor& out, const at::Tensor& in, const at::Tensor& weight,
                        const std::optional<at::Tensor>& bias, const ConvolutionParams& params);

/// Whether those kernels are the way from the larger side of a convolution to the smaller, or back, if both libraries
/// can be taken: there are no products of matrices in it.
bool prefers_depthwise(const at::Tensor& larger, const ConvolutionGeometry& geometry);

}  // namespace torch_metal
