// Convolution and its gradients in 1, 2 and 3 dimensions: grouped, dilated, padded, transposed. PyTorch checks the
// arguments and hands them to the two overrideable operators.
#include <ATen/ceil_div.h>
#include <ATen/native/ConvUtils.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <array>
#include <limits>
#include <numeric>

#include "convolution_params.h"
#include "ops/convolution_graph.h"
#include "ops/depthwise_convolution.h"
#include "ops/gemm_tile.h"
#include "ops/registration.h"
#include "runtime/launch.h"

namespace torch_metal {
namespace {

/// Groups of fewer channels would leave most of a tile empty. Tiles hold floats, integers have none either.
constexpr uint32_t kTiledChannels = 8;

int32_t narrow(int64_t value) {
  TORCH_CHECK_NOT_IMPLEMENTED(std::abs(value) <= std::numeric_limits<int32_t>::max(),
                              "convolution on metal: a size or stride of ", value, " is beyond 32 bits");
  return static_cast<int32_t>(value);
}

/// Whether kernels run along the channels of `seen` rather than along its pixels.
bool is_channels_last(const at::Tensor& seen) { return seen.stride(1) == 1 && seen.stride(-1) != 1; }

/// `seen` as a matrix of its channels by the pixels of a grid, one tap looking straight at each pixel.
PatchGeometry identity_patches(const at::Tensor& seen, int64_t groups) {
  const Size3 sizes = innermost_3(seen.sizes().slice(2), 1);
  const Size3 strides = innermost_3(seen.strides().slice(2), 0);
  PatchGeometry patches{};
  for (int d = 0; d < 3; ++d) {
    patches.pixels[d] = Divisor::of(narrow(sizes[d]));
    patches.taps[d] = Divisor::of(1);
    patches.pixel_step[d] = patches.tap_step[d] = 1;
    patches.size[d] = narrow(sizes[d]);
    patches.stride[d] = strides[d];
  }
  patches.batch_stride = seen.stride(0);
  patches.channel_stride = seen.stride(1);
  patches.rows = narrow(seen.size(1) / groups);
  patches.channels = Divisor::of(patches.rows);
  patches.columns = narrow(seen.size(0) * sizes[0] * sizes[1] * sizes[2]);
  patches.single_tap = true;
  patches.channels_last = is_channels_last(seen);
  return patches;
}

/// Whether there is one tap, and it sees something from every pixel.
bool has_single_tap(const PatchGeometry& patches) {
  for (int d = 0; d < 3; ++d) {
    const int64_t last = int64_t(patches.pixels[d].value - 1) * patches.pixel_step[d] + patches.offset[d];
    if (patches.taps[d].value != 1 || patches.offset[d] < 0 || last >= patches.size[d]) return false;
  }
  return true;
}

/// What the kernel sees of `seen` from each pixel of `grid`, a tensor with the sizes of the convolution's output.
PatchGeometry convolution_patches(const at::Tensor& seen, const at::Tensor& grid, const ConvolutionGeometry& geometry) {
  PatchGeometry patches = identity_patches(seen, geometry.groups);
  patches.columns = identity_patches(grid, 1).columns;
  const Size3 pixels = innermost_3(grid.sizes().slice(2), 1);
  for (int d = 0; d < 3; ++d) {
    patches.pixels[d] = Divisor::of(narrow(pixels[d]));
    patches.taps[d] = Divisor::of(narrow(geometry.kernel[d]));
    patches.rows = narrow(patches.rows * geometry.kernel[d]);
    patches.pixel_step[d] = narrow(geometry.stride[d]);
    patches.offset[d] = narrow(-geometry.padding[d]);
    patches.tap_step[d] = narrow(geometry.dilation[d]);
  }
  patches.single_tap = has_single_tap(patches);
  return patches;
}

/// The format in which a weight's rows are numbered as those of `patches`.
at::Tensor in_order_of(const PatchGeometry& patches, const at::Tensor& weight) {
  if (!patches.channels_last) return weight.contiguous();
  return weight.movedim(1, -1).contiguous();
}

/// out = weight x patches + bias for each group; weight is [channels of out, channels of a group, kernel...].
void convolve(const at::Tensor& out, const at::Tensor& in, const at::Tensor& weight,
              const std::optional<at::Tensor>& bias, const PatchGeometry& patches, int64_t groups) {
  if (out.numel() == 0) return;
  const bool has_bias = bias && bias->defined();
  const Size3 out_strides = innermost_3(out.strides().slice(2), 0);
  const ConvolutionParams params{patches,
                                 {out.stride(0), out.stride(1), {out_strides[0], out_strides[1], out_strides[2]}},
                                 static_cast<uint32_t>(in.size(1) / groups),
                                 static_cast<uint32_t>(out.size(1) / groups),
                                 static_cast<uint32_t>(groups),
                                 has_bias};
  if (params.in_channels == 1 && groups > 1 && convolve_depthwise(out, in, weight, bias, params)) return;
  const at::Tensor matrix = in_order_of(patches, weight);
  const at::Tensor bias_vector = has_bias ? bias->contiguous() : matrix;
  const std::string_view type = metal_type(out.scalar_type());
  const uint64_t channels = params.out_channels, pixels = patches.columns;
  if (channels < kTiledChannels || at::isIntegralType(out.scalar_type(), false)) {
    launch_threads(kernel("convolution", "convolve_each", {type}), {pixels, channels, static_cast<uint64_t>(groups)},
                   {64}, out, in, matrix, bias_vector, params);
  } else {
    const GemmTile& tile = gemm_tile(out.scalar_type(), channels, pixels, groups);
    launch_groups(kernel("convolution", "convolve", {type, tile.name}),
                  {at::ceil_div(pixels, tile.columns), at::ceil_div(channels, tile.rows), uint64_t(groups)},
                  {tile.threads}, out, in, matrix, bias_vector, params);
  }
}

/// Sum over pixels of gradient x patches, as a tensor like `weight` [channels of gradient, channels of seen,
/// kernel...].
at::Tensor weight_gradient(const at::Tensor& gradient, const at::Tensor& seen, const at::Tensor& weight,
                           const ConvolutionGeometry& geometry) {
  if (gradient.numel() == 0 || seen.numel() == 0) return at::zeros_like(weight, at::MemoryFormat::Contiguous);
  const uint64_t groups = geometry.groups;
  WeightGradientParams params{convolution_patches(seen, gradient, geometry),
                              identity_patches(gradient, geometry.groups),
                              static_cast<uint32_t>(seen.size(1) / groups),
                              static_cast<uint32_t>(gradient.size(1) / groups),
                              static_cast<uint32_t>(groups),
                              0};
  const uint64_t pixels = params.patches.columns;
  const uint64_t channels = params.out_channels, taps = params.patches.rows;
  const bool tiled = channels >= kTiledChannels;
  const GemmTile each{"", 1, 1, 32};
  const GemmTile& tile = tiled ? gemm_tile(gradient.scalar_type(), channels, taps, groups) : each;
  const uint64_t rows = at::ceil_div(channels, tile.rows), columns = at::ceil_div(taps, tile.columns);
  // Weights are small, images are many: splits of the pixels keep the device busy, and are added up afterwards.
  const uint64_t splits = std::clamp<uint64_t>(64 / (rows * columns * groups), 1, at::ceil_div<uint64_t>(pixels, 512));
  params.split_size = at::ceil_div(at::ceil_div(pixels, splits), uint64_t(32)) * 32;

  at::DimVector sizes{static_cast<int64_t>(splits), weight.size(0)};
  for (int64_t d = 1; d < weight.dim(); ++d) sizes.push_back(weight.size(d));
  if (params.patches.channels_last) std::rotate(sizes.begin() + 2, sizes.begin() + 3, sizes.end());
  at::Tensor sums = at::empty(sizes, weight.options().dtype(at::kFloat));
  const std::string_view type = metal_type(gradient.scalar_type());
  const Kernel& product = tiled ? kernel("convolution", "weight_gradient", {type, tile.name})
                                : kernel("convolution", "weight_gradient_each", {type});
  launch_groups(product, {columns, rows, groups * splits}, {tile.threads}, sums, gradient, seen, params);
  const at::Tensor sum = (splits == 1 ? sums.select(0, 0) : sums.sum(0)).to(weight.scalar_type());
  return params.patches.channels_last ? sum.movedim(-1, 1) : sum;
}

/// A weight as the adjoint needs it: channels of the two sides exchanged within each group.
at::Tensor exchange_channels(const at::Tensor& weight, int64_t groups) {
  const at::Tensor split = weight.unflatten(0, {groups, weight.size(0) / groups});
  return split.transpose(1, 2).flatten(0, 1);
}

/// In one dimension, what of the adjoint concerns each stride-th pixel of the larger side from `first` on: a convolution
/// of stride 1, with each `tap_stride`-th tap of the kernel from `first_tap` on.
struct AdjointClass {
  int64_t pixels, taps, first_tap, tap_stride, offset, tap_step;

