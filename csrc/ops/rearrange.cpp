// Elements repeated, channels shuffled, slices copied, by way of indexing and views.
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/searchsorted.h>

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

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL(m, "repeat_interleave.Tensor", repeat_interleave);
  METAL_IMPL(m, "channel_shuffle", channel_shuffle);
  METAL_IMPL(m, "narrow_copy.out", narrow_copy_out);
}

}  // namespace
}  // namespace torch_metal
