// Convolution as a matrix product whose one operand, the patches that the kernel sees, is never written down: tiles of
// it are gathered as they are needed. See convolution_params.h for what the operands are.
#include <metal_stdlib>

#include "accumulators.h"
#include "convolution_params.h"
#include "gemm_tile.h"

using namespace metal;
using namespace torch_metal;

/// One column of the patches: a pixel of the grid, and the image it is in.
struct Pixel {
  uint batch;
  int origin[3];  ///< what position a first tap would see, times scale

  Pixel(constant PatchGeometry& geometry, uint column) {
    for (int d = 2; d >= 0; --d) {
      const int index = geometry.pixels[d].split(column);
      origin[d] = index * geometry.pixel_step[d] + geometry.offset[d];
    }
    batch = column;
  }
};

/// One row of the patches: a tap of the kernel, and the channel it looks at.
struct Tap {
  uint channel;
  int step[3];

  Tap(constant PatchGeometry& geometry, uint row) {
    for (int d = 2; d >= 0; --d) step[d] = int(geometry.taps[d].split(row)) * geometry.tap_step[d];
    channel = row;
  }
};

/// Where `tap` looks from `pixel`, in elements from the start of the channel; negative if it sees nothing.
static int seen_offset(constant PatchGeometry& geometry, thread const Pixel& pixel, thread const Tap& tap) {
  bool seen = true;
  int offset = 0;
  for (int d = 0; d < 3; ++d) {
    int position = pixel.origin[d] + tap.step[d];
    seen = seen && position >= 0;
    if (geometry.scale[d].value != 1) {
      uint quotient = uint(max(position, 0));
      seen = seen && geometry.scale[d].split(quotient) == 0;
      position = int(quotient);
    }
    seen = seen && position < geometry.size[d];
    offset += position * geometry.stride[d];
  }
  return seen ? offset : -1;
}

/// Tiles of the patches, lanes along the pixels. `pixels_first`: rows of the operand are the pixels.
template <class T, uint taps, uint pixels, uint simdgroups, bool pixels_first>
struct PatchSource {
  device const T* data;
  constant PatchGeometry& geometry;
  uint pixel_limit;

  bool transposed() const { return pixels_first; }

  template <class E>
  void load(threadgroup E* tile, uint row, uint column, uint simdgroup, uint lane) const {
    const uint first_tap = pixels_first ? column : row;
    const uint first_pixel = pixels_first ? row : column;
    for (uint p = lane; p < pixels; p += kSimdWidth) {
      const bool exists = first_pixel + p < pixel_limit;
      const Pixel pixel(geometry, exists ? first_pixel + p : 0);
      device const T* image = data + pixel.batch * geometry.batch_stride;
      for (uint t = simdgroup; t < taps; t += simdgroups) {
        E value = 0;
        if (first_tap + t < geometry.rows) {
          const Tap tap(geometry, first_tap + t);
          const int offset = seen_offset(geometry, pixel, tap);
          if (exists && offset >= 0) value = E(image[tap.channel * geometry.channel_stride + offset]);
        }
        tile[t * pixels + p] = value;
      }
    }
  }
};

/// Writes one pixel's channels.
template <class T>
struct PixelSink {
  device T* out;  ///< the pixel in the group's first channel
  device const T* bias;
  constant ConvolutionParams& params;
  bool exists;

  template <class Value>
  void write(uint channel, Value value) const {
    if (!exists || channel >= params.out_channels) return;
    if (params.has_bias) value += Value(bias[channel]);
    out[channel * params.out.channel] = T(value);
  }
};

template <class T>
static PixelSink<T> pixel_sink(device T* out, device const T* bias, constant ConvolutionParams& params, uint column,
                               uint group) {
  const uint first_channel = group * params.out_channels;
  const bool exists = column < params.patches.columns;
  out += first_channel * params.out.channel;
  if (exists) {
    for (int d = 2; d >= 0; --d) out += params.patches.pixels[d].split(column) * params.out.spatial[d];
    out += column * params.out.batch;
  }
  return {out, bias + (params.has_bias ? first_channel : 0), params, exists};
}

/// A tile of channels by pixels for each threadgroup, groups along z.
template <class T, uint tile_rows, uint tile_columns>
[[kernel]] void convolve(device T* out [[buffer(0)]], device const T* in [[buffer(1)]],
                         device const T* weight [[buffer(2)]], device const T* bias [[buffer(3)]],
                         constant ConvolutionParams& params [[buffer(4)]],
                         uint3 group [[threadgroup_position_in_grid]],
                         uint simdgroup [[simdgroup_index_in_threadgroup]], uint lane [[thread_index_in_simdgroup]]) {
  using Tile = GemmTile<tile_t<T>, tile_rows, tile_columns>;
  alignas(16) threadgroup tile_t<T> tile_a[tile_rows * kTileDepth];
  threadgroup tile_t<T> tile_b[kTileDepth * tile_columns];
  const uint depth = params.patches.rows;
  const long first_in = long(group.z * params.in_channels) * params.patches.channel_stride;
  const long first_weight = long(group.z * params.out_channels) * depth;
  const StridedSource<T, tile_rows, kTileDepth, Tile::kSimdgroups> weights{weight + first_weight, depth, 1,
                                                                           params.out_channels, depth};
  const PatchSource<T, kTileDepth, tile_columns, Tile::kSimdgroups, false> patches{in + first_in, params.patches,
                                                                                   params.patches.columns};
  const uint row = group.y * tile_rows, column = group.x * tile_columns;
  Tile tile(simdgroup, lane);
  tile.multiply(weights, patches, tile_a, tile_b, row, column, 0, depth);
  tile.store(pixel_sink(out, bias, params, tile.lane_column(column), group.z), tile_a, row);
}

