// Padding by reflection and replication, in one to three dimensions. PyTorch composes padding with a constant.
#include <ATen/native/Padding.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/reflection_pad1d_backward_meta.h>
#include <ATen/ops/reflection_pad1d_meta.h>
#include <ATen/ops/reflection_pad3d_backward_meta.h>
#include <ATen/ops/reflection_pad3d_meta.h>
#include <ATen/ops/replication_pad1d_backward_meta.h>
#include <ATen/ops/replication_pad1d_meta.h>
#include <ATen/ops/replication_pad2d_meta.h>
#include <ATen/ops/replication_pad3d_meta.h>

#include <algorithm>
#include <cstdlib>

#include "ops/resample.h"
#include "ops/structured.h"

namespace torch_metal {
namespace {

using at::IntArrayRef;
using at::Tensor;

enum class Padding { reflection, replication };

/// Which position of a dimension of `size` each position of the padded one shows.
template <Padding mode>
std::vector<int64_t> shown_positions(int64_t size, int64_t before, int64_t after) {
  std::vector<int64_t> positions(size + before + after);
  for (int64_t i = 0; i < static_cast<int64_t>(positions.size()); ++i) {
    const int64_t position = i - before;
    positions[i] = mode == Padding::reflection ? size - 1 - std::abs(size - 1 - std::abs(position))
                                               : std::clamp<int64_t>(position, 0, size - 1);
  }
  return positions;
}

/// `padding` is (before, after) of the last dimension, of the one before it, and so on.
template <Padding mode>
Tensor pad(const Tensor& self, IntArrayRef padding) {
  Tensor result = self;
  for (size_t i = 0; i < padding.size() / 2; ++i) {
    const int64_t dim = self.dim() - 1 - static_cast<int64_t>(i);
    result = resample(result, dim, shown_positions<mode>(self.size(dim), padding[2 * i], padding[2 * i + 1]));
  }
  return result;
}

template <Padding mode>
Tensor pad_backward(const Tensor& grad_output, const Tensor& self, IntArrayRef padding) {
  Tensor result = grad_output;
  for (size_t i = 0; i < padding.size() / 2; ++i) {
    const int64_t dim = self.dim() - 1 - static_cast<int64_t>(i), size = self.size(dim);
    const int64_t before = padding[2 * i], after = padding[2 * i + 1];
    TORCH_CHECK(grad_output.size(dim) == size + before + after, "grad_output of size ", grad_output.sizes(),
                " does not fit an input of size ", self.sizes(), " padded by ", padding);
    result = resample_adjoint(result, dim, shown_positions<mode>(size, before, after), size);
  }
  return result;
}

template <class Meta, Padding mode>
struct Pad : Meta {
  void impl(const Tensor& self, IntArrayRef padding, const Tensor& out) { out.copy_(pad<mode>(self, padding)); }
};

template <class Meta, Padding mode>
struct PadBackward : Meta {
  void impl(const Tensor& grad_output, const Tensor& self, IntArrayRef padding, const Tensor& grad_input) {
    grad_input.copy_(pad_backward<mode>(grad_output, self, padding));
  }
};

template <Padding mode>
Tensor& pad_backward_out(const Tensor& grad_output, const Tensor& self, IntArrayRef padding, Tensor& grad_input) {
  at::native::resize_output(grad_input, self.sizes());
  return grad_input.copy_(pad_backward<mode>(grad_output, self, padding));
}

Tensor reflection_pad2d(const Tensor& self, IntArrayRef padding) {
  TORCH_CHECK(padding.size() == 4, "padding size is expected to be 4");
  at::native::padding::check_valid_input<2>(self, padding);
  for (int64_t i = 0; i < 2; ++i) {
    const int64_t dim = self.dim() - 1 - i, size = self.size(dim);
    TORCH_CHECK(padding[2 * i] < size && padding[2 * i + 1] < size,
                "Argument #4: Padding size should be less than the corresponding input dimension, but got: padding (",
                padding[2 * i], ", ", padding[2 * i + 1], ") at dimension ", dim, " of input ", self.sizes());
    TORCH_CHECK(size + padding[2 * i] + padding[2 * i + 1] >= 1, "input of size ", self.sizes(),
                " is too small to be padded by ", padding);
  }
  return pad<Padding::reflection>(self, padding);
}

Tensor& reflection_pad2d_out(const Tensor& self, IntArrayRef padding, Tensor& out) {
  const Tensor padded = torch_metal::reflection_pad2d(self, padding);
  at::native::resize_output(out, padded.sizes());
  return out.copy_(padded);
}

template <class Meta>
using Reflect = Pad<Meta, Padding::reflection>;
template <class Meta>
using ReflectBackward = PadBackward<Meta, Padding::reflection>;
template <class Meta>
using Replicate = Pad<Meta, Padding::replication>;
template <class Meta>
using ReplicateBackward = PadBackward<Meta, Padding::replication>;

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  namespace meta = at::meta;
  METAL_STRUCTURED_CLASS(m, "reflection_pad1d.out", Reflect<meta::structured_reflection_pad1d>);
  METAL_IMPL(m, "reflection_pad2d", torch_metal::reflection_pad2d);
  METAL_IMPL(m, "reflection_pad2d.out", torch_metal::reflection_pad2d_out);
  METAL_STRUCTURED_CLASS(m, "reflection_pad3d.out", Reflect<meta::structured_reflection_pad3d>);
  METAL_STRUCTURED_CLASS(m, "replication_pad1d.out", Replicate<meta::structured_replication_pad1d>);
  METAL_STRUCTURED_CLASS(m, "replication_pad2d.out", Replicate<meta::structured_replication_pad2d>);
  METAL_STRUCTURED_CLASS(m, "replication_pad3d.out", Replicate<meta::structured_replication_pad3d>);

  METAL_STRUCTURED_CLASS(m, "reflection_pad1d_backward.grad_input",
                         ReflectBackward<meta::structured_reflection_pad1d_backward>);
  METAL_IMPL(m, "reflection_pad2d_backward", pad_backward<Padding::reflection>);
  METAL_IMPL(m, "reflection_pad2d_backward.grad_input", pad_backward_out<Padding::reflection>);
  METAL_STRUCTURED_CLASS(m, "reflection_pad3d_backward.grad_input",
                         ReflectBackward<meta::structured_reflection_pad3d_backward>);
  METAL_STRUCTURED_CLASS(m, "replication_pad1d_backward.grad_input",
                         ReplicateBackward<meta::structured_replication_pad1d_backward>);
  METAL_IMPL(m, "replication_pad2d_backward", pad_backward<Padding::replication>);
  METAL_IMPL(m, "replication_pad2d_backward.grad_input", pad_backward_out<Padding::replication>);
  METAL_IMPL(m, "replication_pad3d_backward", pad_backward<Padding::replication>);
  METAL_IMPL(m, "replication_pad3d_backward.grad_input", pad_backward_out<Padding::replication>);
}

}  // namespace
}  // namespace torch_metal
