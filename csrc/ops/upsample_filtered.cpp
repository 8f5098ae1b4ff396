// Resizing images with filters: linear, cubic and antialiased interpolation, and their gradients.
#include <ATen/ops/_upsample_bicubic2d_aa_backward_meta.h>
#include <ATen/ops/_upsample_bicubic2d_aa_meta.h>
#include <ATen/ops/_upsample_bilinear2d_aa_backward_meta.h>
#include <ATen/ops/_upsample_bilinear2d_aa_meta.h>
#include <ATen/ops/_upsample_lanczos2d_aa_backward_meta.h>
#include <ATen/ops/_upsample_lanczos2d_aa_meta.h>
#include <ATen/ops/upsample_bicubic2d_backward_meta.h>
#include <ATen/ops/upsample_bicubic2d_meta.h>
#include <ATen/ops/upsample_bilinear2d_backward_meta.h>
#include <ATen/ops/upsample_bilinear2d_meta.h>
#include <ATen/ops/upsample_linear1d_backward_meta.h>
#include <ATen/ops/upsample_linear1d_meta.h>
#include <ATen/ops/upsample_trilinear3d_backward_meta.h>
#include <ATen/ops/upsample_trilinear3d_meta.h>

#include "ops/interpolation.h"
#include "ops/structured.h"

namespace torch_metal {
namespace {

using at::IntArrayRef;
using at::Tensor;
using Scale = std::optional<double>;

/// A filter for floating-point images and for bytes.
struct Filter {
  InterpolationMatrix (*of_floats)(const Resizing&);
  InterpolationMatrix (*of_bytes)(const Resizing&);
  bool antialiased;
};
constexpr Filter kLinear{&linear_filter<float>, &linear_filter<double>, false};
constexpr Filter kCubic{&cubic_filter<float>, &cubic_filter<double>, false};
constexpr Filter kAntialiasedLinear{&antialiased_linear_filter<float>, &antialiased_linear_filter<double>, true};
constexpr Filter kAntialiasedCubic{&antialiased_cubic_filter<float>, &antialiased_cubic_filter<double>, true};
constexpr Filter kAntialiasedLanczos{&antialiased_lanczos_filter<float>, &antialiased_lanczos_filter<double>, true};

/// One matrix for each of the last dimensions of an image that becomes another. Where the size does not change,
/// PyTorch's antialiasing filters, and all filters of bytes, leave a dimension as it is, whatever the scale. (The CPU's
/// gradients contradict its own results in this case; ours are those of the results.)
std::vector<InterpolationMatrix> matrices(const Filter& filter, IntArrayRef in, IntArrayRef out, bool align_corners,
                                          std::initializer_list<Scale> scales, bool bytes) {
  std::vector<InterpolationMatrix> result;
  size_t d = in.size() - scales.size();
  for (const Scale& scale : scales) {
    const bool unchanged = in[d] == out[d] && (bytes || filter.antialiased);
    const Scale used = unchanged ? Scale() : scale;
    result.push_back((bytes ? filter.of_bytes : filter.of_floats)({in[d], out[d], align_corners, used}));
    ++d;
  }
  return result;
}

void resize(const Filter& filter, const Tensor& self, bool align_corners, std::initializer_list<Scale> scales,
            const Tensor& out) {
  const bool bytes = self.scalar_type() == at::kByte;
  TORCH_CHECK_NOT_IMPLEMENTED(at::isFloatingType(self.scalar_type()) || (bytes && scales.size() == 2),
                              "interpolation on metal is not implemented for '", self.scalar_type(), "'");
  interpolate(self, matrices(filter, self.sizes(), out.sizes(), align_corners, scales, bytes), out);
}

void resize_backward(const Filter& filter, const Tensor& grad, bool align_corners, std::initializer_list<Scale> scales,
                     const Tensor& grad_input) {
  TORCH_CHECK_NOT_IMPLEMENTED(at::isFloatingType(grad.scalar_type()),
                              "gradients of interpolation on metal are not implemented for '", grad.scalar_type(), "'");
  auto transposed = matrices(filter, grad_input.sizes(), grad.sizes(), align_corners, scales, false);
  for (InterpolationMatrix& matrix : transposed) matrix = matrix.transposed();
  interpolate(grad, std::move(transposed), grad_input);
}

struct Linear1d : at::meta::structured_upsample_linear1d {
  void impl(const Tensor& self, IntArrayRef, bool align_corners, Scale width, const Tensor& out) {
    resize(kLinear, self, align_corners, {width}, out);
  }
};
struct Linear1dBackward : at::meta::structured_upsample_linear1d_backward {
  void impl(const Tensor& grad, IntArrayRef, IntArrayRef, bool align_corners, Scale width, const Tensor& grad_input) {
    resize_backward(kLinear, grad, align_corners, {width}, grad_input);
  }
};

template <class Meta, const Filter& filter>
struct Resize2d : Meta {
  void impl(const Tensor& self, IntArrayRef, bool align_corners, Scale height, Scale width, const Tensor& out) {
    resize(filter, self, align_corners, {height, width}, out);
  }
};
template <class Meta, const Filter& filter>
struct Resize2dBackward : Meta {
  void impl(const Tensor& grad, IntArrayRef, IntArrayRef, bool align_corners, Scale height, Scale width,
            const Tensor& grad_input) {
    resize_backward(filter, grad, align_corners, {height, width}, grad_input);
  }
};

struct Trilinear3d : at::meta::structured_upsample_trilinear3d {
  void impl(const Tensor& self, IntArrayRef, bool align_corners, Scale depth, Scale height, Scale width,
            const Tensor& out) {
    resize(kLinear, self, align_corners, {depth, height, width}, out);
  }
};
struct Trilinear3dBackward : at::meta::structured_upsample_trilinear3d_backward {
  void impl(const Tensor& grad, IntArrayRef, IntArrayRef, bool align_corners, Scale depth, Scale height, Scale width,
            const Tensor& grad_input) {
    resize_backward(kLinear, grad, align_corners, {depth, height, width}, grad_input);
  }
};

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_STRUCTURED_CLASS(m, "upsample_linear1d.out", Linear1d);
  METAL_STRUCTURED_CLASS(m, "upsample_linear1d_backward.grad_input", Linear1dBackward);
#define RESIZE_2D(name, filter)                                                           \
  METAL_STRUCTURED_CLASS(m, #name ".out", Resize2d<at::meta::structured_##name, filter>); \
  METAL_STRUCTURED_CLASS(m, #name "_backward.grad_input",                                 \
                         Resize2dBackward<at::meta::structured_##name##_backward, filter>)
  RESIZE_2D(upsample_bilinear2d, kLinear);
  RESIZE_2D(upsample_bicubic2d, kCubic);
  RESIZE_2D(_upsample_bilinear2d_aa, kAntialiasedLinear);
  RESIZE_2D(_upsample_bicubic2d_aa, kAntialiasedCubic);
  RESIZE_2D(_upsample_lanczos2d_aa, kAntialiasedLanczos);
#undef RESIZE_2D
  METAL_STRUCTURED_CLASS(m, "upsample_trilinear3d.out", Trilinear3d);
  METAL_STRUCTURED_CLASS(m, "upsample_trilinear3d_backward.grad_input", Trilinear3dBackward);
}

}  // namespace
}  // namespace torch_metal
