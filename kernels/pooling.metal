// Max and average pooling, and gradients. Those of averages are gathered: a thread adds up, in a fixed order, what the
// windows around its input element send back, so no two threads write one element and results do not vary.
#include <metal_stdlib>

#include "pooling_params.h"
#include "volume.h"

using namespace metal;
using namespace torch_metal;

/// The part of a window in one dimension: `taps` positions from `begin` on. Some may be outside of the input.
struct Window {
  int begin;
  int taps;
};

/// position * scale / size, rounded down or up.
static uint scaled(constant PoolingParams& params, uint position, constant Divisor& scale, constant Divisor& size,
                   bool up) {
  const uint rest = up ? size.value - 1 : 0;
  if (params.wide) return uint((ulong(position) * scale.value + rest) / size.value);
  return size.quotient(position * scale.value + rest);
}

static Window window_of(constant PoolingParams& params, int d, uint out) {
  if (params.adaptive) {
    const int begin = scaled(params, out, params.in[d], params.out[d], false);
    const int end = scaled(params, out + 1, params.in[d], params.out[d], true);
    return {begin, end - begin};
  }
  return {int(out * params.stride[d].value) - params.padding[d], params.window[d]};
}

static int dilation_of(constant PoolingParams& params, int d) { return params.adaptive ? 1 : params.dilation[d]; }

/// The windows [first, last] that may hold an input position.
struct WindowRange {
  uint first;
  uint last;
};

static WindowRange windows_around(constant PoolingParams& params, int d, uint in) {
  constant Divisor& size = params.out[d];
  if (params.adaptive) {
    return {scaled(params, in, size, params.in[d], false), scaled(params, in + 1, size, params.in[d], true) - 1};
  }
  const int last = int(in) + params.padding[d];
  const int first = last - (params.window[d] - 1) * params.dilation[d];
  return {params.stride[d].quotient(uint(max(first, 0)) + params.stride[d].value - 1),
          min(params.stride[d].quotient(uint(last)), size.value - 1)};
}

/// What averages of T are computed in: integers are divided as such.
template <class T>
using average_t = conditional_t<is_integral_v<T>, long, float>;

/// How many elements an average is divided by.
static int divisor_of(constant PoolingParams& params, thread const Window* windows) {
  if (params.divisor != 0) return params.divisor;
  int count = 1;
  for (int d = 0; d < 3; ++d) {
    const int size = params.in[d].value;
    const int end = windows[d].begin + windows[d].taps;
    count *= params.count_padding && !params.adaptive ? min(end, size + params.padding[d]) - windows[d].begin
                                                       : min(end, size) - max(windows[d].begin, 0);
  }
  return count;
}

/// The largest value of windows, or the last NaN, and its position in the input.
template <class T>
struct Largest {
  T value = T(0);
  uint index = 0;

  Largest(device const T* in, thread const Window* windows, constant PoolingParams& params) {
    bool found = false;
    for (int i = 0; i < windows[0].taps; ++i) {
      const uint depth = windows[0].begin + i * dilation_of(params, 0);
      if (depth >= params.in[0].value) continue;  // negative positions are large here
      for (int j = 0; j < windows[1].taps; ++j) {
        const uint height = windows[1].begin + j * dilation_of(params, 1);
        if (height >= params.in[1].value) continue;
        for (int k = 0; k < windows[2].taps; ++k) {
          const uint width = windows[2].begin + k * dilation_of(params, 2);
          if (width >= params.in[2].value) continue;
          const T candidate = in[spatial_offset(params.in_layout, depth, height, width)];
          if (!found || candidate > value || candidate != candidate) {
            value = candidate;
            index = (depth * params.in[1].value + height) * params.in[2].value + width;
            found = true;
          }
        }
      }
    }
  }
};

/// One thread an output element.
template <class T, bool channels_last>
[[kernel]] void max_pool(device T* out [[buffer(0)]], device long* indices [[buffer(1)]],
                         device const T* in [[buffer(2)]], constant PoolingParams& params [[buffer(3)]],
                         uint3 position [[thread_position_in_grid]]) {
  const uint3 id = element_of<channels_last>(position);
  const Place place(params.out, id.x);
  Window windows[3];
  for (int d = 0; d < 3; ++d) windows[d] = window_of(params, d, place.position[d]);
  const Largest<T> largest(in + plane_offset<channels_last>(params.in_layout, id), windows, params);
  out[offset_of<channels_last>(params.out_layout, id, place)] = largest.value;
  indices[offset_of<channels_last>(params.index_layout, id, place)] = largest.index;
}

/// Where the window of an output position begins. Computed in T, as PyTorch does it: every rounding counts.
template <class T>
static int fractional_begin(constant PoolingParams& params, int d, uint out, T sample) {
  const int last = int(params.in[d].value) - params.window[d];
  if (out + 1 == params.out[d].value) return last;
  const T alpha = T(float(last)) / T(float(params.out[d].value - 1));
  return int(float((T(float(out)) + sample) * alpha)) - int(float(sample * alpha));
}