  AdjointClass(int64_t size, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation, int64_t first)
      : pixels(at::ceil_div(size - first, stride)), taps(0), first_tap(0), offset(0) {
    const int64_t common = std::gcd(stride, dilation);
    tap_stride = stride / common;
    tap_step = -(dilation / common);
    while (first_tap < std::min(tap_stride, kernel) && (first + padding - first_tap * dilation) % stride != 0) {
      ++first_tap;
    }
    if (first_tap == std::min(tap_stride, kernel)) return;
    taps = at::ceil_div(kernel - first_tap, tap_stride);
    offset = (first + padding - first_tap * dilation) / stride;
  }
};

/// The adjoint of a convolution with `weight` [channels of in, channels of a group of out, kernel...]: `out` has the
/// sizes of the convolution's input. One convolution for each class of pixels, on views.
void convolve_adjoint(const at::Tensor& out, const at::Tensor& in, const at::Tensor& weight,
                      const std::optional<at::Tensor>& bias, const ConvolutionGeometry& geometry) {
  const at::Tensor exchanged = exchange_channels(weight, geometry.groups);
  const Size3 sizes = innermost_3(out.sizes().slice(2), 1);
  const int64_t dims = out.dim() - 2;
  Size3 first{};
  for (first[0] = 0; first[0] < std::min(geometry.stride[0], sizes[0]); ++first[0]) {
    for (first[1] = 0; first[1] < std::min(geometry.stride[1], sizes[1]); ++first[1]) {
      for (first[2] = 0; first[2] < std::min(geometry.stride[2], sizes[2]); ++first[2]) {
        at::Tensor part = out, taps = exchanged;
        PatchGeometry patches = identity_patches(in, geometry.groups);
        for (int64_t d = 0; d < 3; ++d) {
          const AdjointClass own(sizes[d], geometry.kernel[d], geometry.stride[d], geometry.padding[d],
                                 geometry.dilation[d], first[d]);
          patches.pixels[d] = Divisor::of(narrow(own.pixels));
          patches.taps[d] = Divisor::of(std::max(narrow(own.taps), 1));
          patches.rows = narrow(patches.rows * own.taps);
          patches.offset[d] = narrow(own.offset);
          patches.tap_step[d] = narrow(own.tap_step);
          const int64_t dim = d - 3 + dims + 2;
          if (dim < 2) continue;
          part = part.slice(dim, first[d], std::nullopt, geometry.stride[d]);
          taps = taps.slice(dim, own.first_tap, own.first_tap + own.taps * own.tap_stride, own.tap_stride);
        }
        patches.columns = identity_patches(part, 1).columns;
        patches.single_tap = has_single_tap(patches);
        convolve(part, in, taps, bias, patches, geometry.groups);
      }
    }
  }
}

// A convolution goes from its larger side to its smaller one, its gradient back; transposed, it is the other way round.

void smaller_side(const at::Tensor& out, const at::Tensor& in, const at::Tensor& weight,
                  const std::optional<at::Tensor>& bias, const ConvolutionGeometry& geometry) {
  if (graph_convolution(out, in, weight, bias, geometry)) return;
  convolve(out, in, weight, bias, convolution_patches(in, out, geometry), geometry.groups);
}

void larger_side(const at::Tensor& out, const at::Tensor& in, const at::Tensor& weight,
                 const std::optional<at::Tensor>& bias, const ConvolutionGeometry& geometry) {
  if (graph_convolution_data_gradient(out, in, weight, bias, geometry)) return;
  convolve_adjoint(out, in, weight, bias, geometry);
}

at::MemoryFormat format_of(const at::Tensor& input, const at::Tensor& weight) {
  const at::MemoryFormat format = input.suggest_memory_format();
  return format == at::MemoryFormat::Contiguous ? weight.suggest_memory_format() : format;
}

at::Tensor weights_side(const at::Tensor& smaller, const at::Tensor& larger, const at::Tensor& weight,
                        at::MemoryFormat format, const ConvolutionGeometry& geometry) {
  {
    const at::Tensor out = at::empty(weight.sizes(), weight.options().memory_format(format));
    if (graph_convolution_weights_gradient(out, smaller, larger, geometry)) return out;
  }
  return weight_gradient(smaller, larger, weight, geometry);
}

void check_dtypes(const at::Tensor& input, const at::Tensor& weight) {
  TORCH_CHECK(input.scalar_type() == weight.scalar_type(), "Input type (", input.toString(), ") and weight type (",
              weight.toString(), ") should be the same");
  TORCH_CHECK_NOT_IMPLEMENTED(input.scalar_type() != at::kBool && !input.is_complex(),
                              "convolution on metal is not implemented for ", input.scalar_type());
}

/// Runs "aten::<name>" on the CPU and leaves its results on the stack. The overrideable operators have no kernel there.
template <class... Arguments>
torch::jit::Stack on_host(const char* name, const Arguments&... arguments) {
  torch::jit::Stack stack;
  torch::jit::push(stack, arguments...);
  run_on_host(detail::find_operator(name), &stack, Route::host);
  return stack;
}

at::Tensor convolution(const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias,
                       at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed,
                       at::IntArrayRef output_padding, int64_t groups) {
  check_dtypes(input, weight);
  if (needs_host(input)) {
    return on_host("convolution", input, weight, bias, stride, padding, dilation, transposed, output_padding, groups)[0]
        .toTensor();
  }
  if (bias && bias->defined()) check_dtypes(input, *bias);
  const ConvolutionGeometry geometry(weight, stride, padding, dilation, groups);
  const auto sizes = transposed
                         ? at::native::conv_input_size(input.sizes(), weight.sizes(), padding, output_padding, stride,
                                                       dilation, groups)
                         : at::native::conv_output_size(input.sizes(), weight.sizes(), padding, stride, dilation);
  const at::Tensor out = at::empty(sizes, input.options().memory_format(format_of(input, weight)));
  transposed ? larger_side(out, input, weight, bias, geometry) : smaller_side(out, input, weight, bias, geometry);
  return out;
}

at::Tensor input_gradient(const at::Tensor& gradient, const at::Tensor& input, const at::Tensor& weight,
                          const ConvolutionGeometry& geometry, bool transposed) {
  const at::Tensor out = at::empty(input.sizes(), input.options().memory_format(format_of(input, weight)));
  transposed ? smaller_side(out, gradient, weight, {}, geometry) : larger_side(out, gradient, weight, {}, geometry);
  return out;
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> convolution_backward(const at::Tensor& grad_output,
                                                                    const at::Tensor& input, const at::Tensor& weight,
                                                                    at::IntArrayRef stride, at::IntArrayRef padding,
                                                                    at::IntArrayRef dilation, bool transposed,
                                                                    at::IntArrayRef output_padding, int64_t groups,
                                                                    std::array<bool, 3> output_mask) {
  check_dtypes(input, weight);
  if (needs_host(input)) {
    const std::vector<int64_t> bias_sizes{transposed ? weight.size(1) * groups : weight.size(0)};
    const auto gradients = on_host("convolution_backward", grad_output, input, weight, bias_sizes, stride, padding,
                                   dilation, transposed, output_padding, groups, output_mask);
    return {gradients[0].toTensor(), gradients[1].toTensor(), gradients[2].toTensor()};
  }
  const ConvolutionGeometry geometry(weight, stride, padding, dilation, groups);
  at::Tensor grad_input, grad_weight, grad_bias;
  // Gradients of sums repeat one number; graphs take memory without repetitions or gaps.
  const bool is_dense = grad_output.is_non_overlapping_and_dense();
  const at::Tensor gradient = is_dense ? grad_output : grad_output.contiguous(format_of(input, weight));
  if (output_mask[0]) grad_input = input_gradient(gradient, input, weight, geometry, transposed);
  if (output_mask[1]) {
    const at::Tensor &smaller = transposed ? input : gradient, &larger = transposed ? gradient : input;
    grad_weight = weights_side(smaller, larger, weight, format_of(input, weight), geometry);
  }
  if (output_mask[2]) {
    at::DimVector all_but_channels{0};
    for (int64_t d = 2; d < grad_output.dim(); ++d) all_but_channels.push_back(d);
    grad_bias = grad_output.sum(all_but_channels);
  }
  return {grad_input, grad_weight, grad_bias};
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL_EVERY_DTYPE(m, "convolution_overrideable", convolution);
  METAL_IMPL_EVERY_DTYPE(m, "convolution_backward_overrideable", convolution_backward);
}

}  // namespace
}  // namespace torch_metal
