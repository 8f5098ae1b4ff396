// Parameters of convolution, shared by host and kernels.
#pragma once
#include "divisor.h"
#include "volume_params.h"

namespace torch_metal {

/// Reads a tensor [batch, channel, depth, height, width] as a matrix of taps by pixels: row (channel, tap) and column
/// (batch, pixel) hold what that tap of the kernel sees from that pixel, zero outside of the tensor.
///
/// In each dimension a tap sees position pixel * pixel_step + offset + tap * tap_step.
struct PatchGeometry {
  Divisor pixels[3];  ///< sizes of the pixels' grid
  Divisor taps[3];    ///< sizes of the kernel
  Divisor channels;   ///< of a group
  int32_t pixel_step[3];
  int32_t offset[3];
  int32_t tap_step[3];
  int32_t size[3];    ///< of the tensor
  int64_t stride[3];  ///< of the tensor, in elements
  int64_t batch_stride;
  int64_t channel_stride;
  uint32_t rows;  ///< channels of a group, times taps
  uint32_t columns;
  uint32_t single_tap;     ///< one tap, which sees something from every pixel
  uint32_t channels_last;  ///< channels are contiguous, and the fastest part of a row's number; else taps are
};

/// out[channel, pixel] = sum over taps of weight[channel, tap] * patches[tap, pixel] + bias[channel], for each group.
struct ConvolutionParams {
  PatchGeometry patches;
  VolumeLayout out;
  uint32_t in_channels;   ///< of a group
  uint32_t out_channels;  ///< of a group
  uint32_t groups;
  uint32_t has_bias;
};

/// out[split, channel, tap] = sum over a split's pixels of gradient[channel, pixel] * patches[tap, pixel].
struct WeightGradientParams {
  PatchGeometry patches;
  PatchGeometry gradient;  ///< with one tap: the gradient as a matrix of channels by pixels
  uint32_t in_channels;    ///< of a group
  uint32_t out_channels;   ///< of a group
  uint32_t groups;
  uint32_t split_size;  ///< pixels of a split
};

}  // namespace torch_metal
