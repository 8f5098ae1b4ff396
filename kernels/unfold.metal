// Blocks that slide over an image as columns, the sum of columns back into an image, and the gradient of windows along
// one dimension. Sums are gathered in a fixed order: no two threads write one element, results do not vary.
#include <c10/metal/utils.h>
#include <metal_stdlib>

#include "unfold_params.h"

using namespace metal;
using namespace torch_metal;

/// What sums of T are accumulated in: a bool is set by any of its terms.
template <class T>
struct BlockSum {
  using type = c10::metal::accum_t<T>;
};
template <>
struct BlockSum<bool> {
  using type = int;
};

/// One thread an element of the columns: position (x), place in the block and channel (y), image (z).
template <class T>
[[kernel]] void blocks_to_columns(device T* columns [[buffer(0)]], device const T* image [[buffer(1)]],
                                  constant BlockParams& p [[buffer(2)]], uint3 id [[thread_position_in_grid]],
                                  uint3 grid [[threads_per_grid]]) {
  uint place = id.y, row = id.x;
  const uint column = p.blocks[1].split(row);
  const uint kx = p.block[1].split(place), ky = p.block[0].split(place);
  const uint y = row * p.stride[0].value + ky * p.dilation[0] - p.padding[0];
  const uint x = column * p.stride[1].value + kx * p.dilation[1] - p.padding[1];
  const uint height = p.image[0].value, width = p.image[1].value;
  const long channels = grid.y / (p.block[0].value * p.block[1].value);
  const bool inside = y < height && x < width;  // negative positions are large here
  const long from = ((id.z * channels + place) * height + y) * width + x;
  columns[(id.z * long(grid.y) + id.y) * grid.x + id.x] = inside ? image[from] : T(0);
}

/// The block at whose place `k` a pixel lies, along dimension d; false if there is none.
static bool block_of(constant BlockParams& p, int d, uint pixel, uint k, thread uint& block) {
  const int offset = int(pixel) + p.padding[d] - int(k) * p.dilation[d];
  if (offset < 0) return false;
  block = offset;
  return p.stride[d].split(block) == 0 && block < p.blocks[d].value;
}

/// One thread a pixel (x) of a channel (y) of an image (z).
template <class T>
[[kernel]] void columns_to_image(device T* image [[buffer(0)]], device const T* columns [[buffer(1)]],
                                 constant BlockParams& p [[buffer(2)]], uint3 id [[thread_position_in_grid]],
                                 uint3 grid [[threads_per_grid]]) {
  uint y = id.x;
  const uint x = p.image[1].split(y);
  const long positions = long(p.blocks[0].value) * p.blocks[1].value;
  const uint places = p.block[0].value * p.block[1].value;
  columns += (id.z * long(grid.y) + id.y) * places * positions;
  typename BlockSum<T>::type sum = 0;
  for (uint ky = 0; ky < p.block[0].value; ++ky) {
    uint row, column;
    if (!block_of(p, 0, y, ky, row)) continue;
    for (uint kx = 0; kx < p.block[1].value; ++kx) {
      if (!block_of(p, 1, x, kx, column)) continue;
      sum += columns[(ky * p.block[1].value + kx) * positions + row * p.blocks[1].value + column];
    }
  }
  image[(id.z * long(grid.y) + id.y) * grid.x + id.x] = T(sum);
}

/// The gradient of an element (y) is the sum over the windows that it is in. x is inner, z outer.
template <class T>
[[kernel]] void windows_backward(device T* grad_in [[buffer(0)]], device const T* grad_out [[buffer(1)]],
                                 constant WindowParams& p [[buffer(2)]], uint3 id [[thread_position_in_grid]]) {
  const uint first = id.y < p.window ? 0 : (id.y - p.window) / p.step + 1;
  const uint last = min(id.y / p.step + 1, p.windows);
  typename BlockSum<T>::type sum = 0;
  for (uint w = first; w < last; ++w) {
    sum += grad_out[((id.z * long(p.windows) + w) * p.inner + id.x) * p.window + id.y - w * p.step];
  }
  grad_in[(id.z * long(p.size) + id.y) * p.inner + id.x] = T(sum);
}
