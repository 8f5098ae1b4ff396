// Elements in reverse order: copies whose source has negative strides.
#include <ATen/WrapDimUtilsMulti.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <bitset>
#include <limits>

#include "indexing_params.h"
#include "ops/copy_layout.h"
#include "ops/iteration.h"
#include "ops/registration.h"
#include "runtime/launch.h"

namespace torch_metal {
namespace {

using at::Tensor;
using DimensionSet = std::bitset<at::dim_bitset_size>;

/// A copy whose source has negative strides.
void flip_into(const Tensor& out, const Tensor& self, const DimensionSet& flipped) {
  const int64_t size = self.element_size();
  at::DimVector sizes, out_strides, in_strides;
  BufferRange in = buffer_range(self);
  for (int64_t d = self.dim() - 1; d >= 0; --d) {
    sizes.push_back(self.size(d));
    out_strides.push_back(out.stride(d) * size);
    in_strides.push_back(flipped[d] ? -self.stride(d) * size : self.stride(d) * size);
    if (flipped[d]) in.offset += (self.size(d) - 1) * self.stride(d) * size;
  }
  const IndexParams params{
      iteration_shape(sizes), byte_strides(out_strides), byte_strides(in_strides), {}, 0, 0, 0, {}, {}};
  const BufferRange to = buffer_range(out);
  launch_threads(kernel("indexing", "index_elements", {bits_type(self.element_size()), "IndexMode::get"}),
                 {static_cast<uint64_t>(out.numel())}, {128}, to, in, params, error_buffer(), to, to, to, to, to,
                 to, to, to);
}

/// flip_into by parts that kernels can count and walk.
void flip_by_parts(const Tensor& out, const Tensor& self, const DimensionSet& flipped) {
  const auto part = [&](int64_t dim, int64_t begin, int64_t size) {
    const int64_t from = flipped[dim] ? self.size(dim) - begin - size : begin;
    const Tensor to = out.narrow(dim, begin, size), source = self.narrow(dim, from, size);
    if (size > 1) return flip_by_parts(to, source, flipped);
    // A dimension of size 1 is none.
    const DimensionSet below = flipped & DimensionSet((uint64_t{1} << dim) - 1);
    flip_by_parts(to.squeeze(dim), source.squeeze(dim), below | (flipped >> (dim + 1) << dim));
  };
  if (out.dim() > int64_t{kMaxDimensions}) {
    const int64_t dim = std::min_element(out.sizes().begin(), out.sizes().end()) - out.sizes().begin();
    for (int64_t i = 0; i < out.size(dim); ++i) part(dim, i, 1);
  } else if (out.numel() > std::numeric_limits<int32_t>::max()) {
    const int64_t dim = std::max_element(out.sizes().begin(), out.sizes().end()) - out.sizes().begin();
    const int64_t half = out.size(dim) / 2;
    part(dim, 0, half);
    part(dim, half, out.size(dim) - half);
  } else {
    flip_into(out, self, flipped);
  }
}

/// Elements in reverse order.
Tensor flip(const Tensor& self, at::IntArrayRef dims) {
  const Tensor out = at::empty_like(self);
  const auto flipped = at::dim_list_to_bitset(dims, self.dim());
  if (out.numel() > 0) flip_by_parts(out, self, flipped);
  return out;
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) { METAL_IMPL(m, "flip", flip); }

}  // namespace
}  // namespace torch_metal
