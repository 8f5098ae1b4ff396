#include "ops/depthwise_convolution.h"

#include <ATen/ceil_div.h>

#include "runtime/launch.h"

namespace torch_metal {
namespace {

constexpr uint64_t kLines = 8;

/// The template argument `step` of depthwise_lines.
std::string_view step_of(const at::Tensor& out, const at::Tensor& in, const PatchGeometry& patches) {
  if (out.stride(-1) != 1 || in.stride(-1) != 1) return "0";
  return patches.pixel_step[2] == 1 ? "1" : patches.pixel_step[2] == 2 ? "2" : "0";
}

}  // namespace

bool convolve_depthwise(const at::Tensor& out, const at::Tensor& in, const at::Tensor& weight,
                        const std::optional<at::Tensor>& bias, const ConvolutionParams& params) {
  const PatchGeometry& patches = params.patches;
  if (!out.is_floating_point() || patches.rows == 0) return false;
  const std::string_view type = metal_type(out.scalar_type());
  const uint64_t channels = out.size(1);
  const bool along_channels = patches.channels_last && out.stride(1) == 1;
  const at::Tensor taps = along_channels ? weight.flatten(1).t().contiguous() : weight.contiguous();
  const at::Tensor bias_vector = params.has_bias ? bias->contiguous() : taps;
  if (along_channels) {
    launch_threads(kernel("depthwise", "depthwise_channels", {type}),
                   {at::ceil_div<uint64_t>(channels, kSimdWidth) * kSimdWidth, patches.columns}, {kSimdWidth, kLines},
                   out, in, taps, bias_vector, params);
  } else {
    const uint64_t lines = uint64_t(patches.pixels[0].value) * patches.pixels[1].value;
    const std::string_view taps_along = patches.taps[2].value == 3 ? "3" : "0";
    launch_groups(kernel("depthwise", "depthwise_lines", {type, step_of(out, in, patches), taps_along}),
                  {at::ceil_div(lines, kLines), channels * out.size(0)}, {kSimdWidth * kLines}, out, in, taps,
                  bias_vector, params);
  }
  return true;
}

}  // namespace torch_metal
