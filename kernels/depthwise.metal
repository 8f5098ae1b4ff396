// Depthwise convolution: each channel of the input has kernels of its own, so there is no product of matrices, and what
// counts is memory. See convolution_params.h for the geometry.
#include <metal_stdlib>

#include "accumulators.h"
#include "convolution_params.h"

using namespace metal;
using namespace torch_metal;

/// Where one dimension's tap looks from a pixel; large if that is before the beginning.
static uint seen_position(constant PatchGeometry& patches, int d, uint pixel, uint tap) {
  return uint(int(pixel) * patches.pixel_step[d] + patches.offset[d] + int(tap) * patches.tap_step[d]);
}

/// The images and channels of one line, which all threads of a SIMD-group share.
template <class T>
struct DepthwiseLine {
  device const T* in;
  device T* out;
  uint channel;  ///< of out
  uint depth, height;

  /// Line y of the pixels, channel and image z.
  DepthwiseLine(device T* out_, device const T* in_, constant ConvolutionParams& params, uint y, uint z)
      : in(in_), out(out_) {
    const uint channels = params.groups * params.out_channels;
    channel = z % channels;
    const long image = z / channels;
    height = params.patches.pixels[1].split(y);
    depth = y;
    in += image * params.patches.batch_stride + channel / params.out_channels * params.patches.channel_stride;
    out += image * params.out.batch + channel * params.out.channel + depth * params.out.spatial[0] +
           height * params.out.spatial[1];
  }
};

/// A SIMD-group for each line of pixels. `step`: pixels are next to each other in both tensors, and see such that are `step`
/// apart; 0 if that is not known. `taps_along`: how many taps a kernel has along a line; 0 if that is not known.
template <class T, uint step, uint taps_along>
[[kernel]] void depthwise_lines(device T* out [[buffer(0)]], device const T* in [[buffer(1)]],
                                device const T* weight [[buffer(2)]], device const T* bias [[buffer(3)]],
                                constant ConvolutionParams& params [[buffer(4)]],
                                uint3 group [[threadgroup_position_in_grid]],
                                uint simdgroup [[simdgroup_index_in_threadgroup]],
                                uint simdgroups [[simdgroups_per_threadgroup]],
                                uint lane [[thread_index_in_simdgroup]]) {
  constant PatchGeometry& patches = params.patches;
  const uint number = group.x * simdgroups + simdgroup;
  if (number >= patches.pixels[0].value * patches.pixels[1].value) return;
  const DepthwiseLine<T> line(out, in, params, number, group.y);
  device const T* const taps = weight + long(line.channel) * patches.rows;
  const float shift = params.has_bias ? float(bias[line.channel]) : 0;
  const uint taps_of_line = taps_along ? taps_along : patches.taps[2].value;
  for (int x = lane; x < int(patches.pixels[2].value); x += 32) {
    float sum = 0;
    uint tap = 0;
    for (uint i = 0; i < patches.taps[0].value; ++i) {
      const uint depth = seen_position(patches, 0, line.depth, i);
      for (uint j = 0; j < patches.taps[1].value; ++j, tap += taps_of_line) {
        const uint height = seen_position(patches, 1, line.height, j);
        if (depth >= uint(patches.size[0]) || height >= uint(patches.size[1])) continue;
        device const T* const row = line.in + depth * patches.stride[0] + height * patches.stride[1];
#pragma clang loop unroll(full)
        for (uint k = 0; k < taps_of_line; ++k) {
          const int width = x * int(step ? step : patches.pixel_step[2]) + (patches.offset[2] + int(k) * patches.tap_step[2]);
          if (width >= 0 && width < patches.size[2])
            sum += float(taps[tap + k]) * float(row[step ? width : width * patches.stride[2]]);
        }
      }
    }
    line.out[step ? x : x * params.out.spatial[2]] = T(sum + shift);
  }
}

/// Threads along the channels, which are contiguous in all operands: weights are [taps, channels].
template <class T>
[[kernel]] void depthwise_channels(device T* out [[buffer(0)]], device const T* in [[buffer(1)]],
                                   device const T* weight [[buffer(2)]], device const T* bias [[buffer(3)]],
                                   constant ConvolutionParams& params [[buffer(4)]],
                                   uint2 position [[thread_position_in_grid]]) {
  constant PatchGeometry& patches = params.patches;
  const uint channels = params.groups * params.out_channels;
  const uint channel = position.x;
  if (channel >= channels) return;
  uint image = position.y, pixel[3];
  for (int d = 2; d >= 0; --d) pixel[d] = patches.pixels[d].split(image);
  in += image * patches.batch_stride;
  out += image * params.out.batch;
  for (int d = 0; d < 3; ++d) out += pixel[d] * params.out.spatial[d];

  float sum = 0;
  const uint seen = params.out_channels == 1 ? channel : channel / params.out_channels;
  uint tap = 0;
  for (uint i = 0; i < patches.taps[0].value; ++i) {
    const uint depth = seen_position(patches, 0, pixel[0], i);
    for (uint j = 0; j < patches.taps[1].value; ++j) {
      const uint height = seen_position(patches, 1, pixel[1], j);
      for (uint k = 0; k < patches.taps[2].value; ++k, ++tap) {
        const uint width = seen_position(patches, 2, pixel[2], k);
        if (depth >= uint(patches.size[0]) || height >= uint(patches.size[1]) || width >= uint(patches.size[2])) continue;
        device const T* const pixels =
            in + depth * patches.stride[0] + height * patches.stride[1] + width * patches.stride[2];
        sum += float(weight[ulong(tap) * channels + channel]) * float(pixels[seen]);
      }
    }
  }
  if (params.has_bias) sum += float(bias[channel]);
  out[channel] = T(sum);
}
