// Resizing images to their nearest neighbours in one to three dimensions. In the backward pass each dimension is resized
// on its own, and so are images whose sizes floats do not count.
#include <ATen/native/UpSample.h>
#include <ATen/ops/_upsample_nearest_exact1d_backward_meta.h>
#include <ATen/ops/_upsample_nearest_exact1d_meta.h>
#include <ATen/ops/_upsample_nearest_exact2d_backward_meta.h>
#include <ATen/ops/_upsample_nearest_exact2d_meta.h>
#include <ATen/ops/_upsample_nearest_exact3d_backward_meta.h>
#include <ATen/ops/_upsample_nearest_exact3d_meta.h>
#include <ATen/ops/upsample_nearest1d_backward_meta.h>
#include <ATen/ops/upsample_nearest1d_meta.h>
#include <ATen/ops/upsample_nearest2d_backward_meta.h>
#include <ATen/ops/upsample_nearest2d_meta.h>
#include <ATen/ops/upsample_nearest3d_backward_meta.h>
#include <ATen/ops/upsample_nearest3d_meta.h>

#include <algorithm>
#include <array>

#include "nearest_params.h"
#include "ops/copy_layout.h"
#include "ops/resample.h"
#include "ops/structured.h"
#include "ops/volume.h"
#include "runtime/launch.h"

