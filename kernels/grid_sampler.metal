// Sampling images and volumes at the points of a grid, and its gradients.
//
// A point meets `taps` pixels along each dimension, with a weight each; a sample is the sum over all combinations of the
// values, times the product of the weights. Images are volumes of depth 1.
#include <metal_stdlib>

#include "grid_sampler_params.h"
#include "volume.h"

using namespace metal;
using namespace torch_metal;

/// Ways to interpolate. They are told apart at compile time, as template arguments.
struct linear {
  static constant constexpr int taps = 2;
};
struct nearest {
  static constant constexpr int taps = 1;
};
struct cubic {
  static constant constexpr int taps = 4;
};

/// A position and its derivative by the grid's coordinate.
struct Position {
  float at;
  float slope;
};

static Position unnormalized(constant GridSamplerParams& p, int d, float coordinate) {
  const float size = p.in[d];
  if (p.align_corners) return {(coordinate + 1) / 2 * (size - 1), (size - 1) / 2};
  return {((coordinate + 1) * size - 1) / 2, size / 2};
}

/// Moves a position that is outside of the input to where padding takes its value from; NaN goes to 0.
static Position padded(constant GridSamplerParams& p, int d, Position position) {
  if (p.padding == kZeroPadding) return position;
  const float last = p.in[d] - 1;
  if (p.padding == kReflectionPadding) {
    const float low = p.align_corners ? 0 : -0.5f, span = p.align_corners ? last : last + 1;
    if (span == 0) return {0, 0};
    const float distance = fmod(fabs(position.at - low), 2 * span);
    const bool mirrored = distance >= span;
    if ((position.at < low) != mirrored) position.slope = -position.slope;
    position.at = low + (mirrored ? 2 * span - distance : distance);
  }
  if (!(position.at > 0)) return {0, 0};
  if (position.at >= last) return {last, 0};
  return position;
}

/// The pixel at a position without fraction, -1 if there is none.
static int pixel_at(constant GridSamplerParams& p, int d, float at) {
  return at >= 0 && at < p.in[d] ? int(at) : -1;
}

/// Pixels along a dimension, the weight of each, and the weights' derivatives by the grid's coordinate.
template <int n>
struct Taps {
  int pixel[n];
  float weight[n];
  float slope[n];
};

static Taps<1> taps_at(constant GridSamplerParams& p, int d, float coordinate, nearest) {
  return {{pixel_at(p, d, rint(padded(p, d, unnormalized(p, d, coordinate)).at))}, {1}, {0}};
}

static Taps<2> taps_at(constant GridSamplerParams& p, int d, float coordinate, linear) {
  const Position position = padded(p, d, unnormalized(p, d, coordinate));
  const float lower = floor(position.at), fraction = position.at - lower;
  return {{pixel_at(p, d, lower), pixel_at(p, d, lower + 1)},
          {1 - fraction, fraction},
          {-position.slope, position.slope}};
}

/// The cubic convolution filter (Keys) with a = -3/4, and its derivative, for distances below 1 and from 1 to 2.
static float filter_near(float x) { return (1.25f * x - 2.25f) * x * x + 1; }
static float filter_near_slope(float x) { return (3.75f * x - 4.5f) * x; }
static float filter_far(float x) { return ((-0.75f * x + 3.75f) * x - 6) * x + 3; }
static float filter_far_slope(float x) { return (-2.25f * x + 7.5f) * x - 6; }

/// Here pixels are padded, not the position.
static Taps<4> taps_at(constant GridSamplerParams& p, int d, float coordinate, cubic) {
  const Position position = unnormalized(p, d, coordinate);
  const float middle = floor(position.at), t = position.at - middle, slope = position.slope;
  Taps<4> taps = {{},
                  {filter_far(t + 1), filter_near(t), filter_near(1 - t), filter_far(2 - t)},
                  {slope * filter_far_slope(t + 1), slope * filter_near_slope(t), -slope * filter_near_slope(1 - t),
                   -slope * filter_far_slope(2 - t)}};
  for (int k = 0; k < 4; ++k) taps.pixel[k] = pixel_at(p, d, padded(p, d, {middle + k - 1, 0}).at);
  return taps;
}

/// What a point of the grid meets.
template <class Mode, int spatial>
struct Meeting {
  static constant constexpr int depth_taps = spatial == 3 ? Mode::taps : 1;
  Taps<depth_taps> depth;
  Taps<Mode::taps> height;
  Taps<Mode::taps> width;

