// Resizing images: nearest neighbour in one to three dimensions, linear and bilinear interpolation. Each dimension is
// resized on its own.
#include <ATen/native/UpSample.h>
#include <ATen/ops/_upsample_nearest_exact1d_backward_meta.h>
#include <ATen/ops/_upsample_nearest_exact1d_meta.h>
#include <ATen/ops/_upsample_nearest_exact2d_backward_meta.h>
#include <ATen/ops/_upsample_nearest_exact2d_meta.h>
#include <ATen/ops/_upsample_nearest_exact3d_backward_meta.h>
#include <ATen/ops/_upsample_nearest_exact3d_meta.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/upsample_bilinear2d_backward_meta.h>
#include <ATen/ops/upsample_bilinear2d_meta.h>
#include <ATen/ops/upsample_linear1d_backward_meta.h>
#include <ATen/ops/upsample_linear1d_meta.h>
#include <ATen/ops/upsample_nearest1d_backward_meta.h>
#include <ATen/ops/upsample_nearest1d_meta.h>
#include <ATen/ops/upsample_nearest2d_backward_meta.h>
#include <ATen/ops/upsample_nearest2d_meta.h>
#include <ATen/ops/upsample_nearest3d_backward_meta.h>
#include <ATen/ops/upsample_nearest3d_meta.h>

#include <array>
#include <cmath>

#include "ops/resample.h"
#include "ops/structured.h"

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

/// Interpolation is computed in float. Input positions on either side of each output position of a dimension, and how
/// much the upper one weighs.
struct Linear {
  std::vector<int64_t> lower, upper;
  std::vector<float> weight;

  Linear(int64_t in, int64_t out, bool align_corners, Scale scale) : lower(out), upper(out), weight(out) {
    const float ratio = at::native::area_pixel_compute_scale<float>(in, out, align_corners, scale);
    for (int64_t i = 0; i < out; ++i) {
      float lower_weight;
      at::native::compute_source_index_and_lambda(lower[i], upper[i], lower_weight, weight[i], ratio, i, in, out,
                                                  align_corners);
    }
  }

  /// Weights of the upper positions, to multiply a tensor of `like`'s dimensions with.
  Tensor weights(const Tensor& like, int64_t dim) const {
    at::DimVector shape(like.dim(), 1);
    shape[dim] = static_cast<int64_t>(weight.size());
    return at::tensor(weight).to(like.device()).view(shape);
  }
};

Tensor resize_linear(const Tensor& input, int64_t dim, const Linear& positions) {
  return resample(input, dim, positions.lower)
      .lerp(resample(input, dim, positions.upper), positions.weights(input, dim));
}

Tensor resize_linear_adjoint(const Tensor& gradient, int64_t dim, const Linear& positions, int64_t size) {
  const Tensor to_upper = gradient * positions.weights(gradient, dim);
  return resample_adjoint(gradient - to_upper, dim, positions.lower, size)
      .add_(resample_adjoint(to_upper, dim, positions.upper, size));
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

struct Linear1d : at::meta::structured_upsample_linear1d {
  void impl(const Tensor& self, IntArrayRef size, bool align_corners, Scale scale, const Tensor& out) {
    out.copy_(resize_linear(self.to(at::kFloat), 2, Linear(self.size(2), size[0], align_corners, scale)));
  }
};
struct Linear1dBackward : at::meta::structured_upsample_linear1d_backward {
  void impl(const Tensor& grad, IntArrayRef size, IntArrayRef input_size, bool align_corners, Scale scale,
            const Tensor& grad_input) {
    const Linear positions(input_size[2], size[0], align_corners, scale);
    grad_input.copy_(resize_linear_adjoint(grad.to(at::kFloat), 2, positions, input_size[2]));
  }
};
struct Bilinear2d : at::meta::structured_upsample_bilinear2d {
  void impl(const Tensor& self, IntArrayRef size, bool align_corners, Scale height, Scale width, const Tensor& out) {
    const Tensor rows = resize_linear(self.to(at::kFloat), 2, Linear(self.size(2), size[0], align_corners, height));
    out.copy_(resize_linear(rows, 3, Linear(self.size(3), size[1], align_corners, width)));
  }
};
struct Bilinear2dBackward : at::meta::structured_upsample_bilinear2d_backward {
  void impl(const Tensor& grad, IntArrayRef size, IntArrayRef input_size, bool align_corners, Scale height, Scale width,
            const Tensor& grad_input) {
    const Linear columns(input_size[3], size[1], align_corners, width);
    const Linear rows(input_size[2], size[0], align_corners, height);
    grad_input.copy_(resize_linear_adjoint(resize_linear_adjoint(grad.to(at::kFloat), 3, columns, input_size[3]), 2,
                                           rows, input_size[2]));
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
  METAL_STRUCTURED_CLASS(m, "upsample_linear1d.out", Linear1d);
  METAL_STRUCTURED_CLASS(m, "upsample_linear1d_backward.grad_input", Linear1dBackward);
  METAL_STRUCTURED_CLASS(m, "upsample_bilinear2d.out", Bilinear2d);
  METAL_STRUCTURED_CLASS(m, "upsample_bilinear2d_backward.grad_input", Bilinear2dBackward);
}

}  // namespace
}  // namespace torch_metal
