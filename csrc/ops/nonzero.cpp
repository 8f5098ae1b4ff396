// nonzero, and what selects by a mask.
#include <ATen/ExpandUtils.h>
#include <ATen/MemoryOverlap.h>
#include <ATen/ceil_div.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/index.h>
#include <ATen/ops/ne.h>
#include <ATen/ops/nonzero.h>

#include <limits>
#include <vector>

#include <algorithm>

#include "nonzero_params.h"
#include "ops/iteration.h"
#include "ops/registration.h"
#include "runtime/launch.h"

namespace torch_metal {
namespace {

using at::Tensor;

constexpr Extent kSimdgroup{32};

/// For masks of more elements or dimensions than the kernels count: positions in pieces of it, then coordinates.
void nonzero_by_pieces(const Tensor& mask, Tensor& out) {
  constexpr int64_t kPiece = int64_t{1} << 30;
  const Tensor flat = mask.view(-1);
  std::vector<Tensor> positions;
  for (int64_t begin = 0; begin < flat.numel(); begin += kPiece) {
    const Tensor piece = flat.narrow(0, begin, std::min(kPiece, flat.numel() - begin));
    positions.push_back(at::nonzero(piece).view(-1).add_(begin));
  }
  Tensor rest = at::cat(positions);
  at::native::resize_output(out, {rest.numel(), mask.dim()});
  for (int64_t d = mask.dim() - 1; d >= 0; --d) {
    out.select(1, d).copy_(rest.remainder(mask.size(d)));
    rest = rest.div(mask.size(d), "floor");
  }
}

Tensor& nonzero_out(const Tensor& self, Tensor& out) {
  TORCH_CHECK(out.scalar_type() == at::kLong,
              "nonzero: Expected out tensor to have scalar type Long but got scalar type ", out.scalar_type());
  TORCH_CHECK(self.device() == out.device(), "expected self and out to be on the same device, but got out on ",
              out.device(), " and self on ", self.device());
  const Tensor mask = (self.scalar_type() == at::kBool ? self : self.ne(0)).contiguous();
  if (mask.numel() > std::numeric_limits<int32_t>::max() || mask.dim() > int64_t{kMaxDimensions}) {
    nonzero_by_pieces(mask, out);
    return out;
  }
  at::DimVector sizes(self.sizes().rbegin(), self.sizes().rend());
  NonzeroParams params{iteration_shape(mask.numel() == 0 ? at::DimVector() : sizes),
                       static_cast<uint32_t>(mask.numel()), 0, 0};
  const auto chunks = static_cast<uint32_t>(at::ceil_div<int64_t>(mask.numel(), kNonzeroChunk));
  const Tensor counts = at::empty({chunks}, self.options().dtype(at::kInt));
  const Tensor total = at::empty({}, self.options().dtype(at::kLong));
  launch_groups(kernel("nonzero", "count_true"), {chunks}, kSimdgroup, counts, mask, params);
  launch_groups(kernel("nonzero", "scan_counts"), {1}, kSimdgroup, counts, total, chunks);
  const int64_t rows = total.item<int64_t>();
  // As elsewhere, each dimension's coordinates are contiguous in a result of nonzero's own.
  if (at::native::resize_output(out, {rows, self.dim()})) out.as_strided_({rows, self.dim()}, {1, std::max<int64_t>(rows, 1)});
  if (out.numel() == 0) return out;
  params.row_stride = out.stride(0);
  params.column_stride = out.stride(1);
  launch_groups(kernel("nonzero", "write_coordinates"), {chunks}, kSimdgroup, out, counts, mask, params);
  return out;
}

Tensor nonzero(const Tensor& self) {
  Tensor out = at::empty({0}, self.options().dtype(at::kLong));
  return nonzero_out(self, out);
}

/// The first `size` rows of nonzero; `fill_value` where there are fewer.
Tensor& nonzero_static_out(const Tensor& self, int64_t size, int64_t fill_value, Tensor& out) {
  TORCH_CHECK(size >= 0, "nonzero_static: 'size' must be an non-negative integer");
  TORCH_CHECK(out.scalar_type() == at::kLong, "nonzero_static: Expected out tensor to have scalar type ", at::kLong,
              " but got scalar type ", out.scalar_type());
  TORCH_CHECK(out.device() == self.device(), "nonzero_static: expected self and out to be on the same device, but got "
              "out on ", out.device(), " and self on ", self.device());
  at::native::resize_output(out, {size, self.dim()});
  if (out.numel() == 0) return out;
  const Tensor places = torch_metal::nonzero(self);
  const int64_t found = std::min(places.size(0), size);
  out.narrow(0, 0, found).copy_(places.narrow(0, 0, found));
  out.narrow(0, found, size - found).fill_(fill_value);
  return out;
}

Tensor nonzero_static(const Tensor& self, int64_t size, int64_t fill_value) {
  Tensor out = at::empty({0}, self.options().dtype(at::kLong));
  return nonzero_static_out(self, size, fill_value, out);
}

Tensor masked_select(const Tensor& self, const Tensor& mask) {
  TORCH_CHECK(mask.scalar_type() == at::kBool, "masked_select: expected BoolTensor for mask");
  const auto [where, from] = at::expand_outplace(mask, self);
  return at::index(from->reshape(-1), {where->reshape(-1)});  // one index tensor is less to read than one a dimension
}

Tensor& masked_select_out(const Tensor& self, const Tensor& mask, Tensor& out) {
  TORCH_CHECK(self.scalar_type() == out.scalar_type(),
              "masked_select(): self and result must have the same scalar type");
  at::assert_no_internal_overlap(out);
  at::assert_no_overlap(out, self);
  at::assert_no_overlap(out, mask);
  const Tensor selected = torch_metal::masked_select(self, mask);
  at::native::resize_output(out, selected.sizes());
  return out.copy_(selected);
}

Tensor& masked_scatter_(Tensor& self, const Tensor& mask, const Tensor& source) {
  TORCH_CHECK(self.scalar_type() == source.scalar_type(),
              "masked_scatter_: expected self and source to have same dtypes but got ", self.scalar_type(), " and ",
              source.scalar_type());
  TORCH_CHECK(mask.scalar_type() == at::kBool, "masked_scatter_ only supports boolean masks, but got mask with dtype ",
              mask.scalar_type());
  const Tensor where = mask.expand(self.sizes());
  if (self.numel() == 0) return self;
  const Tensor target = self.is_contiguous() ? self : self.contiguous();
  const Tensor places = torch_metal::nonzero(where.reshape(-1)).view(-1);
  TORCH_CHECK(places.size(0) <= source.numel(),
              "masked_scatter_: expected source to have at least as many elements as "
              "mask has ones, but got ",
              source.numel(), " and ", places.size(0));
  target.view(-1).index_put_({places}, source.reshape(-1).slice(0, 0, places.size(0)));
  if (!target.is_same(self)) self.copy_(target);
  return self;
}

}  // namespace

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL(m, "nonzero", nonzero);
  METAL_IMPL(m, "nonzero.out", nonzero_out);
  METAL_IMPL(m, "nonzero_static", nonzero_static);
  METAL_IMPL(m, "nonzero_static.out", nonzero_static_out);
  METAL_IMPL(m, "masked_select", masked_select);
  METAL_IMPL(m, "masked_select.out", masked_select_out);
  METAL_IMPL(m, "masked_scatter_", masked_scatter_);
}

}  // namespace torch_metal
