// Padding by reflection and replication, in one to three dimensions. PyTorch composes padding with a constant.
#include <ATen/native/Padding.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/reflection_pad1d_backward_meta.h>
#include <ATen/ops/reflection_pad3d_backward_meta.h>
#include <ATen/ops/replication_pad1d_backward_meta.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <string_view>

#include "ops/copy_layout.h"
#include "ops/resample.h"
#include "ops/structured.h"
#include "padding_params.h"
#include "runtime/launch.h"

namespace torch_metal {
namespace {

using at::IntArrayRef;
using at::Tensor;

enum class Padding { reflection, replication };

template <Padding mode>
constexpr std::string_view kMode = mode == Padding::reflection ? "Padding::reflection" : "Padding::replication";

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

/// Calls apply(dimension in memory order, positions, size before padding) for each padded dimension of `self`, on
/// `result`. `padding` is (before, after) of the last dimension, of the one before it, and so on. What is
/// channels_last in memory is worked on, and comes out, in that order.
template <Padding mode, class Apply>
Tensor for_padded_dims(Tensor result, const Tensor& self, IntArrayRef padding, Apply apply) {
  const auto spatial = static_cast<int64_t>(padding.size() / 2);
  const bool channels_last =
      self.dim() == spatial + 2 && self.suggest_memory_format() != at::MemoryFormat::Contiguous;
  if (channels_last) result = result.movedim(1, -1);
  for (int64_t i = 0; i < spatial; ++i) {
    const int64_t dim = self.dim() - 1 - i, size = self.size(dim);
    result = apply(result, dim - channels_last, shown_positions<mode>(size, padding[2 * i], padding[2 * i + 1]), size);
  }
  return channels_last ? result.movedim(-1, 1) : result;
}

template <Padding mode>
Tensor pad_backward(const Tensor& grad_output, const Tensor& self, IntArrayRef padding) {
  TORCH_CHECK(grad_output.dim() == self.dim(), "grad_output of size ", grad_output.sizes(),
              " does not fit an input of size ", self.sizes());
  for (size_t i = 0; i < padding.size() / 2; ++i) {
    const int64_t dim = self.dim() - 1 - static_cast<int64_t>(i);
    TORCH_CHECK(grad_output.size(dim) == self.size(dim) + padding[2 * i] + padding[2 * i + 1], "grad_output of size ",
                grad_output.sizes(), " does not fit an input of size ", self.sizes(), " padded by ", padding);
  }
  return for_padded_dims<mode>(grad_output, self, padding, resample_adjoint);
}

template <Padding mode>
Tensor& pad_backward_out(const Tensor& grad_output, const Tensor& self, IntArrayRef padding, Tensor& grad_input) {
  at::native::resize_output(grad_input, self.sizes());
  return grad_input.copy_(pad_backward<mode>(grad_output, self, padding));
}

template <class Meta, Padding mode>
struct PadBackward : Meta {
  void impl(const Tensor& grad_output, const Tensor& self, IntArrayRef padding, const Tensor& grad_input) {
    grad_input.copy_(pad_backward<mode>(grad_output, self, padding));
  }
};

template <Padding mode, int spatial>
void check_padding(const Tensor& self, IntArrayRef padding) {
  TORCH_CHECK(padding.size() == 2 * spatial, "padding size is expected to be ", 2 * spatial);
  at::native::padding::check_valid_input<spatial>(self, padding);
  for (int64_t i = 0; i < spatial; ++i) {
    const int64_t dim = self.dim() - 1 - i, size = self.size(dim), before = padding[2 * i], after = padding[2 * i + 1];
    TORCH_CHECK(mode == Padding::replication || (before < size && after < size),
                "Argument #4: Padding size should be less than the corresponding input dimension, but got: padding (",
                before, ", ", after, ") at dimension ", dim, " of input ", self.sizes());
    TORCH_CHECK(size + before + after >= 1, "input of size ", self.sizes(), " is too small to be padded by ", padding,
                ". Calculated output size of dimension ", dim, ": ", size + before + after);
  }
}

/// What kernels cannot count, one dimension after the other.
template <Padding mode>
Tensor pad_by_dimensions(const Tensor& self, IntArrayRef padding) {
  return for_padded_dims<mode>(self, self, padding, [](const Tensor& t, int64_t dim, const auto& positions, int64_t) {
    return resample(t, dim, positions);
  });
}

/// How `self` becomes the padded tensor `out`, innermost dimension of memory first.
template <int spatial>
PaddingParams padding_params(const Tensor& out, const Tensor& self, IntArrayRef padding) {
  PaddingParams params{};
  for (const int64_t d : inner_to_outer(out)) {
    const uint32_t i = params.layout.dims++;
    const int64_t from_last = self.dim() - 1 - d;
    params.layout.sizes[i] = static_cast<uint32_t>(out.size(d));
    params.layout.to[i] = static_cast<int32_t>(out.stride(d));
    params.layout.from[i] = static_cast<int32_t>(self.stride(d));
    params.before[i] = from_last < spatial ? static_cast<int32_t>(padding[2 * from_last]) : 0;
    params.size[i] = static_cast<int32_t>(self.size(d));
  }
  return params;
}

template <Padding mode, int spatial>
Tensor pad(const Tensor& self, IntArrayRef padding) {
  check_padding<mode, spatial>(self, padding);
  at::DimVector sizes(self.sizes());
  for (int i = 0; i < spatial; ++i) sizes[self.dim() - 1 - i] += padding[2 * i] + padding[2 * i + 1];
  if (!fits_32_bits(self) || c10::multiply_integers(sizes) > std::numeric_limits<int32_t>::max()) {
    return pad_by_dimensions<mode>(self, padding);
  }
  const auto format = self.dim() == spatial + 2 ? self.suggest_memory_format() : at::MemoryFormat::Contiguous;
  const Tensor out = at::empty(sizes, self.options().memory_format(format));
  if (out.numel() == 0) return out;
  const PaddingParams params = padding_params<spatial>(out, self, padding);
  const bool pads_x = params.before[0] != 0 || params.size[0] != int32_t(params.layout.sizes[0]) ||
                      params.layout.from[0] != 1;
  const CopyGrid g(params.layout);
  launch_threads(kernel("padding", "pad", {bits_type(self.element_size()), kMode<mode>, pads_x ? "true" : "false"}),
                 g.grid, g.threadgroup, out, self, params);
  return out;
}

template <Padding mode, int spatial>
Tensor& pad_out(const Tensor& self, IntArrayRef padding, Tensor& out) {
  TORCH_CHECK(out.scalar_type() == self.scalar_type(), "Expected out tensor to have dtype ", self.dtype(),
              ", but got ", out.dtype(), " instead");
  const Tensor padded = pad<mode, spatial>(self, padding);
  at::native::resize_output(out, padded.sizes());
  return out.copy_(padded);
}

template <class Meta>
using ReflectBackward = PadBackward<Meta, Padding::reflection>;
template <class Meta>
using ReplicateBackward = PadBackward<Meta, Padding::replication>;

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  namespace meta = at::meta;
#define PAD(mode, spatial)                                                          \
  METAL_IMPL(m, #mode "_pad" #spatial "d", pad<Padding::mode, spatial>);            \
  METAL_IMPL(m, #mode "_pad" #spatial "d.out", pad_out<Padding::mode, spatial>)
  PAD(reflection, 1);
  PAD(reflection, 2);
  PAD(reflection, 3);
  PAD(replication, 1);
  PAD(replication, 2);
  PAD(replication, 3);

  METAL_STRUCTURED_CLASS(m, "reflection_pad1d_backward.grad_input",
                         ReflectBackward<meta::structured_reflection_pad1d_backward>);
  METAL_IMPL(m, "reflection_pad2d_backward", pad_backward<Padding::reflection>);
  METAL_IMPL(m, "reflection_pad2d_backward.grad_input", pad_backward_out<Padding::reflection>);
  METAL_IMPL(m, "reflection_pad3d_backward", pad_backward<Padding::reflection>);
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
