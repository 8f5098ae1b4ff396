// Elements in reverse order: copies whose source has negative strides.
#include "ops/flip.h"

#include <ATen/WrapDimUtilsMulti.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <bitset>
#include <limits>

#include "iteration_params.h"
#include "ops/copy_layout.h"
#include "ops/registration.h"
#include "runtime/launch.h"

namespace torch_metal {
namespace {

using at::Tensor;
using DimensionSet = std::bitset<at::dim_bitset_size>;

/// A copy whose source has negative strides.
void flip_at_once(const Tensor& out, const Tensor& self, const DimensionSet& flipped) {
  CopyLayout layout{};
  BufferRange in = buffer_range(self);
  for (const int64_t d : inner_to_outer(out)) {
    const uint32_t i = layout.dims++;
    layout.sizes[i] = static_cast<uint32_t>(self.size(d));
    layout.to[i] = static_cast<int32_t>(out.stride(d));
    layout.from[i] = static_cast<int32_t>(flipped[d] ? -self.stride(d) : self.stride(d));
    if (flipped[d]) in.offset += (self.size(d) - 1) * self.stride(d) * self.element_size();
  }
  move_strided(layout, self.element_size(), buffer_range(out), in);
}

/// Elements from the first to the last of a dimension, without the first.
int64_t extent(const Tensor& tensor, int64_t dim) { return (tensor.size(dim) - 1) * tensor.stride(dim); }

/// flip_at_once by parts that kernels can count and walk.
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
  } else if (const Tensor* large = !fits_32_bits(out) ? &out : !fits_32_bits(self) ? &self : nullptr) {
    int64_t dim = 0;
    for (int64_t d = 1; d < out.dim(); ++d)
      if (extent(*large, d) > extent(*large, dim)) dim = d;
    const int64_t half = out.size(dim) / 2;
    part(dim, 0, half);
    part(dim, half, out.size(dim) - half);
  } else {
    flip_at_once(out, self, flipped);
  }
}

}  // namespace

void flip_into(const Tensor& out, const Tensor& self, at::IntArrayRef dims) {
  if (out.numel() > 0) flip_by_parts(out, self, at::dim_list_to_bitset(dims, self.dim()));
}

namespace {

Tensor flip(const Tensor& self, at::IntArrayRef dims) {
  const Tensor out = at::empty_like(self);
  flip_into(out, self, dims);
  return out;
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) { METAL_IMPL(m, "flip", flip); }

}  // namespace
}  // namespace torch_metal
