// Max and average pooling over windows that slide or that split the input evenly (adaptive), in 2 and 3 dimensions.
// PyTorch makes one-dimensional pooling of them.
#include <ATen/native/AdaptivePooling.h>
#include <ATen/native/Pool.h>
#include <ATen/ops/adaptive_max_pool2d_backward_meta.h>
#include <ATen/ops/adaptive_max_pool2d_meta.h>
#include <ATen/ops/adaptive_max_pool3d_backward_meta.h>
#include <ATen/ops/adaptive_max_pool3d_meta.h>
#include <ATen/ops/avg_pool2d_backward_meta.h>
#include <ATen/ops/avg_pool2d_meta.h>
#include <ATen/ops/avg_pool3d_backward_meta.h>
#include <ATen/ops/avg_pool3d_meta.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/max_pool2d_with_indices_backward_meta.h>
#include <ATen/ops/max_pool2d_with_indices_meta.h>

#include <limits>

#include "ops/indexing.h"
#include "ops/pooling.h"
#include "ops/structured.h"
#include "ops/volume.h"
#include "pooling_params.h"
#include "runtime/launch.h"

namespace torch_metal {

using at::IntArrayRef;
using at::Tensor;

PoolingParams adaptive_windows(const Tensor& in, const Tensor& out) {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  PoolingParams params{};
  int64_t in_pixels = 1, out_pixels = 1;
  for (int d = 0; d < 3; ++d) {
    const int64_t in_size = in.size(d + 2), out_size = out.size(d + 2);
    in_pixels *= in_size;
    out_pixels *= out_size;
    TORCH_CHECK_NOT_IMPLEMENTED(std::max(in_pixels, out_pixels) < kMost,
                                "pooling on metal: images of 2^31 pixels or more are not implemented");
    params.wide |= (in_size + 1) * (out_size + 1) > kMost;
    params.in[d] = Divisor::of(static_cast<uint32_t>(in_size));
    params.out[d] = Divisor::of(static_cast<uint32_t>(out_size));
  }
  params.in_layout = layout_of(in);
  params.out_layout = layout_of(out);
  params.adaptive = true;
  return params;
}

namespace {

/// One value stands for all dimensions; none stands for `otherwise`.
int64_t value_at(IntArrayRef values, int d, int64_t otherwise) {
  if (values.empty()) return otherwise;
  return values.size() == 1 ? values[0] : values[d];
}

/// Parameters for windows that slide. Where there are two spatial dimensions, depth is a window of 1.
PoolingParams sliding_windows(const Tensor& in, const Tensor& out, int64_t spatial, IntArrayRef window,
                              IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation) {
  PoolingParams params = adaptive_windows(in, out);
  params.adaptive = false;
  for (int d = 0; d < 3; ++d) {
    params.window[d] = params.dilation[d] = 1;
    params.stride[d] = Divisor::of(1);
  }
  for (int i = 0; i < spatial; ++i) {
    const int d = static_cast<int>(3 - spatial) + i;
    params.window[d] = static_cast<int32_t>(value_at(window, i, 1));
    params.stride[d] = Divisor::of(static_cast<uint32_t>(value_at(stride, i, params.window[d])));
    params.padding[d] = static_cast<int32_t>(value_at(padding, i, 0));
    params.dilation[d] = static_cast<int32_t>(value_at(dilation, i, 1));
  }
  return params;
}

/// One thread an element of `volumes`, along the channels if these are last in all tensors.
template <class... Arguments>
void launch_pooling(std::string_view function, const Tensor& volumes, bool channels_last,
                    const Arguments&... arguments) {
  const Extent grid = elements_of(volumes, channels_last);
  launch_threads(kernel("pooling", function, {metal_type(volumes.scalar_type()), channels_last ? "true" : "false"}),
                 grid, threadgroup_of_elements(grid, channels_last), arguments...);
}

/// The spatial dimensions of pooling and how its windows lie: given to the functions below by every operator.
struct Windows {
  int64_t spatial;
  bool adaptive = true;
  IntArrayRef window{}, stride{}, padding{}, dilation{};

