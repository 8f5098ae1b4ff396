// Unique values: equal neighbours of a sorted sequence, found with the device's own sort, scan and scatter.
#include <ATen/WrapDimUtils.h>
#include <ATen/ops/aminmax.h>
#include <ATen/ops/bincount.h>

#include <algorithm>

#include "ops/registration.h"
#include "ops/runs.h"

namespace torch_metal {
namespace {

using at::Tensor;
using Tensors3 = std::tuple<Tensor, Tensor, Tensor>;

/// Positions in sorted order -> positions in the original.
Tensor unsorted(const Tensor& numbers, const Tensor& order) {
  return at::empty_like(numbers).scatter_(0, order, numbers);
}

/// A result that was not asked for.
Tensor absent(const Tensor& self) { return at::empty({0}, self.options().dtype(at::kLong)); }

/// What a tensor with no elements has.
Tensors3 nothing_unique(const Tensor& self, bool return_inverse) {
  return {at::empty({0}, self.options()),
          return_inverse ? at::empty(self.sizes(), self.options().dtype(at::kLong)) : absent(self), absent(self)};
}

/// The same along a dimension, which must be the one that is empty.
Tensors3 nothing_unique_along(const Tensor& self, int64_t dim) {
  TORCH_CHECK(self.size(dim) == 0,
              "There are 0 sized dimensions, and they aren't selected, so unique cannot be applied");
  TORCH_CHECK(std::count(self.sizes().begin(), self.sizes().end(), 0) == 1,
              "Number of zero sized dimensions is more than one, so unique cannot be applied ");
  return {at::empty(self.sizes(), self.options()), absent(self), absent(self)};
}

/// Many integers of a narrow range, counted instead of sorted; nothing for others.
std::optional<Tensors3> unique_by_counts(const Tensor& self, bool return_inverse, bool return_counts) {
  constexpr int64_t kMany = 1 << 14;
  const at::ScalarType dtype = self.scalar_type();
  const bool is_integer = at::isIntegralType(dtype, /*includeBool=*/false) && !at::isBarebonesUnsignedType(dtype);
  if (self.numel() < kMany || !is_integer) return std::nullopt;
  const auto [least, greatest] = at::aminmax(self);
  const int64_t low = least.item<int64_t>();
  const uint64_t range = static_cast<uint64_t>(greatest.item<int64_t>()) - static_cast<uint64_t>(low);
  if (range >= static_cast<uint64_t>(self.numel())) return std::nullopt;
  const Tensor places = self.reshape(-1).to(at::kLong).sub(low);
  const Tensor counts = at::bincount(places, {}, static_cast<int64_t>(range) + 1);
  const Tensor present = counts.nonzero().flatten();
  const Tensor numbers = counts.ne(0).cumsum(0).sub_(1);
  return Tensors3{present.add(low).to(dtype),
                  return_inverse ? numbers.index_select(0, places).view(self.sizes()) : absent(self),
                  return_counts ? counts.index_select(0, present) : absent(self)};
}

Tensors3 unique2(const Tensor& self, bool, bool return_inverse, bool return_counts) {
  if (self.numel() == 0) return nothing_unique(self, return_inverse);
  if (auto counted = unique_by_counts(self, return_inverse, return_counts)) return *counted;
  const auto [values, order] = self.reshape(-1).sort(/*stable=*/true, 0, false);
  const Runs runs = Runs::of(values);
  return {values.index_select(0, runs.starts()),
          return_inverse ? unsorted(runs.numbers(), order).view(self.sizes()) : absent(self),
          return_counts ? runs.lengths() : absent(self)};
}

std::tuple<Tensor, Tensor> unique(const Tensor& self, bool sorted, bool return_inverse) {
  auto [values, inverse, counts] = unique2(self, sorted, return_inverse, false);
  return {values, inverse};
}

Tensor rows_differ(const Tensor& rows) { return rows.slice(0, 1).ne(rows.slice(0, 0, -1)).any(1); }

Tensors3 unique_consecutive(const Tensor& self, bool return_inverse, bool return_counts, std::optional<int64_t> dim) {
  const int64_t d = dim ? at::maybe_wrap_dim(*dim, self.dim()) : 0;
  if (self.numel() == 0) return dim ? nothing_unique_along(self, d) : nothing_unique(self, return_inverse);
  const Tensor sequence = dim ? self : self.reshape(-1);
  const Tensor rows =
      sequence.dim() == 0 ? sequence.reshape({1, 1}) : sequence.movedim(d, 0).reshape({sequence.size(d), -1});
  const Runs runs(rows_differ(rows));
  return {sequence.dim() == 0 ? sequence.clone() : sequence.index_select(d, runs.starts()),
          return_inverse ? (dim ? runs.numbers() : runs.numbers().view(self.sizes())) : absent(self),
          return_counts ? runs.lengths() : absent(self)};
}

Tensors3 unique_dim_consecutive(const Tensor& self, int64_t dim, bool return_inverse, bool return_counts) {
  return torch_metal::unique_consecutive(self, return_inverse, return_counts, dim);
}

Tensors3 unique_dim(const Tensor& self, int64_t dim, bool, bool return_inverse, bool return_counts) {
  const int64_t d = at::maybe_wrap_dim(dim, self.dim());
  if (self.numel() == 0) return nothing_unique_along(self, d);
  const Tensor rows = self.movedim(d, 0).reshape({self.size(d), -1});
  // Stable sorts by the last column, then by the one before it: lexicographic order in the end.
  Tensor order = at::arange(rows.size(0), rows.options().dtype(at::kLong));
  for (int64_t column = rows.size(1) - 1; column >= 0; --column) {
    const Tensor keys = rows.select(1, column).index_select(0, order);
    order = order.index_select(0, keys.argsort(/*stable=*/true, 0, false));
  }
  const Runs runs(rows_differ(rows.index_select(0, order)));
  return {self.index_select(d, order.index_select(0, runs.starts())),
          return_inverse ? unsorted(runs.numbers(), order) : absent(self), return_counts ? runs.lengths() : absent(self)};
}

}  // namespace

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL(m, "_unique", unique);
  METAL_IMPL(m, "_unique2", unique2);
  METAL_IMPL(m, "unique_consecutive", unique_consecutive);
  METAL_IMPL(m, "unique_dim_consecutive", unique_dim_consecutive);
  METAL_IMPL(m, "unique_dim", unique_dim);
}

}  // namespace torch_metal
