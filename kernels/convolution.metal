// Convolution as a matrix product whose one operand, the patches that the kernel sees, is never written down: tiles of
// it are gathered as they are needed. See convolution_params.h for what the operands are.
#include <metal_stdlib>

#include "accumulators.h"
#include "convolution_params.h"
#include "gemm_tile.h"

using namespace metal;
using namespace torch_metal;

/// One half of where a convolution looks: a pixel, or a tap with its channel. The halves' positions and offsets (in
/// elements) add up. Positions wrap around, so that one comparison tells what is outside on either side.
struct Place {
  uint position[3];
  long offset;

  /// A pixel from which no tap sees anything, and a tap that sees nothing. Offsets stay, for neighbours to be in a run.
  Place as_no_pixel() const { return {{1u << 31, 0, 0}, offset}; }
  Place as_no_tap() const { return {{1u << 30, 0, 0}, offset}; }

  static Place of_pixel(constant PatchGeometry& geometry, uint column) {
    Place place;
    place.offset = 0;
    for (int d = 2; d >= 0; --d) {
      const int position = int(geometry.pixels[d].split(column)) * geometry.pixel_step[d] + geometry.offset[d];
      place.position[d] = uint(position);
      place.offset += position * geometry.stride[d];
    }
    place.offset += column * geometry.batch_stride;
    return place;
  }

  static Place of_tap(constant PatchGeometry& geometry, uint row) {
    if (geometry.single_tap) return {{0, 0, 0}, row * geometry.channel_stride};
    uint channel = geometry.channels_last ? geometry.channels.split(row) : 0;
    Place place;
    place.offset = 0;
    for (int d = 2; d >= 0; --d) {
      const int position = int(geometry.taps[d].split(row)) * geometry.tap_step[d];
      place.position[d] = uint(position);
      place.offset += position * geometry.stride[d];
    }
    if (!geometry.channels_last) channel = row;
    place.offset += channel * geometry.channel_stride;
    return place;
  }

  bool sees(constant PatchGeometry& geometry, thread const Place& tap) const {
    bool inside = position[0] + tap.position[0] < uint(geometry.size[0]);
    if (geometry.single_tap) return inside;
    for (int d = 1; d < 3; ++d) inside = inside && position[d] + tap.position[d] < uint(geometry.size[d]);
    return inside;
  }
};

/// Offsets of 32 neighbours, one a lane. They are one run of memory, or two where a row or an image ends, or scattered.
struct Neighbours {
  long offset;
  long first_run;   ///< where lane 0 would be
  long second_run;  ///< the same for the run that ends with the last lane
  bool in_first;
  bool two_runs;
  bool scattered;
  uint lane;

  Neighbours(long own, uint own_lane) : offset(own), lane(own_lane) {
    const long start = own - lane;
    first_run = from_lane(start, 0);
    second_run = from_lane(start, kSimdWidth - 1);
    in_first = start == first_run;
    two_runs = first_run != second_run;
    scattered = simd_any(!in_first && start != second_run);
  }

  /// The lanes' elements where `wanted`, zeros elsewhere.
  template <class E, class T>
  E read(device const T* data, bool wanted) const {
    E value = 0;
    if (scattered) {
      if (wanted) value = E(data[offset]);
      return value;
    }
    if (wanted && in_first) value = E(data[first_run + lane]);
    if (two_runs) {
      if (wanted && !in_first) value = E(data[second_run + lane]);
    }
    return value;
  }

  template <class T>
  void write(device T* data, T value, bool wanted) const {
    if (scattered) {
      if (wanted) data[offset] = value;
      return;
    }
    if (wanted && in_first) data[first_run + lane] = value;
    if (two_runs) {
      if (wanted && !in_first) data[second_run + lane] = value;
    }
  }

 private:
  static long from_lane(long x, ushort lane) { return as_type<long>(simd_shuffle(as_type<uint2>(x), lane)); }
};

/// Tiles of the patches, lanes along what is contiguous. `pixels_first`: rows of the operand are the pixels.
template <class T, bool pixels_first>
struct PatchSource {
  device const T* data;
  constant PatchGeometry& geometry;
  uint pixel_limit;

