// Convolutions by MPSGraph.
#pragma once

#include <optional>

#include "ops/convolution_geometry.h"

namespace torch_metal {

// Each returns false, with nothing done, if MPSGraph cannot do it (other dtypes, gaps in memory, sizes it is wrong with)
// or is not the library of choice. `source` is the larger side of the convolution, `result` or
// `gradient` the smaller; weights are [channels of the smaller, channels of a group of the larger, kernel...].

bool graph_convolution(const at::Tensor& result, const at::Tensor& source, const at::Tensor& weights,
                       const std::optional<at::Tensor>& bias, const ConvolutionGeometry& geometry);

bool graph_convolution_data_gradient(const at::Tensor& source, const at::Tensor& gradient, const at::Tensor& weights,
                                     const std::optional<at::Tensor>& bias, const ConvolutionGeometry& geometry);

bool graph_convolution_weights_gradient(const at::Tensor& weights, const at::Tensor& gradient,
                                        const at::Tensor& source, const ConvolutionGeometry& geometry);

}  // namespace torch_metal