  PoolingParams params(const Tensor& in, const Tensor& out) const {
    return adaptive ? adaptive_windows(in, out) : sliding_windows(in, out, spatial, window, stride, padding, dilation);
  }
};

void max_pool(const Tensor& in, const Windows& windows, const Tensor& out, const Tensor& indices) {
  if (out.numel() == 0) return;
  const Tensor from = as_volumes(in, windows.spatial), to = as_volumes(out, windows.spatial);
  const Tensor chosen = as_volumes(indices, windows.spatial);
  PoolingParams params = windows.params(from, to);
  params.index_layout = layout_of(chosen);
  launch_pooling("max_pool", to, have_channels_last(from, to, chosen), out, indices, in, params);
}

/// Whether an input element may be in several windows.
bool overlap(const PoolingParams& params) {
  for (int d = 0; d < 3; ++d) {
    const uint64_t window = uint64_t(params.window[d] - 1) * params.dilation[d] + 1;
    if (params.adaptive ? params.in[d].value % params.out[d].value != 0 : params.stride[d].value < window) return true;
  }
  return false;
}

/// Whether the pixels of each plane are in order.
bool has_dense_planes(const Tensor& volumes) {
  return volumes.stride(4) == 1 && volumes.stride(3) == volumes.size(4) &&
         volumes.stride(2) == volumes.size(3) * volumes.size(4);
}

/// Adds each gradient to the pixel that it chose, in order: planes share none.
void add_to_chosen(const Tensor& grad_out, const Tensor& indices, const Tensor& grad_in) {
  const auto planes = [](const Tensor& volumes) { return volumes.reshape({volumes.size(0), volumes.size(1), -1}); };
  const Tensor sums = planes(grad_in), values = planes(grad_out), chosen = planes(indices);
  const int64_t pixels = sums.size(2), bytes = sums.stride(2) * sums.element_size();
  index_accumulate(index_iterator(without_stride(sums, 2, chosen.size(2)), values, chosen),
                   {pixels, bytes, /*wrap=*/false, /*first=*/2}, at::native::ReductionType::SUM);
  if (!sums.is_alias_of(grad_in)) grad_in.copy_(sums.view(grad_in.sizes()));
}

void max_pool_backward(const Tensor& grad_out, const Tensor& indices, const Windows& windows, const Tensor& grad_in) {
  grad_in.zero_();
  if (grad_out.numel() == 0) return;
  const Tensor from = as_volumes(grad_out, windows.spatial), to = as_volumes(grad_in, windows.spatial);
  const Tensor chosen = as_volumes(indices, windows.spatial);
  PoolingParams params = windows.params(to, from);
  if (overlap(params)) return add_to_chosen(from, chosen, to);
  params.index_layout = layout_of(chosen);
  const bool dense = has_dense_planes(from) && has_dense_planes(to) && has_dense_planes(chosen);
  launch_threads(kernel("pooling", "max_pool_scatter", {metal_type(grad_in.scalar_type()), dense ? "true" : "false"}),
                 elements_of(from), {64}, grad_in, grad_out, indices, params);
}

/// How an average counts what it is divided by.
struct Counting {
  bool padding = false;
  std::optional<int64_t> divisor{};

