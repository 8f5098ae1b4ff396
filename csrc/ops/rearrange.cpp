// Elements repeated, channels shuffled, slices copied, by way of indexing and views; rolls, by copies.
#include <ATen/WrapDimUtils.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/roll_native.h>
#include <ATen/ops/searchsorted.h>

#include <limits>

#include "ops/copy_layout.h"
#include "ops/registration.h"
#include "ops/results.h"

namespace torch_metal {
namespace {

using at::Tensor;

/// i, repeats[i] times, for each i: the number of ends at or before each position of the output.
Tensor repeat_interleave(const Tensor& repeats, std::optional<int64_t> output_size) {
  TORCH_CHECK(repeats.dim() == 1, "repeat_interleave only accept 1D vector as repeat");
  TORCH_CHECK(repeats.scalar_type() == at::kLong || repeats.scalar_type() == at::kInt,
              "repeats has to be Long or Int tensor");
  if (repeats.size(0) == 0) return at::empty_like(repeats);
  const Tensor ends = repeats.cumsum(0);
  TORCH_CHECK(repeats.ge(0).all().item<bool>(), "repeats can not be negative");
  const int64_t total = ends[-1].item<int64_t>();
  TORCH_CHECK(!output_size || *output_size == total, "allocated size does not match required size");
  return at::searchsorted(ends, at::arange(total, ends.options()), /*out_int32=*/false, /*right=*/true)
      .to(repeats.scalar_type());
}

Tensor channel_shuffle(const Tensor& self, int64_t groups) {
  TORCH_CHECK(self.dim() > 2, "channel_shuffle expects input with > 2 dims, but got input with sizes ", self.sizes());
  TORCH_CHECK(groups > 0, "Number of groups to divide channels in must be positive.", " Value of groups:", groups);
  const int64_t channels = self.size(1);
  TORCH_CHECK(channels % groups == 0, "Number of channels must be divisible by groups. Got ", channels,
              " channels and ", groups, " groups.");
  if (self.numel() == 0) return self.alias();
  at::DimVector grouped(self.sizes());
  grouped[1] = channels / groups;
  grouped.insert(grouped.begin() + 1, groups);
  const auto format = self.suggest_memory_format();
  return self.reshape(grouped).transpose(1, 2).reshape(self.sizes()).contiguous(format);
}

Tensor& narrow_copy_out(const Tensor& self, int64_t dim, int64_t start, int64_t length, Tensor& out) {
  TORCH_CHECK(out.scalar_type() == self.scalar_type(), "Expected out tensor to have dtype ", self.scalar_type(),
              ", but got ", out.scalar_type(), " instead");
  return give(self.narrow(dim, start, length), out);
}

/// Moves `count` elements of each row from place `from` of one dense matrix to place `to` of another.
void move_columns(const Tensor& out, int64_t to, const Tensor& self, int64_t from, int64_t count, int64_t columns) {
  if (count == 0) return;
  CopyLayout layout{};
  layout.dims = 2;
  layout.sizes[0] = static_cast<uint32_t>(count);
  layout.sizes[1] = static_cast<uint32_t>(self.numel() / columns);
  layout.to[0] = layout.from[0] = 1;
  layout.to[1] = layout.from[1] = static_cast<int32_t>(columns);
  move_strided(layout, self.element_size(), elements_from(out, to), elements_from(self, from));
}

/// Along one dimension of a dense tensor the two parts of each row change places; all else is composed.
Tensor roll(const Tensor& self, at::IntArrayRef shifts, at::IntArrayRef dims) {
  const bool is_simple = shifts.size() == 1 && dims.size() == 1 && self.dim() > 0 && self.is_contiguous();
  if (!is_simple || self.numel() == 0 || self.numel() > std::numeric_limits<int32_t>::max())
    return at::native::roll(self, shifts, dims);
  const int64_t dim = at::maybe_wrap_dim(dims[0], self.dim()), size = self.size(dim);
  const int64_t inner = c10::multiply_integers(self.sizes().slice(dim + 1));
  const int64_t columns = size * inner, shift = (shifts[0] % size + size) % size * inner;
  const Tensor out = at::empty_like(self, at::MemoryFormat::Contiguous);
  move_columns(out, shift, self, 0, columns - shift, columns);
  move_columns(out, 0, self, columns - shift, shift, columns);
  return out;
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL(m, "roll", roll);
  METAL_IMPL(m, "repeat_interleave.Tensor", repeat_interleave);
  METAL_IMPL(m, "channel_shuffle", channel_shuffle);
  METAL_IMPL(m, "narrow_copy.out", narrow_copy_out);
}

}  // namespace
}  // namespace torch_metal
