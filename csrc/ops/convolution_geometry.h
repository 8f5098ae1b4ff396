// A convolution's numbers.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <array>

namespace torch_metal {

using Size3 = std::array<int64_t, 3>;

/// One to three values for the innermost dimensions; outer ones get `fill`.
inline Size3 innermost_3(at::IntArrayRef values, int64_t fill) {
  Size3 result{fill, fill, fill};
  std::copy(values.begin(), values.end(), result.end() - values.size());
  return result;
}

/// A convolution's geometry, from the larger side (what is convolved) to the smaller one.
struct ConvolutionGeometry {
  Size3 kernel, stride, padding, dilation;
  int64_t groups;

  ConvolutionGeometry(const at::Tensor& weight, at::IntArrayRef stride, at::IntArrayRef padding,
                      at::IntArrayRef dilation, int64_t groups)
      : kernel(innermost_3(weight.sizes().slice(2), 1)),
        stride(innermost_3(stride, 1)),
        padding(innermost_3(padding, 0)),
        dilation(innermost_3(dilation, 1)),
        groups(groups) {}
};

}  // namespace torch_metal