  bool transposed() const { return pixels_first != bool(geometry.channels_last); }

  template <uint rows, uint columns, uint simdgroups, class E>
  void load(threadgroup E* tile, uint row, uint column, uint simdgroup, uint lane) const {
    constexpr uint taps = pixels_first ? columns : rows;
    constexpr uint pixels = pixels_first ? rows : columns;
    const uint first_tap = pixels_first ? column : row;
    const uint first_pixel = pixels_first ? row : column;
    if (geometry.channels_last) {
      load_lines<taps, pixels, simdgroups>(tile, simdgroup, lane, [&](uint t) { return tap(first_tap + t); },
                               [&](uint p) { return pixel(first_pixel + p); });
    } else {
      load_lines<pixels, taps, simdgroups>(tile, simdgroup, lane, [&](uint p) { return pixel(first_pixel + p); },
                               [&](uint t) { return tap(first_tap + t); });
    }
  }

 private:
  Place pixel(uint number) const {
    const Place place = Place::of_pixel(geometry, number);
    return number < pixel_limit ? place : place.as_no_pixel();
  }
  Place tap(uint number) const {
    const Place place = Place::of_tap(geometry, number);
    return number < geometry.rows ? place : place.as_no_tap();
  }

  /// `lines` lines of `length` places: along(i) is the place of a lane, across(j) that of a line.
  template <uint length, uint lines, uint simdgroups, class E, class Along, class Across>
  void load_lines(threadgroup E* tile, uint simdgroup, uint lane, Along along, Across across) const {
    constexpr uint kPieces = (length + kSimdWidth - 1) / kSimdWidth;  // of a line
    constexpr uint kSharing = simdgroups > kPieces ? simdgroups / kPieces : 1;  // SIMD-groups a piece
#pragma clang loop unroll(disable)
    for (uint piece = simdgroup / kSharing; piece < kPieces; piece += simdgroups / kSharing) {
      const uint i = piece * kSimdWidth + lane;
      const Place own = along(i);
      const Neighbours neighbours(own.offset, lane);
#pragma clang loop unroll(disable)
      for (uint line = simdgroup % kSharing; line < lines; line += kSharing) {
        const Place other = across(line);
        const E value = neighbours.template read<E>(data + other.offset, own.sees(geometry, other));
        if (length % kSimdWidth == 0 || i < length) tile[line * length + i] = value;
      }
    }
  }
};

/// Writes one pixel's channels.
template <class T>
struct PixelSink {
  device T* out;  ///< the group's first channel
  device const T* bias;
  constant ConvolutionParams& params;
  bool exists;
  Neighbours neighbours;

  template <class Value>
  void write(uint channel, Value value) const {
    if (channel >= params.out_channels) return;
    if (params.has_bias) value += Value(bias[channel]);
    neighbours.write(out + channel * params.out.channel, T(value), exists);
  }
};

/// Where a pixel of the output is in its channel.
static long out_offset(constant ConvolutionParams& params, uint column) {
  long offset = 0;
  for (int d = 2; d >= 0; --d) offset += params.patches.pixels[d].split(column) * params.out.spatial[d];
  return offset + column * params.out.batch;
}

template <class T>
static PixelSink<T> pixel_sink(device T* out, device const T* bias, constant ConvolutionParams& params, uint column,
                               uint group, uint lane) {
  const uint first_channel = group * params.out_channels;
  return {out + first_channel * params.out.channel, bias + (params.has_bias ? first_channel : 0), params,
          column < params.patches.columns, Neighbours(out_offset(params, column), lane)};
}