/// One thread an element: groups of few channels would leave most of a tile empty. Integers are summed up exactly.
template <class T>
[[kernel]] void convolve_each(device T* out [[buffer(0)]], device const T* in [[buffer(1)]],
                              device const T* weight [[buffer(2)]], device const T* bias [[buffer(3)]],
                              constant ConvolutionParams& params [[buffer(4)]],
                              uint3 position [[thread_position_in_grid]]) {
  const uint column = position.x, channel = position.y, group = position.z;
  const Pixel pixel(params.patches, column);
  device const T* image = in + pixel.batch * params.patches.batch_stride +
                          long(group * params.in_channels) * params.patches.channel_stride;
  device const T* taps = weight + long(group * params.out_channels + channel) * params.patches.rows;
  using Value = typename Sum<T>::type;
  Value sum = 0;
  for (uint k = 0; k < params.patches.rows; ++k) {
    const Tap tap(params.patches, k);
    const int offset = seen_offset(params.patches, pixel, tap);
    if (offset >= 0) sum += Value(taps[k]) * Value(image[tap.channel * params.patches.channel_stride + offset]);
  }
  pixel_sink(out, bias, params, column, group).write(channel, sum);
}

/// One column of a weight's gradient.
struct TapSink {
  device float* out;
  uint rows;
  uint columns;
  uint column;

  void write(uint row, float value) const {
    if (row < rows && column < columns) out[row * columns + column] = value;
  }
};

/// A tile of channels by taps for each threadgroup; along z, groups of every split of the pixels.
template <class T, uint tile_rows, uint tile_columns>
[[kernel]] void weight_gradient(device float* out [[buffer(0)]], device const T* gradient [[buffer(1)]],
                                device const T* in [[buffer(2)]], constant WeightGradientParams& params [[buffer(3)]],
                                uint3 group [[threadgroup_position_in_grid]],
                                uint simdgroup [[simdgroup_index_in_threadgroup]],
                                uint lane [[thread_index_in_simdgroup]]) {
  using Tile = GemmTile<tile_t<T>, tile_rows, tile_columns>;
  alignas(16) threadgroup tile_t<T> tile_a[tile_rows * kTileDepth];
  threadgroup tile_t<T> tile_b[kTileDepth * tile_columns];
  const uint split = group.z / params.groups, channels = group.z % params.groups;
  const uint begin = split * params.split_size;
  const uint end = min(begin + params.split_size, params.patches.columns);
  const PatchSource<T, tile_rows, kTileDepth, Tile::kSimdgroups, false> gradients{
      gradient + long(channels * params.out_channels) * params.gradient.channel_stride, params.gradient, end};
  const PatchSource<T, tile_columns, kTileDepth, Tile::kSimdgroups, true> patches{
      in + long(channels * params.in_channels) * params.patches.channel_stride, params.patches, end};
  const uint row = group.y * tile_rows, column = group.x * tile_columns;
  Tile tile(simdgroup, lane);
  tile.multiply(gradients, patches, tile_a, tile_b, row, column, begin, end);
  device float* weight = out + long(group.z) * params.out_channels * params.patches.rows;
  tile.store(TapSink{weight, params.out_channels, params.patches.rows, tile.lane_column(column)}, tile_a, row);
}

/// One SIMD-group an element of the weight, for groups of few channels. Lanes run along the pixels.
template <class T>
[[kernel]] void weight_gradient_each(device float* out [[buffer(0)]], device const T* gradient [[buffer(1)]],
                                     device const T* in [[buffer(2)]],
                                     constant WeightGradientParams& params [[buffer(3)]],
                                     uint3 group [[threadgroup_position_in_grid]],
                                     uint lane [[thread_index_in_simdgroup]]) {
  const uint split = group.z / params.groups, channels = group.z % params.groups;
  const uint begin = split * params.split_size;
  const uint end = min(begin + params.split_size, params.patches.columns);
  const Tap tap(params.patches, group.x), straight(params.gradient, group.y);
  gradient += long(channels * params.out_channels + straight.channel) * params.gradient.channel_stride;
  in += long(channels * params.in_channels + tap.channel) * params.patches.channel_stride;
  float sum = 0;
  for (uint column = begin + lane; column < end; column += kSimdWidth) {
    const Pixel pixel(params.patches, column), place(params.gradient, column);
    const int seen = seen_offset(params.patches, pixel, tap);
    if (seen < 0) continue;
    const int offset = seen_offset(params.gradient, place, straight);
    sum += float(gradient[place.batch * params.gradient.batch_stride + offset]) *
           float(in[pixel.batch * params.patches.batch_stride + seen]);
  }
  sum = simd_sum(sum);
  if (lane == 0) out[(long(group.z) * params.out_channels + group.y) * params.patches.rows + group.x] = sum;
}
