// fill_ and zero_: the value travels as bits of the tensor's dtype.
#include <ATen/Dispatch_v2.h>
#include <ATen/TensorIterator.h>

#include <cstring>

#include "ops/copy_layout.h"
#include "ops/iteration.h"
#include "ops/registration.h"

namespace torch_metal {

namespace {

/// One element repeated over 16 bytes.
struct alignas(16) Pattern {
  char bytes[16];
};

Pattern pattern_of(const at::Scalar& value, at::ScalarType dtype) {
  Pattern pattern;
  AT_DISPATCH_V2(dtype, "fill_", AT_WRAP([&] {
                   const scalar_t element = value.to<scalar_t>();
                   for (size_t i = 0; i < sizeof(pattern); i += sizeof(element))
                     std::memcpy(pattern.bytes + i, &element, sizeof(element));
                 }),
                 AT_EXPAND(AT_ALL_TYPES_AND_COMPLEX), AT_EXPAND(AT_BAREBONES_UNSIGNED_TYPES), at::kBool, at::kHalf,
                 at::kBFloat16, at::kComplexHalf, AT_EXPAND(AT_FLOAT8_TYPES));
  return pattern;
}

void fill_bits(at::Tensor& self, const Pattern& pattern) {
  if (self.numel() == 0) return;
  auto iterator = at::TensorIterator::nullary_op(self);
  for_each_part(iterator, [&](const auto& piece) {
    const BufferRange to = operand(piece, 0);
    const size_t size = piece.element_size(0);
    if (piece.is_contiguous()) {
      const uint64_t bytes = piece.numel() * size;
      const size_t width = (to.offset | bytes) % 16 == 0 ? 16 : size;
      launch_threads(kernel("fill", "fill_dense", {bits_type(width)}), {bytes / width}, {256}, to, pattern);
    } else {
      const CopyGrid g = copy_grid(piece);
      launch_threads(kernel("fill", "fill_strided", {bits_type(size), step_along_x(g.layout.to[0])}), g.grid,
                     g.threadgroup, to, pattern, g.layout);
    }
  });
}

at::Tensor& fill_scalar(at::Tensor& self, const at::Scalar& value) {
  fill_bits(self, pattern_of(value, self.scalar_type()));
  return self;
}

at::Tensor& fill_tensor(at::Tensor& self, const at::Tensor& value) {
  TORCH_CHECK(value.dim() == 0, "fill_ only supports 0-dimension value tensor but got tensor with ", value.dim(),
              " dimensions.");
  return value.is_cpu() ? self.fill_(value.item()) : self.copy_(value);
}

at::Tensor& zero_(at::Tensor& self) {
  fill_bits(self, Pattern{});
  return self;
}

}  // namespace

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL(m, "fill_.Scalar", fill_scalar);
  METAL_IMPL(m, "fill_.Tensor", fill_tensor);
  METAL_IMPL(m, "zero_", zero_);
}

}  // namespace torch_metal
