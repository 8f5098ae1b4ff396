// Sliding blocks of images (im2col, col2im), and the gradient of windows along a dimension.
#include <ATen/native/Resize.h>
#include <ATen/native/UnfoldBackward.h>
#include <ATen/native/im2col_shape_check.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/unfold_backward_native.h>

#include <limits>

#include "ops/narrow.h"
#include "ops/registration.h"
#include "runtime/launch.h"
#include "unfold_params.h"

namespace torch_metal {
namespace {

using at::IntArrayRef;
using at::Tensor;

constexpr Extent kThreadgroup{64};

void check_dtype(const char* name, const Tensor& tensor) {
  const auto dtype = tensor.scalar_type();
  TORCH_CHECK_NOT_IMPLEMENTED(at::isFloatingType(dtype) || dtype == at::kComplexFloat || dtype == at::kBool, '"', name,
                              "\" not implemented for '", dtype, "'");
}

void check_pairs(IntArrayRef kernel_size, IntArrayRef dilation, IntArrayRef padding, IntArrayRef stride) {
  TORCH_CHECK(kernel_size.size() == 2, "It is expected kernel_size equals to 2, but got size ", kernel_size.size());
  TORCH_CHECK(dilation.size() == 2, "It is expected dilation equals to 2, but got size ", dilation.size());
  TORCH_CHECK(padding.size() == 2, "It is expected padding equals to 2, but got size ", padding.size());
  TORCH_CHECK(stride.size() == 2, "It is expected stride equals to 2, but got size ", stride.size());
}

BlockParams block_params(IntArrayRef image, IntArrayRef kernel_size, IntArrayRef dilation, IntArrayRef padding,
                         IntArrayRef stride) {
  BlockParams params{};
  for (int d = 0; d < 2; ++d) {
    const int64_t reach = image[d] + 2 * padding[d];
    TORCH_CHECK_NOT_IMPLEMENTED(reach + dilation[d] * kernel_size[d] <= std::numeric_limits<int32_t>::max(),
                                "metal: an image of size ", image[d], " is too large for sliding blocks");
    const int64_t count = (reach - dilation[d] * (kernel_size[d] - 1) - 1) / stride[d] + 1;
    params.image[d] = Divisor::of(static_cast<uint32_t>(image[d]));
    params.blocks[d] = Divisor::of(static_cast<uint32_t>(count));
    params.block[d] = Divisor::of(static_cast<uint32_t>(kernel_size[d]));
    params.stride[d] = Divisor::of(static_cast<uint32_t>(stride[d]));
    params.padding[d] = static_cast<int32_t>(padding[d]);
    params.dilation[d] = static_cast<int32_t>(dilation[d]);
  }
  return params;
}

const Kernel& unfold_kernel(std::string_view function, const Tensor& tensor) {
  return kernel("unfold", function, {metal_type(tensor.scalar_type())});
}

Tensor& im2col_out(const Tensor& self, IntArrayRef kernel_size, IntArrayRef dilation, IntArrayRef padding,
                   IntArrayRef stride, Tensor& out) {
  check_pairs(kernel_size, dilation, padding, stride);
  at::native::im2col_shape_check(self, Tensor(), kernel_size[0], kernel_size[1], dilation[0], dilation[1], padding[0],
                                 padding[1], stride[0], stride[1]);
  check_dtype("im2col_out_metal", self);
  const bool batched = self.dim() == 4;
  const Tensor images = (batched ? self : self.unsqueeze(0)).contiguous();
  const BlockParams params = block_params(images.sizes().slice(2), kernel_size, dilation, padding, stride);
  const int64_t rows = images.size(1) * kernel_size[0] * kernel_size[1];
  const int64_t positions = int64_t(params.blocks[0].value) * params.blocks[1].value;
  at::native::resize_output(out, batched ? at::DimVector{images.size(0), rows, positions}
                                         : at::DimVector{rows, positions});
  if (out.numel() == 0) return out;
  const Tensor dense = out.is_contiguous() ? out : at::empty(out.sizes(), out.options());
  launch_threads(unfold_kernel("blocks_to_columns", self),
                 {uint64_t(positions), uint64_t(rows), uint64_t(images.size(0))}, kThreadgroup, dense, images, params);
  if (!dense.is_same(out)) out.copy_(dense);
  return out;
}

Tensor im2col(const Tensor& self, IntArrayRef kernel_size, IntArrayRef dilation, IntArrayRef padding,
              IntArrayRef stride) {
  Tensor out = at::empty({0}, self.options());
  return torch_metal::im2col_out(self, kernel_size, dilation, padding, stride, out);
}

Tensor& col2im_out(const Tensor& self, IntArrayRef output_size, IntArrayRef kernel_size, IntArrayRef dilation,
                   IntArrayRef padding, IntArrayRef stride, Tensor& out) {
  TORCH_CHECK(output_size.size() == 2, "It is expected output_size equals to 2, but got size ", output_size.size());
  check_pairs(kernel_size, dilation, padding, stride);
  at::native::col2im_shape_check(self, Tensor(), output_size[0], output_size[1], kernel_size[0], kernel_size[1],
                                 dilation[0], dilation[1], padding[0], padding[1], stride[0], stride[1]);
  check_dtype("col2im_out_metal", self);
  const bool batched = self.dim() == 3;
  const Tensor columns = (batched ? self : self.unsqueeze(0)).contiguous();
  const int64_t batch = columns.size(0), channels = columns.size(1) / (kernel_size[0] * kernel_size[1]);
  at::native::resize_output(out, batched ? at::DimVector{batch, channels, output_size[0], output_size[1]}
                                         : at::DimVector{channels, output_size[0], output_size[1]});
  if (out.numel() == 0) return out;
  const BlockParams params = block_params(output_size, kernel_size, dilation, padding, stride);
  const Tensor dense = out.is_contiguous() ? out : at::empty(out.sizes(), out.options());
  launch_threads(unfold_kernel("columns_to_image", self),
                 {uint64_t(output_size[0] * output_size[1]), uint64_t(channels), uint64_t(batch)}, kThreadgroup, dense,
                 columns, params);
  if (!dense.is_same(out)) out.copy_(dense);
  return out;
}

Tensor col2im(const Tensor& self, IntArrayRef output_size, IntArrayRef kernel_size, IntArrayRef dilation,
              IntArrayRef padding, IntArrayRef stride) {
  Tensor out = at::empty({0}, self.options());
  return torch_metal::col2im_out(self, output_size, kernel_size, dilation, padding, stride, out);
}

/// `grad_in` is dense and zero: PyTorch makes it.
void unfold_backward_kernel(Tensor& grad_in, const Tensor& grad, int64_t dim, int64_t size, int64_t step) {
  if (grad_in.numel() == 0 || grad.numel() == 0) return;
  const Tensor windows = grad.contiguous();
  dim = at::maybe_wrap_dim(dim, grad_in.dim());
  const int64_t length = grad_in.dim() == 0 ? 1 : grad_in.size(dim);
  const int64_t inner = c10::multiply_integers(grad_in.sizes().slice(std::min<size_t>(dim + 1, grad_in.dim())));
  const WindowParams params{narrow(length, "unfold's size"),
                            narrow(grad_in.dim() == 0 ? 1 : windows.size(dim), "unfold's number of windows"),
                            narrow(size, "the size of unfold's windows"), narrow(step, "unfold's step"),
                            narrow(inner, "the number of elements after unfold's dimension")};
  launch_threads(unfold_kernel("windows_backward", grad_in),
                 {uint64_t(inner), uint64_t(length), uint64_t(grad_in.numel() / (inner * length))}, kThreadgroup,
                 grad_in, windows, params);
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL(m, "im2col", im2col);
  METAL_IMPL(m, "im2col.out", im2col_out);
  METAL_IMPL(m, "col2im", col2im);
  METAL_IMPL(m, "col2im.out", col2im_out);
  METAL_IMPL(m, "unfold_backward", at::native::unfold_backward);
}

}  // namespace
}  // namespace torch_metal

namespace at::native {
REGISTER_PRIVATEUSE1_DISPATCH(unfold_backward_stub, &torch_metal::unfold_backward_kernel)
}  // namespace at::native