namespace torch_metal {
namespace {

using at::IntArrayRef;
using at::Tensor;
using Scale = std::optional<double>;

enum class Nearest { floor, exact };

/// Input positions of a dimension's nearest neighbours, in float arithmetic as PyTorch does it.
template <Nearest mode>
std::vector<int64_t> nearest_positions(int64_t in, int64_t out, Scale scale) {
  const auto source = mode == Nearest::exact ? at::native::nearest_exact_idx : at::native::nearest_idx;
  std::vector<int64_t> positions(out);
  for (int64_t i = 0; i < out; ++i) positions[i] = source(i, in, out, scale);
  return positions;
}

/// Input positions per output position, as nearest_positions() has them.
template <Nearest mode>
float nearest_scale(int64_t in, int64_t out, Scale scale) {
  if (mode == Nearest::floor && out == in) return 1;
  if (mode == Nearest::floor && out == 2 * in) return 0.5;
  return at::native::compute_scales_value<float>(scale, in, out);
}

/// Resizes all dimensions at once; false, with nothing done, if a float does not count the positions.
template <Nearest mode, size_t spatial>
bool resize_nearest(const Tensor& out, const Tensor& self, const std::array<Scale, spatial>& scales) {
  constexpr int64_t kMostPositions = int64_t{1} << 23, kMostPixels = int64_t{1} << 31;
  const auto as_volumes_of_any = [](const Tensor& t) {
    return spatial == 1 ? as_volumes(t.unsqueeze(2), 2) : as_volumes(t, spatial);
  };
  const Tensor to = as_volumes_of_any(out), from = as_volumes_of_any(self);
  if (to.size(2) * to.size(3) * to.size(4) >= kMostPixels) return false;
  NearestParams params{};
  params.shift = mode == Nearest::exact ? 0.5f : 0.0f;
  params.out_layout = layout_of(to);
  params.in_layout = layout_of(from);
  for (int64_t d = 0; d < 3; ++d) {
    const int64_t in_size = from.size(d + 2), out_size = to.size(d + 2);
    if (std::max(in_size, out_size) > kMostPositions) return false;
    const int64_t k = d - (3 - static_cast<int64_t>(spatial));  // of the spatial dimensions
    params.scale[d] = k >= 0 ? nearest_scale<mode>(in_size, out_size, scales[k]) : 1;
    params.out[d] = Divisor::of(static_cast<uint32_t>(out_size));
    params.last[d] = static_cast<uint32_t>(in_size - 1);
  }
  const bool channels_last = have_channels_last(from, to);
  const Extent grid = elements_of(to, channels_last);
  const Kernel& k = kernel("nearest", "nearest", {bits_type(self.element_size()), channels_last ? "true" : "false"});
  launch_threads(k, grid, threadgroup_of_elements(grid, channels_last), out, self, params);
  return true;
}

/// The k-th of `count` spatial dimensions of a tensor.
int64_t spatial_dim(const Tensor& tensor, size_t k, size_t count) {
  return tensor.dim() - static_cast<int64_t>(count) + static_cast<int64_t>(k);
}

template <class Meta, Nearest mode>
struct ResizeNearest : Meta {
  template <class... Scales>
  void run(const Tensor& self, IntArrayRef output_size, const Tensor& out, Scales... scales) {
    const std::array<Scale, sizeof...(Scales)> given{scales...};
    if (out.numel() == 0 || resize_nearest<mode>(out, self, given)) return;
    Tensor result = self;
    for (size_t k = 0; k < given.size(); ++k) {
      const int64_t dim = spatial_dim(self, k, given.size());
      result = resample(result, dim, nearest_positions<mode>(self.size(dim), output_size[k], given[k]));
    }
    out.copy_(result);
  }
  template <class... Scales>
  void run_backward(const Tensor& grad_output, IntArrayRef input_size, const Tensor& grad_input, Scales... scales) {
    const std::array<Scale, sizeof...(Scales)> given{scales...};
    Tensor result = grad_output;
    for (size_t k = 0; k < given.size(); ++k) {
      const int64_t dim = spatial_dim(grad_output, k, given.size());
      const auto positions = nearest_positions<mode>(input_size[dim], grad_output.size(dim), given[k]);
      result = resample_adjoint(result, dim, positions, input_size[dim]);
    }
    grad_input.copy_(result);
  }
};

template <class Meta, Nearest mode>
struct Nearest1d : ResizeNearest<Meta, mode> {
  void impl(const Tensor& self, IntArrayRef size, Scale scale, const Tensor& out) { this->run(self, size, out, scale); }
};
template <class Meta, Nearest mode>
struct Nearest2d : ResizeNearest<Meta, mode> {
  void impl(const Tensor& self, IntArrayRef size, Scale height, Scale width, const Tensor& out) {
    this->run(self, size, out, height, width);
  }
};
template <class Meta, Nearest mode>
struct Nearest3d : ResizeNearest<Meta, mode> {
  void impl(const Tensor& self, IntArrayRef size, Scale depth, Scale height, Scale width, const Tensor& out) {
    this->run(self, size, out, depth, height, width);
  }
};
template <class Meta, Nearest mode>
struct Nearest1dBackward : ResizeNearest<Meta, mode> {
  void impl(const Tensor& grad, IntArrayRef, IntArrayRef input_size, Scale scale, const Tensor& grad_input) {
    this->run_backward(grad, input_size, grad_input, scale);
  }
};
template <class Meta, Nearest mode>
struct Nearest2dBackward : ResizeNearest<Meta, mode> {
  void impl(const Tensor& grad, IntArrayRef, IntArrayRef input_size, Scale height, Scale width,
            const Tensor& grad_input) {
    this->run_backward(grad, input_size, grad_input, height, width);
  }
};
template <class Meta, Nearest mode>
struct Nearest3dBackward : ResizeNearest<Meta, mode> {
  void impl(const Tensor& grad, IntArrayRef, IntArrayRef input_size, Scale depth, Scale height, Scale width,
            const Tensor& grad_input) {
    this->run_backward(grad, input_size, grad_input, depth, height, width);
  }
};

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  namespace meta = at::meta;
#define NEAREST(n)                                                                                               \
  METAL_STRUCTURED_CLASS(m, "upsample_nearest" #n ".out",                                                        \
                         Nearest##n<meta::structured_upsample_nearest##n, Nearest::floor>);                      \
  METAL_STRUCTURED_CLASS(m, "_upsample_nearest_exact" #n ".out",                                                 \
                         Nearest##n<meta::structured__upsample_nearest_exact##n, Nearest::exact>);               \
  METAL_STRUCTURED_CLASS(m, "upsample_nearest" #n "_backward.grad_input",                                        \
                         Nearest##n##Backward<meta::structured_upsample_nearest##n##_backward, Nearest::floor>); \
  METAL_STRUCTURED_CLASS(m, "_upsample_nearest_exact" #n "_backward.grad_input",                                 \
                         Nearest##n##Backward<meta::structured__upsample_nearest_exact##n##_backward, Nearest::exact>)
  NEAREST(1d);
  NEAREST(2d);
  NEAREST(3d);
#undef NEAREST
}

}  // namespace
}  // namespace torch_metal