/// A tile of channels by pixels for each threadgroup, groups along z.
template <class T, class Tile>
[[kernel]] void convolve(device T* out [[buffer(0)]], device const T* in [[buffer(1)]],
                         device const T* weight [[buffer(2)]], device const T* bias [[buffer(3)]],
                         constant ConvolutionParams& params [[buffer(4)]],
                         uint3 group [[threadgroup_position_in_grid]],
                         uint simdgroup [[simdgroup_index_in_threadgroup]], uint lane [[thread_index_in_simdgroup]]) {
  threadgroup typename Tile::Memory memory;
  const uint depth = params.patches.rows;
  const long first_in = long(group.z * params.in_channels) * params.patches.channel_stride;
  const long first_weight = long(group.z * params.out_channels) * depth;
  const StridedSource<T> weights{weight + first_weight, depth, 1, params.out_channels, depth};
  const PatchSource<T, false> patches{in + first_in, params.patches, params.patches.columns};
  const TilePosition at{group.y * Tile::kRows,   group.x * Tile::kColumns, params.out_channels,
                        params.patches.columns, simdgroup,                 lane};
  Tile tile;
  tile.multiply(weights, patches, memory, at, 0, depth);
  tile.store([&](uint column) { return pixel_sink(out, bias, params, column, group.z, lane); }, memory, at);
}

/// One thread an element: groups of few channels would leave most of a tile empty. Integers are summed up exactly.
template <class T>
[[kernel]] void convolve_each(device T* out [[buffer(0)]], device const T* in [[buffer(1)]],
                              device const T* weight [[buffer(2)]], device const T* bias [[buffer(3)]],
                              constant ConvolutionParams& params [[buffer(4)]],
                              uint3 position [[thread_position_in_grid]]) {
  const uint column = position.x, channel = position.y, group = position.z;
  const Place pixel = Place::of_pixel(params.patches, column);
  device const T* image = in + long(group * params.in_channels) * params.patches.channel_stride + pixel.offset;
  device const T* taps = weight + long(group * params.out_channels + channel) * params.patches.rows;
  using Value = typename Sum<T>::type;
  Value sum = 0;
  for (uint k = 0; k < params.patches.rows; ++k) {
    const Place tap = Place::of_tap(params.patches, k);
    if (pixel.sees(params.patches, tap)) sum += Value(taps[k]) * Value(image[tap.offset]);
  }
  const uint out_channel = group * params.out_channels + channel;
  if (params.has_bias) sum += Value(bias[out_channel]);
  out[out_channel * params.out.channel + out_offset(params, column)] = T(sum);
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
template <class T, class Tile>
[[kernel]] void weight_gradient(device float* out [[buffer(0)]], device const T* gradient [[buffer(1)]],
                                device const T* in [[buffer(2)]], constant WeightGradientParams& params [[buffer(3)]],
                                uint3 group [[threadgroup_position_in_grid]],
                                uint simdgroup [[simdgroup_index_in_threadgroup]],
                                uint lane [[thread_index_in_simdgroup]]) {
  threadgroup typename Tile::Memory memory;
  const uint split = group.z / params.groups, channels = group.z % params.groups;
  const uint begin = split * params.split_size;
  const uint end = min(begin + params.split_size, params.patches.columns);
  const PatchSource<T, false> gradients{
      gradient + long(channels * params.out_channels) * params.gradient.channel_stride, params.gradient, end};
  const PatchSource<T, true> patches{in + long(channels * params.in_channels) * params.patches.channel_stride,
                                     params.patches, end};
  const TilePosition at{group.y * Tile::kRows, group.x * Tile::kColumns, params.out_channels,
                        params.patches.rows,   simdgroup,                lane};
  Tile tile;
  tile.multiply(gradients, patches, memory, at, begin, end);
  device float* weight = out + long(group.z) * params.out_channels * params.patches.rows;
  const auto sink_of = [&](uint column) { return TapSink{weight, params.out_channels, params.patches.rows, column}; };
  tile.store(sink_of, memory, at);
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
  const Place tap = Place::of_tap(params.patches, group.x), straight = Place::of_tap(params.gradient, group.y);
  gradient += long(channels * params.out_channels) * params.gradient.channel_stride + straight.offset;
  in += long(channels * params.in_channels) * params.patches.channel_stride + tap.offset;
  float sum = 0;
  for (uint column = begin + lane; column < end; column += kSimdWidth) {
    const Place pixel = Place::of_pixel(params.patches, column);
    if (!pixel.sees(params.patches, tap)) continue;
    sum += float(gradient[Place::of_pixel(params.gradient, column).offset]) * float(in[pixel.offset]);
  }
  sum = simd_sum(sum);
  if (lane == 0) out[(long(group.z) * params.out_channels + group.y) * params.patches.rows + group.x] = sum;
}
