// The convolutions that PyTorch calls slow_*: the same as convolution, under names of their own.
#include <ATen/ops/convolution.h>
#include <ATen/ops/convolution_backward.h>

#include "ops/registration.h"
#include "ops/results.h"

namespace torch_metal {
namespace {

using at::Tensor;
using Integers = at::IntArrayRef;
using OptionalTensor = std::optional<Tensor>;
using Mask = std::array<bool, 3>;

void check_kernel(const Tensor& weight, Integers kernel) {
  TORCH_CHECK(weight.dim() == int64_t(kernel.size()) + 2 && weight.sizes().slice(2) == kernel,
              "expected a weight with a kernel of size ", kernel, ", got one of shape ", weight.sizes());
}

Tensor dilated_convolution(const Tensor& self, const Tensor& weight, Integers kernel, const OptionalTensor& bias,
                           Integers stride, Integers padding, Integers dilation) {
  check_kernel(weight, kernel);
  const at::DimVector none(kernel.size(), 0);
  return at::convolution(self, weight, bias, stride, padding, dilation, /*transposed=*/false, none, /*groups=*/1);
}

Tensor convolution(const Tensor& self, const Tensor& weight, Integers kernel, const OptionalTensor& bias,
                   Integers stride, Integers padding) {
  return dilated_convolution(self, weight, kernel, bias, stride, padding, at::DimVector(kernel.size(), 1));
}

Tensor& convolution_out(const Tensor& self, const Tensor& weight, Integers kernel, const OptionalTensor& bias,
                        Integers stride, Integers padding, Tensor& out) {
  return give(torch_metal::convolution(self, weight, kernel, bias, stride, padding), out);
}

std::tuple<Tensor, Tensor, Tensor> convolution_backward(const Tensor& grad, const Tensor& self, const Tensor& weight,
                                                        Integers kernel, Integers stride, Integers padding,
                                                        Mask mask) {
  check_kernel(weight, kernel);
  const at::DimVector ones(kernel.size(), 1), none(kernel.size(), 0);
  return at::convolution_backward(grad, self, weight, at::IntArrayRef(weight.size(0)), stride, padding, ones,
                                  /*transposed=*/false, none, /*groups=*/1, mask);
}

std::tuple<Tensor&, Tensor&, Tensor&> convolution_backward_out(const Tensor& grad, const Tensor& self,
                                                               const Tensor& weight, Integers kernel, Integers stride,
                                                               Integers padding, Tensor& grad_self,
                                                               Tensor& grad_weight, Tensor& grad_bias) {
  const Mask all{true, true, true};
  const auto [a, b, c] = torch_metal::convolution_backward(grad, self, weight, kernel, stride, padding, all);
  return {give(a, grad_self), give(b, grad_weight), give(c, grad_bias)};
}

Tensor transposed_convolution(const Tensor& self, const Tensor& weight, Integers kernel, const OptionalTensor& bias,
                              Integers stride, Integers padding, Integers output_padding, Integers dilation) {
  check_kernel(weight, kernel);
  return at::convolution(self, weight, bias, stride, padding, dilation, /*transposed=*/true, output_padding,
                         /*groups=*/1);
}

Tensor& transposed_convolution_out(const Tensor& self, const Tensor& weight, Integers kernel,
                                   const OptionalTensor& bias, Integers stride, Integers padding,
                                   Integers output_padding, Integers dilation, Tensor& out) {
  return give(transposed_convolution(self, weight, kernel, bias, stride, padding, output_padding, dilation), out);
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL(m, "_slow_conv2d_forward", convolution);
  METAL_IMPL(m, "_slow_conv2d_forward.output", convolution_out);
  METAL_IMPL(m, "_slow_conv2d_backward.output_mask", convolution_backward);
  METAL_IMPL(m, "_slow_conv2d_backward.grad_input", convolution_backward_out);
  METAL_IMPL(m, "slow_conv3d_forward", convolution);
  METAL_IMPL(m, "slow_conv3d_forward.output", convolution_out);
  METAL_IMPL(m, "slow_conv_dilated2d", dilated_convolution);
  METAL_IMPL(m, "slow_conv_dilated3d", dilated_convolution);
  METAL_IMPL(m, "slow_conv_transpose2d", transposed_convolution);
  METAL_IMPL(m, "slow_conv_transpose2d.out", transposed_convolution_out);
  METAL_IMPL(m, "slow_conv_transpose3d", transposed_convolution);
  METAL_IMPL(m, "slow_conv_transpose3d.out", transposed_convolution_out);
}

}  // namespace
}  // namespace torch_metal
