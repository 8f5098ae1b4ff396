// The partial inverse of max pooling: values go back to where indices say they came from, all else is zero.
#include <ATen/native/Resize.h>
#include <ATen/ops/empty.h>

#include "ops/registration.h"

namespace torch_metal {
namespace {

using at::IntArrayRef;
using at::Tensor;

/// Indices are positions in an output plane or volume. The last `output_size.size()` dimensions are spatial.
Tensor& unpool_out(const char* name, const Tensor& self, const Tensor& indices, IntArrayRef output_size, Tensor& out) {
  const auto spatial = static_cast<int64_t>(output_size.size());
  TORCH_CHECK(indices.scalar_type() == at::kLong, "elements in indices should be type int64 but got: ",
              indices.scalar_type());
  TORCH_CHECK(self.dim() == spatial + 1 || self.dim() == spatial + 2, "Input to ", name, " should be a ", spatial + 1,
              "d or ", spatial + 2, "d Tensor, but got a tensor with ", self.dim(), " dimensions.");
  TORCH_CHECK(self.sizes() == indices.sizes(), "Expected shape of indices to be same as that of the input tensor (",
              self.sizes(), ") but got indices tensor with shape: ", indices.sizes());
  TORCH_CHECK(self.scalar_type() == out.scalar_type() && self.device() == out.device() &&
                  self.device() == indices.device(),
              name, ": input, indices and output must be on one device, input and output of one dtype");
  for (int64_t d = self.dim() - spatial; d < self.dim(); ++d) {
    TORCH_CHECK(self.size(d) > 0, name, "(): Expected input to have non-zero size for non-batch dimensions, but got ",
                self.sizes(), " with dimension ", d, " being empty.");
  }
  at::DimVector shape(self.sizes().slice(0, self.dim() - spatial));
  shape.append(output_size.begin(), output_size.end());
  const bool resized = at::native::resize_output(out, shape);
  if (resized && self.dim() == spatial + 2) {
    out.unsafeGetTensorImpl()->empty_tensor_restride(self.suggest_memory_format());
  }
  out.zero_();
  if (self.numel() == 0) return out;
  const Tensor dense = out.is_contiguous() ? out : out.contiguous();
  dense.flatten(-spatial).scatter_(-1, indices.flatten(-spatial), self.flatten(-spatial));
  if (!dense.is_same(out)) out.copy_(dense);
  return out;
}

Tensor& max_unpool2d_out(const Tensor& self, const Tensor& indices, IntArrayRef output_size, Tensor& out) {
  TORCH_CHECK(output_size.size() == 2,
              "There should be exactly two elements (height, width) in output_size, but got ", output_size.size(),
              " elements.");
  return unpool_out("max_unpooling2d_forward_out", self, indices, output_size, out);
}

Tensor max_unpool2d(const Tensor& self, const Tensor& indices, IntArrayRef output_size) {
  Tensor out = at::empty({0}, self.options());
  return torch_metal::max_unpool2d_out(self, indices, output_size, out);
}

Tensor& max_unpool3d_out(const Tensor& self, const Tensor& indices, IntArrayRef output_size, IntArrayRef stride,
                         IntArrayRef padding, Tensor& out) {
  TORCH_CHECK(output_size.size() == 3,
              "There should be exactly three elements (depth, height, width) in output_size, but got ",
              output_size.size(), " elements.");
  TORCH_CHECK(stride.size() == 3, "There should be exactly three elements (depth, height, width) in stride, but got: ",
              stride.size(), " elements.");
  TORCH_CHECK(padding.size() == 3,
              "There should be exactly three elements (depth, height, width) in padding, but got: ", padding.size(),
              " elements.");
  TORCH_CHECK(stride[0] > 0 && stride[1] > 0 && stride[2] > 0, "strides should be greater than zero, but got stride: ",
              stride);
  return unpool_out("max_unpooling3d_forward_out", self, indices, output_size, out);
}

Tensor max_unpool3d(const Tensor& self, const Tensor& indices, IntArrayRef output_size, IntArrayRef stride,
                    IntArrayRef padding) {
  Tensor out = at::empty({0}, self.options());
  return torch_metal::max_unpool3d_out(self, indices, output_size, stride, padding, out);
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL(m, "max_unpool2d", max_unpool2d);
  METAL_IMPL(m, "max_unpool2d.out", max_unpool2d_out);
  METAL_IMPL(m, "max_unpool3d", max_unpool3d);
  METAL_IMPL(m, "max_unpool3d.out", max_unpool3d_out);
}

}  // namespace
}  // namespace torch_metal
