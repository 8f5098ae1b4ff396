// Padding by reflection and replication, in one to three dimensions. PyTorch composes padding with a constant.
#include <ATen/native/Padding.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/reflection_pad1d_backward_meta.h>
#include <ATen/ops/reflection_pad3d_backward_meta.h>
#include <ATen/ops/replication_pad1d_backward_meta.h>

#include <algorithm>
#include <cstdlib>

#include "ops/flip.h"
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

/// Writes `from` to `to`, in reverse order along `dim`. Slices are faster than threads for each of a few elements.
void mirror(const Tensor& to, const Tensor& from, int64_t dim) {
  constexpr int64_t kFew = 16;
  const int64_t size = to.size(dim);
  if (size > kFew) return flip_into(to, from, dim);
  for (int64_t i = 0; i < size; ++i) to.select(dim, i).copy_(from.select(dim, size - 1 - i));
}

/// Fills `before` positions and `after` positions of `out` along `dim` from those between.
template <Padding mode>
void fill_padding(const Tensor& out, int64_t dim, int64_t before, int64_t after) {
  const int64_t end = out.size(dim) - after;
  const Tensor first = out.narrow(dim, 0, before), last = out.narrow(dim, end, after);
  if constexpr (mode == Padding::reflection) {
    mirror(first, out.narrow(dim, before + 1, before), dim);
    mirror(last, out.narrow(dim, end - 1 - after, after), dim);
  } else {
    first.copy_(out.narrow(dim, before, 1).expand_as(first));
    last.copy_(out.narrow(dim, end - 1, 1).expand_as(last));
  }
}

/// One dimension after the other, in the result itself. Nothing is cut off.
template <Padding mode, int spatial>
Tensor pad_in_place(const Tensor& self, IntArrayRef padding) {
  at::DimVector sizes(self.sizes());
  for (int i = 0; i < spatial; ++i) sizes[self.dim() - 1 - i] += padding[2 * i] + padding[2 * i + 1];
  const auto format = self.dim() == spatial + 2 ? self.suggest_memory_format() : at::MemoryFormat::Contiguous;
  const Tensor out = at::empty(sizes, self.options().memory_format(format));
  Tensor parts[spatial + 1];  // parts[i] has the padding of the last i dimensions
  parts[spatial] = out;
  for (int i = spatial; i-- > 0;) {
    const int64_t dim = self.dim() - 1 - i;
    parts[i] = parts[i + 1].narrow(dim, padding[2 * i], self.size(dim));
  }
  parts[0].copy_(self);
  for (int i = 0; i < spatial; ++i) {
    fill_padding<mode>(parts[i + 1], self.dim() - 1 - i, padding[2 * i], padding[2 * i + 1]);
  }
  return out;
}

template <Padding mode, int spatial>
Tensor pad(const Tensor& self, IntArrayRef padding) {
  check_padding<mode, spatial>(self, padding);
  const bool cuts = std::any_of(padding.begin(), padding.end(), [](int64_t count) { return count < 0; });
  if (!cuts) return pad_in_place<mode, spatial>(self, padding);
  return for_padded_dims<mode>(self, self, padding, [](const Tensor& t, int64_t dim, const auto& positions, int64_t) {
    return resample(t, dim, positions);
  });
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