  template <class T>
  Meeting(constant GridSamplerParams& p, device const T* point) {
    const long step = p.grid_layout.channel;
    width = taps_at(p, 2, float(point[0]), Mode());
    height = taps_at(p, 1, float(point[step]), Mode());
    if constexpr (spatial == 3) {
      depth = taps_at(p, 0, float(point[2 * step]), Mode());
    } else {
      depth = {{0}, {1}, {0}};
    }
  }

  bool outside(int i, int j, int k) const { return (depth.pixel[i] | height.pixel[j] | width.pixel[k]) < 0; }
  long offset(constant VolumeLayout& layout, int i, int j, int k) const {
    return spatial_offset(layout, depth.pixel[i], height.pixel[j], width.pixel[k]);
  }
};

/// One thread a point (x) of an image (z). Outside of an image are zeros, which NaN weights make NaN; outside of a volume
/// is nothing (as on the CPU).
template <class T, class Mode, int spatial>
[[kernel]] void grid_sample(device T* out [[buffer(0)]], device const T* in [[buffer(1)]],
                            device const T* grid [[buffer(2)]], constant GridSamplerParams& p [[buffer(3)]],
                            uint3 id [[thread_position_in_grid]]) {
  const Place place(p.out, id.x);
  const Meeting<Mode, spatial> meeting(p, grid + offset_of(p.grid_layout, id, place));
  in += plane_offset(p.in_layout, id);
  out += offset_of(p.out_layout, id, place);
  for (uint c = 0; c < p.channels; ++c) {
    float sum = 0;
    for (int i = 0; i < meeting.depth_taps; ++i) {
      for (int j = 0; j < Mode::taps; ++j) {
        for (int k = 0; k < Mode::taps; ++k) {
          const bool outside = meeting.outside(i, j, k);
          if (spatial == 3 && outside) continue;
          const float value = outside ? 0.0f : float(in[meeting.offset(p.in_layout, i, j, k)]);
          sum += meeting.depth.weight[i] * meeting.height.weight[j] * meeting.width.weight[k] * value;
        }
      }
    }
    *out = T(sum);
    in += p.in_layout.channel;
    out += p.out_layout.channel;
  }
}

/// One thread a point (x) of an image (z). Points share pixels, so the input's gradient, which is dense, is summed by
/// atomic operations.
template <class T, class Mode, int spatial>
[[kernel]] void grid_sample_backward(device atomic_float* grad_in [[buffer(0)]], device T* grad_grid [[buffer(1)]],
                                     device const T* grad_out [[buffer(2)]], device const T* in [[buffer(3)]],
                                     device const T* grid [[buffer(4)]], constant GridSamplerParams& p [[buffer(5)]],
                                     uint3 id [[thread_position_in_grid]]) {
  const Place place(p.out, id.x);
  const Meeting<Mode, spatial> meeting(p, grid + offset_of(p.grid_layout, id, place));
  in += plane_offset(p.in_layout, id);
  grad_out += offset_of(p.out_layout, id, place);
  const long pixels = long(p.in[0]) * p.in[1] * p.in[2];
  grad_in += id.z * long(p.channels) * pixels;
  float slope[3] = {0, 0, 0};  // width first
  for (uint c = 0; c < p.channels; ++c) {
    const float gradient = float(*grad_out);
    for (int i = 0; i < meeting.depth_taps; ++i) {
      const float a = meeting.depth.weight[i], a_slope = meeting.depth.slope[i];
      for (int j = 0; j < Mode::taps; ++j) {
        const float b = meeting.height.weight[j], b_slope = meeting.height.slope[j];
        for (int k = 0; k < Mode::taps; ++k) {
          if (meeting.outside(i, j, k)) continue;
          const float w = meeting.width.weight[k], w_slope = meeting.width.slope[k];
          const float value = gradient * float(in[meeting.offset(p.in_layout, i, j, k)]);
          slope[0] += value * a * b * w_slope;
          slope[1] += value * a * b_slope * w;
          slope[2] += value * a_slope * b * w;
          if (p.has_grad_in) {
            const long row = long(meeting.depth.pixel[i]) * p.in[1] + meeting.height.pixel[j];
            atomic_fetch_add_explicit(&grad_in[row * p.in[2] + meeting.width.pixel[k]], gradient * a * b * w,
                                      memory_order_relaxed);
          }
        }
      }
    }
    in += p.in_layout.channel;
    grad_out += p.out_layout.channel;
    grad_in += pixels;
  }
  grad_grid += offset_of(p.grad_grid_layout, id, place);
  for (int d = 0; d < spatial; ++d) grad_grid[d * p.grad_grid_layout.channel] = T(slope[d]);
}
