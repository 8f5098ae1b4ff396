// Max pooling over windows of one size that begin at pseudo-random places.
#include <ATen/native/FractionalMaxPooling.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/fractional_max_pool2d_backward_meta.h>
#include <ATen/ops/fractional_max_pool2d_meta.h>
#include <ATen/ops/fractional_max_pool3d_meta.h>

#include "ops/pooling.h"
#include "ops/structured.h"
#include "ops/volume.h"

namespace torch_metal {
namespace {

using at::IntArrayRef;
using at::Tensor;

template <int spatial>
void fractional_max_pool(const Tensor& in, IntArrayRef window, const Tensor& samples, const Tensor& out,
                         const Tensor& indices) {
  at::native::fractional_max_pool_check_shape<spatial>(in, samples);
  TORCH_CHECK_NOT_IMPLEMENTED(at::isFloatingType(in.scalar_type()), "fractional_max_pool", spatial,
                              "d is not implemented for ", in.scalar_type());
  if (out.numel() == 0) return;
  const Tensor from = as_volumes(in, spatial), to = as_volumes(out, spatial);
  PoolingParams params = adaptive_windows(from, to);
  params.adaptive = false;
  for (int d = 0; d < 3; ++d) params.window[d] = params.dilation[d] = 1;
  for (int d = 0; d < spatial; ++d) {
    params.window[3 - spatial + d] = static_cast<int32_t>(window.size() == 1 ? window[0] : window[d]);
  }
  params.index_layout = layout_of(as_volumes(indices, spatial));
  launch_threads(
      kernel("pooling", "fractional_max_pool", {metal_type(in.scalar_type()), std::to_string(spatial)}),
      elements_of(to), {64}, out, indices, in, samples.contiguous(), params);
}

/// Windows overlap anyhow: gradients are added up at the places that indices name.
template <int spatial>
void fractional_max_pool_backward(const Tensor& grad_output, const Tensor& indices, const Tensor& grad_input) {
  TORCH_CHECK(grad_output.sizes() == indices.sizes(), "fractional_max_pool", spatial,
              "d_backward(): gradOutput has sizes ", grad_output.sizes(), ", but indices have ", indices.sizes());
  grad_input.zero_();
  if (grad_output.numel() == 0) return;
  const Tensor dense = grad_input.is_contiguous() ? grad_input : grad_input.contiguous();
  dense.flatten(-spatial).scatter_add_(-1, indices.flatten(-spatial), grad_output.flatten(-spatial));
  if (!dense.is_same(grad_input)) grad_input.copy_(dense);
}

struct FractionalMaxPool2d : at::meta::structured_fractional_max_pool2d {
  void impl(const Tensor& self, IntArrayRef window, IntArrayRef, const Tensor& samples, const Tensor& out,
            const Tensor& indices) {
    fractional_max_pool<2>(self, window, samples, out, indices);
  }
};
struct FractionalMaxPool3d : at::meta::structured_fractional_max_pool3d {
  void impl(const meta_return_ty&, const Tensor& self, IntArrayRef window, IntArrayRef, const Tensor& samples,
            const Tensor& out, const Tensor& indices) {
    fractional_max_pool<3>(self, window, samples, out, indices);
  }
};
struct FractionalMaxPool2dBackward : at::meta::structured_fractional_max_pool2d_backward {
  void impl(const Tensor& grad_output, const Tensor&, IntArrayRef, IntArrayRef, const Tensor& indices,
            const Tensor& grad_input) {
    fractional_max_pool_backward<2>(grad_output, indices, grad_input);
  }
};

Tensor& fractional_max_pool3d_backward_out(const Tensor& grad_output, const Tensor& self, IntArrayRef, IntArrayRef,
                                           const Tensor& indices, Tensor& grad_input) {
  at::native::resize_output(grad_input, self.sizes());
  fractional_max_pool_backward<3>(grad_output, indices, grad_input);
  return grad_input;
}

Tensor fractional_max_pool3d_backward(const Tensor& grad_output, const Tensor& self, IntArrayRef, IntArrayRef,
                                      const Tensor& indices) {
  Tensor grad_input = at::empty_like(self);
  fractional_max_pool_backward<3>(grad_output, indices, grad_input);
  return grad_input;
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_STRUCTURED_CLASS(m, "fractional_max_pool2d.output", FractionalMaxPool2d);
  METAL_STRUCTURED_CLASS(m, "fractional_max_pool2d_backward.grad_input", FractionalMaxPool2dBackward);
  METAL_STRUCTURED_CLASS(m, "fractional_max_pool3d.output", FractionalMaxPool3d);
  METAL_IMPL(m, "fractional_max_pool3d_backward", fractional_max_pool3d_backward);
  METAL_IMPL(m, "fractional_max_pool3d_backward.grad_input", fractional_max_pool3d_backward_out);
}

}  // namespace
}  // namespace torch_metal