  void apply(PoolingParams& params) const {
    params.count_padding = padding;
    params.divisor = static_cast<int32_t>(divisor.value_or(0));
  }
};

/// As on the CPU, sliding windows average int64 too.
void check_dtype(const Tensor& tensor, const Windows& windows) {
  const auto dtype = tensor.scalar_type();
  TORCH_CHECK_NOT_IMPLEMENTED(at::isFloatingType(dtype) || (dtype == at::kLong && !windows.adaptive),
                              "average pooling on metal is not implemented for ", dtype);
}

void average_pool(const Tensor& in, const Windows& windows, const Counting& counting, const Tensor& out) {
  check_dtype(in, windows);
  if (out.numel() == 0) return;
  const Tensor from = as_volumes(in, windows.spatial), to = as_volumes(out, windows.spatial);
  PoolingParams params = windows.params(from, to);
  counting.apply(params);
  launch_pooling("average_pool", to, have_channels_last(from, to), out, in, params);
}

void average_pool_backward(const Tensor& grad_out, const Windows& windows, const Counting& counting,
                           const Tensor& grad_in) {
  check_dtype(grad_out, windows);
  if (grad_in.numel() == 0) return;
  const Tensor from = as_volumes(grad_out, windows.spatial), to = as_volumes(grad_in, windows.spatial);
  PoolingParams params = windows.params(to, from);
  counting.apply(params);
  launch_pooling("average_pool_backward", to, have_channels_last(from, to), grad_in, grad_out, params);
}

// Sliding windows.

struct MaxPool2d : at::meta::structured_max_pool2d_with_indices {
  void impl(const Tensor& self, IntArrayRef window, IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation,
            bool ceil_mode, const Tensor& out, const Tensor& indices) {
    max_pool(self, {2, false, window, stride, padding, dilation}, out, indices);
  }
};

struct MaxPool2dBackward : at::meta::structured_max_pool2d_with_indices_backward {
  void impl(const Tensor& grad_output, const Tensor& self, IntArrayRef window, IntArrayRef stride, IntArrayRef padding,
            IntArrayRef dilation, bool ceil_mode, const Tensor& indices, const Tensor& grad_input) {
    max_pool_backward(grad_output, indices, {2, false, window, stride, padding, dilation}, grad_input);
  }
};

struct AvgPool2d : at::meta::structured_avg_pool2d {
  void impl(const meta_return_ty&, const Tensor& self, IntArrayRef window, IntArrayRef stride, IntArrayRef padding,
            bool ceil_mode, bool count_include_pad, std::optional<int64_t> divisor_override, const Tensor& out) {
    average_pool(self, {2, false, window, stride, padding, {}}, {count_include_pad, divisor_override}, out);
  }
};

struct AvgPool2dBackward : at::meta::structured_avg_pool2d_backward {
  void impl(const Tensor& grad_output, const Tensor& self, IntArrayRef window, IntArrayRef stride, IntArrayRef padding,
            bool ceil_mode, bool count_include_pad, std::optional<int64_t> divisor_override, const Tensor& grad_input) {
    average_pool_backward(grad_output, {2, false, window, stride, padding, {}}, {count_include_pad, divisor_override},
                          grad_input);
  }
};

struct AvgPool3d : at::meta::structured_avg_pool3d {
  void impl(const Tensor& self, IntArrayRef window, IntArrayRef stride, IntArrayRef padding, bool ceil_mode,
            bool count_include_pad, std::optional<int64_t> divisor_override, const Tensor& out) {
    average_pool(self, {3, false, window, stride, padding, {}}, {count_include_pad, divisor_override}, out);
  }
};

struct AvgPool3dBackward : at::meta::structured_avg_pool3d_backward {
  void impl(const Tensor& grad_output, const Tensor& self, IntArrayRef window, IntArrayRef stride, IntArrayRef padding,
            bool ceil_mode, bool count_include_pad, std::optional<int64_t> divisor_override, const Tensor& grad_input) {
    average_pool_backward(grad_output, {3, false, window, stride, padding, {}}, {count_include_pad, divisor_override},
                          grad_input);
  }
};

/// Max pooling in three dimensions is not structured: sizes and checks are ours to make.
std::tuple<Tensor&, Tensor&> max_pool3d_out(const Tensor& self, IntArrayRef window, IntArrayRef stride,
                                            IntArrayRef padding, IntArrayRef dilation, bool ceil_mode, Tensor& out,
                                            Tensor& indices) {
  int64_t k[3], s[3], p[3], dil[3], sizes[3];
  for (int d = 0; d < 3; ++d) {
    k[d] = value_at(window, d, 1);
    s[d] = value_at(stride, d, k[d]);
    p[d] = value_at(padding, d, 0);
    dil[d] = value_at(dilation, d, 1);
    sizes[d] = at::native::pooling_output_shape<int64_t>(self.size(d - 3), k[d], p[d], s[d], dil[d], ceil_mode);
  }
  at::native::pool3d_shape_check(self, self.size(-4), k[0], k[1], k[2], s[0], s[1], s[2], p[0], p[1], p[2], dil[0],
                                 dil[1], dil[2], self.size(-3), self.size(-2), self.size(-1), sizes[0], sizes[1],
                                 sizes[2], "max_pool3d_with_indices_out_metal()");
  at::DimVector shape(self.sizes().slice(0, self.dim() - 3));
  shape.append(std::begin(sizes), std::end(sizes));
  const at::MemoryFormat format = self.suggest_memory_format();
  at::native::resize_output(out, shape);
  at::native::resize_output(indices, shape);
  if (self.dim() == 5 && format != at::MemoryFormat::Contiguous) {
    out.unsafeGetTensorImpl()->empty_tensor_restride(format);
    indices.unsafeGetTensorImpl()->empty_tensor_restride(format);
  }
  max_pool(self, {3, false, window, stride, padding, dilation}, out, indices);
  return {out, indices};
}

std::tuple<Tensor, Tensor> max_pool3d(const Tensor& self, IntArrayRef window, IntArrayRef stride, IntArrayRef padding,
                                      IntArrayRef dilation, bool ceil_mode) {
  Tensor out = at::empty({0}, self.options()), indices = at::empty({0}, self.options().dtype(at::kLong));
  max_pool3d_out(self, window, stride, padding, dilation, ceil_mode, out, indices);
  return {out, indices};
}

Tensor& max_pool3d_backward_out(const Tensor& grad_output, const Tensor& self, IntArrayRef window, IntArrayRef stride,
                                IntArrayRef padding, IntArrayRef dilation, bool ceil_mode, const Tensor& indices,
                                Tensor& grad_input) {
  at::native::resize_output(grad_input, self.sizes());
  max_pool_backward(grad_output, indices, {3, false, window, stride, padding, dilation}, grad_input);
  return grad_input;
}

Tensor max_pool3d_backward(const Tensor& grad_output, const Tensor& self, IntArrayRef window, IntArrayRef stride,
                           IntArrayRef padding, IntArrayRef dilation, bool ceil_mode, const Tensor& indices) {
  Tensor grad_input = at::empty_like(self);
  max_pool_backward(grad_output, indices, {3, false, window, stride, padding, dilation}, grad_input);
  return grad_input;
}

// Adaptive windows.

struct AdaptiveMaxPool2d : at::meta::structured_adaptive_max_pool2d {
  void impl(const Tensor& self, IntArrayRef, const Tensor& out, const Tensor& indices) {
    max_pool(self, {2}, out, indices);
  }
};
struct AdaptiveMaxPool3d : at::meta::structured_adaptive_max_pool3d {
  void impl(const Tensor& self, IntArrayRef, const Tensor& out, const Tensor& indices) {
    max_pool(self, {3}, out, indices);
  }
};
struct AdaptiveMaxPool2dBackward : at::meta::structured_adaptive_max_pool2d_backward {
  void impl(const Tensor& grad_output, const Tensor&, const Tensor& indices, const Tensor& grad_input) {
    max_pool_backward(grad_output, indices, {2}, grad_input);
  }
};
struct AdaptiveMaxPool3dBackward : at::meta::structured_adaptive_max_pool3d_backward {
  void impl(const Tensor& grad_output, const Tensor&, const Tensor& indices, const Tensor& grad_input) {
    max_pool_backward(grad_output, indices, {3}, grad_input);
  }
};

template <int64_t spatial>
Tensor& adaptive_avg_pool_out(const Tensor& self, IntArrayRef output_size, Tensor& out) {
  TORCH_CHECK(output_size.size() == spatial, "adaptive_avg_pool", spatial, "d: output_size must be ", spatial);
  TORCH_CHECK(self.dim() == spatial + 1 || self.dim() == spatial + 2, "adaptive_avg_pool", spatial, "d(): Expected ",
              spatial + 1, "D or ", spatial + 2, "D tensor, but got ", self.sizes());
  for (int64_t d = -spatial; d < 0; ++d) {
    TORCH_CHECK(self.size(d) > 0, "adaptive_avg_pool", spatial,
                "d(): Expected input to have non-zero size for "
                "non-batch dimensions, but input has sizes ",
                self.sizes(), " with dimension ", d + self.dim(), " being empty");
  }
  TORCH_CHECK(self.dtype() == out.dtype(), "expected dtype ", self.dtype(), " for `output` but got dtype ",
              out.dtype());
  at::DimVector shape(self.sizes().slice(0, self.dim() - spatial));
  shape.append(output_size.begin(), output_size.end());
  const bool resized = at::native::resize_output(out, shape);
  if (resized && self.dim() == spatial + 2) {
    out.unsafeGetTensorImpl()->empty_tensor_restride(self.suggest_memory_format());
  }
  average_pool(self, {spatial}, {}, out);
  return out;
}

template <int64_t spatial>
Tensor adaptive_avg_pool(const Tensor& self, IntArrayRef output_size) {
  Tensor out = at::empty({0}, self.options());
  return adaptive_avg_pool_out<spatial>(self, output_size, out);
}

template <int64_t spatial>
Tensor adaptive_avg_pool_backward(const Tensor& grad_output, const Tensor& self) {
  at::native::adaptive_pool_empty_output_check(grad_output, "adaptive_avg_pool_backward");
  TORCH_CHECK(grad_output.dim() == self.dim() && grad_output.dtype() == self.dtype(),
              "adaptive_avg_pool_backward: grad_output must have the dimensions and dtype of the input");
  Tensor grad_input = at::empty_like(self);
  average_pool_backward(grad_output, {spatial}, {}, grad_input);
  return grad_input;
}

Tensor& adaptive_avg_pool3d_backward_out(const Tensor& grad_output, const Tensor& self, Tensor& grad_input) {
  at::native::resize_output(grad_input, self.sizes());
  average_pool_backward(grad_output, {3}, {}, grad_input);
  return grad_input;
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_STRUCTURED_CLASS(m, "max_pool2d_with_indices.out", MaxPool2d);
  METAL_STRUCTURED_CLASS(m, "max_pool2d_with_indices_backward.grad_input", MaxPool2dBackward);
  METAL_IMPL(m, "max_pool3d_with_indices", max_pool3d);
  METAL_IMPL(m, "max_pool3d_with_indices.out", max_pool3d_out);
  METAL_IMPL(m, "max_pool3d_with_indices_backward", max_pool3d_backward);
  METAL_IMPL(m, "max_pool3d_with_indices_backward.grad_input", max_pool3d_backward_out);
  METAL_STRUCTURED_CLASS(m, "avg_pool2d.out", AvgPool2d);
  METAL_STRUCTURED_CLASS(m, "avg_pool2d_backward.grad_input", AvgPool2dBackward);
  METAL_STRUCTURED_CLASS(m, "avg_pool3d.out", AvgPool3d);
  METAL_STRUCTURED_CLASS(m, "avg_pool3d_backward.grad_input", AvgPool3dBackward);
  METAL_STRUCTURED_CLASS(m, "adaptive_max_pool2d.out", AdaptiveMaxPool2d);
  METAL_STRUCTURED_CLASS(m, "adaptive_max_pool2d_backward.grad_input", AdaptiveMaxPool2dBackward);
  METAL_STRUCTURED_CLASS(m, "adaptive_max_pool3d.out", AdaptiveMaxPool3d);
  METAL_STRUCTURED_CLASS(m, "adaptive_max_pool3d_backward.grad_input", AdaptiveMaxPool3dBackward);
  METAL_IMPL(m, "_adaptive_avg_pool2d", adaptive_avg_pool<2>);
  METAL_IMPL(m, "adaptive_avg_pool2d.out", adaptive_avg_pool_out<2>);
  METAL_IMPL(m, "_adaptive_avg_pool2d_backward", adaptive_avg_pool_backward<2>);
  METAL_IMPL(m, "_adaptive_avg_pool3d", adaptive_avg_pool<3>);
  METAL_IMPL(m, "adaptive_avg_pool3d.out", adaptive_avg_pool_out<3>);
  METAL_IMPL(m, "_adaptive_avg_pool3d_backward", adaptive_avg_pool_backward<3>);
  METAL_IMPL(m, "adaptive_avg_pool3d_backward.grad_input", adaptive_avg_pool3d_backward_out);
}

}  // namespace
}  // namespace torch_metal