/// One thread an output element. Each plane has its own random numbers, one for each of the last `spatial` dimensions;
/// those of images begin with the width, those of volumes with the depth.
template <class T, int spatial>
[[kernel]] void fractional_max_pool(device T* out [[buffer(0)]], device long* indices [[buffer(1)]],
                                    device const T* in [[buffer(2)]], device const T* samples [[buffer(3)]],
                                    constant PoolingParams& params [[buffer(4)]],
                                    uint3 id [[thread_position_in_grid]], uint3 grid [[threads_per_grid]]) {
  const Place place(params.out, id.x);
  samples += (id.z * long(grid.y) + id.y) * spatial;
  Window windows[3] = {{0, 1}};
  for (int d = 3 - spatial; d < 3; ++d) {
    const T sample = samples[spatial == 2 ? 2 - d : d];
    windows[d] = {fractional_begin(params, d, place.position[d], sample), params.window[d]};
  }
  const Largest<T> largest(in + plane_offset(params.in_layout, id), windows, params);
  out[offset_of(params.out_layout, id, place)] = largest.value;
  indices[offset_of(params.index_layout, id, place)] = largest.index;
}

/// One thread an output element: its gradient goes to the input element that it chose, which no other output can have
/// chosen. What nobody chose is zero before. `dense`: the pixels of a plane are in order in every tensor.
template <class T, bool dense>
[[kernel]] void max_pool_scatter(device T* grad_in [[buffer(0)]], device const T* grad_out [[buffer(1)]],
                                 device const long* indices [[buffer(2)]], constant PoolingParams& params [[buffer(3)]],
                                 uint3 id [[thread_position_in_grid]]) {
  const auto pixel_offset = [](constant VolumeLayout& layout, constant Divisor* sizes, uint pixel) {
    if constexpr (dense) return ulong(pixel);
    const Place place(sizes, pixel);
    return ulong(spatial_offset(layout, place.position[0], place.position[1], place.position[2]));
  };
  grad_in += plane_offset(params.in_layout, id);
  grad_out += plane_offset(params.out_layout, id);
  indices += plane_offset(params.index_layout, id);
  const ulong pixel = indices[pixel_offset(params.index_layout, params.out, id.x)];
  if (pixel >= ulong(params.in[0].value) * params.in[1].value * params.in[2].value) return;
  grad_in[pixel_offset(params.in_layout, params.in, uint(pixel))] =
      grad_out[pixel_offset(params.out_layout, params.out, id.x)];
}

/// One thread an output element.
template <class T, bool channels_last>
[[kernel]] void average_pool(device T* out [[buffer(0)]], device const T* in [[buffer(1)]],
                             constant PoolingParams& params [[buffer(2)]],
                             uint3 position [[thread_position_in_grid]]) {
  const uint3 id = element_of<channels_last>(position);
  const Place place(params.out, id.x);
  Window windows[3];
  for (int d = 0; d < 3; ++d) windows[d] = window_of(params, d, place.position[d]);
  in += plane_offset<channels_last>(params.in_layout, id);
  average_t<T> sum = 0;
  for (int i = 0; i < windows[0].taps; ++i) {
    const uint depth = windows[0].begin + i;
    if (depth >= params.in[0].value) continue;
    for (int j = 0; j < windows[1].taps; ++j) {
      const uint height = windows[1].begin + j;
      if (height >= params.in[1].value) continue;
      for (int k = 0; k < windows[2].taps; ++k) {
        const uint width = windows[2].begin + k;
        if (width >= params.in[2].value) continue;
        sum += average_t<T>(in[spatial_offset(params.in_layout, depth, height, width)]);
      }
    }
  }
  out[offset_of<channels_last>(params.out_layout, id, place)] = T(sum / average_t<T>(divisor_of(params, windows)));
}

/// One thread an input element: its share of the gradient of each average that it is in.
template <class T, bool channels_last>
[[kernel]] void average_pool_backward(device T* grad_in [[buffer(0)]], device const T* grad_out [[buffer(1)]],
                                      constant PoolingParams& params [[buffer(2)]],
                                      uint3 position [[thread_position_in_grid]]) {
  const uint3 id = element_of<channels_last>(position);
  const Place place(params.in, id.x);
  WindowRange ranges[3];
  for (int d = 0; d < 3; ++d) ranges[d] = windows_around(params, d, place.position[d]);
  grad_out += plane_offset<channels_last>(params.out_layout, id);
  average_t<T> sum = 0;
  Window windows[3];
  for (uint i = ranges[0].first; i <= ranges[0].last; ++i) {
    windows[0] = window_of(params, 0, i);
    for (uint j = ranges[1].first; j <= ranges[1].last; ++j) {
      windows[1] = window_of(params, 1, j);
      for (uint k = ranges[2].first; k <= ranges[2].last; ++k) {
        windows[2] = window_of(params, 2, k);
        const average_t<T> gradient = grad_out[spatial_offset(params.out_layout, i, j, k)];
        sum += gradient / average_t<T>(divisor_of(params, windows));
      }
    }
  }
  grad_in[offset_of<channels_last>(params.in_layout, id, place)] = T(sum);
}
