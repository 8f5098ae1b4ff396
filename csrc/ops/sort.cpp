// Sorting along a dimension, and what is read off sorted rows: topk, kthvalue, median.
#include <ATen/MemoryOverlap.h>
#include <ATen/WrapDimUtils.h>
#include <ATen/native/ReduceOpsUtils.h>
#include <ATen/native/SortingUtils.h>

#include <algorithm>
#include <functional>
#include <limits>

#include "ops/structured.h"
#include "runtime/launch.h"
#include "sort_params.h"

namespace torch_metal {
namespace {

using at::Tensor;

constexpr int64_t kMaxRow = std::numeric_limits<int32_t>::max();  // elements that places in a row count

/// The rows of a dense tensor, sorted along its last dimension, and where the elements came from.
struct Sorted {
  Tensor values, indices;
};

/// The first `kept` elements of sorted rows: blocks are sorted, then runs are merged in pairs, which halves their number.
/// They go to `result` if it is given: dense, and elsewhere than the rows.
Sorted sort_rows(const Tensor& rows, bool descending, int64_t kept, const Sorted* result = nullptr) {
  const uint64_t size = rows.size(-1);
  auto sizes = rows.sizes().vec();
  const auto room_for = [&](uint64_t row, at::ScalarType place) {
    sizes.back() = row;
    return Sorted{at::empty(sizes, rows.options()), at::empty(sizes, rows.options().dtype(place))};
  };
  if (rows.numel() == 0 || kept == 0) return room_for(kept, at::kLong);
  TORCH_CHECK_NOT_IMPLEMENTED(size <= uint64_t{kMaxRow}, "metal: sorting rows of 2^31 elements or more");
  const uint64_t count = rows.numel() / size;
  const std::string_view type = metal_type(rows.scalar_type());

  // Runs of `width` elements become runs twice that long, or of `kept`.
  SortParams p{};
  p.descending = descending;
  const auto step = [&](uint64_t row, uint64_t width, uint64_t longer) {
    const uint64_t runs = (row + longer - 1) / longer;
    p.size = row;
    p.width = width;
    p.kept = std::min<uint64_t>(longer, kept);
    p.out_size = (runs - 1) * p.kept + std::min<uint64_t>(row - (runs - 1) * longer, p.kept);
    p.tiles = (p.kept + kSortBlock - 1) / kSortBlock;
    if (runs > 1) return std::tuple{room_for(p.out_size, at::kInt), runs, "int"};
    return std::tuple{result ? *result : room_for(p.out_size, at::kLong), runs, "long"};
  };
  const auto threads = [](uint64_t elements) {
    return Extent{std::clamp<uint64_t>((elements / kSortItems + 31) / 32 * 32, 32, kSortBlock / kSortItems)};
  };

  auto [sorted, runs, place] = step(size, 1, kSortBlock);
  launch_groups(kernel("sort", "sort_blocks", {type, place}), {runs, count}, threads(size + kSortItems - 1), rows,
                sorted.values, sorted.indices, p);
  while (runs > 1) {
    const std::string_view before = place;
    const Sorted from = sorted;
    std::tie(sorted, runs, place) = step(p.out_size, p.kept, 2 * uint64_t{p.kept});
    launch_groups(kernel("sort", "sort_merge", {type, before, place}), {runs * p.tiles, count},
                  threads(p.kept + kSortItems - 1), from.values, from.indices, sorted.values, sorted.indices, p);
  }
  return sorted;
}

/// Whether selecting is less work than sorting.
bool suits_selection(int64_t size, int64_t wanted) {
  constexpr int64_t kLongRow = 512, kFewOf = 4;
  return size >= kLongRow && wanted > 0 && wanted <= std::min<int64_t>(size, kSelectBlock) / kFewOf;
}

/// The first elements of sorted rows, of which there are many more: the first of each block, the first of these, and so
/// on until they are few enough to be sorted at once.
Sorted first_of_rows(const Tensor& rows, bool descending, int64_t wanted) {
  Sorted left{rows, Tensor()};
  const std::string_view type = metal_type(rows.scalar_type());
  auto sizes = rows.sizes().vec();
  do {
    const uint64_t size = left.values.size(-1), count = left.values.numel() / size;
    const uint64_t blocks = (size + kSelectBlock - 1) / kSelectBlock, rest = size - (blocks - 1) * kSelectBlock;
    sizes.back() = (blocks - 1) * wanted + std::min<int64_t>(wanted, rest);
    const Sorted to{at::empty(sizes, rows.options()), at::empty(sizes, rows.options().dtype(at::kInt))};
    const SelectParams params{static_cast<uint32_t>(size), static_cast<uint32_t>(sizes.back()),
                              static_cast<uint32_t>(wanted), descending};
    const bool placed = left.indices.defined();
    launch_groups(kernel("sort", "select_first", {type, placed ? "true" : "false"}), {blocks, count}, {kSimdWidth},
                  left.values, placed ? left.indices : to.indices, to.values, to.indices, params);
    left = to;
  } while (left.values.size(-1) > kSortBlock && suits_selection(left.values.size(-1), wanted));
  const Sorted sorted = sort_rows(left.values, descending, wanted);
  return {sorted.values, left.indices.gather(-1, sorted.indices)};
}

/// The rows that lie along a dimension.
Tensor rows_along(const Tensor& self, int64_t dim) {
  return self.dim() == 0 ? self.reshape({1}) : self.movedim(dim, -1);
}

/// Sorts along `dim`, which comes last in the result.
Sorted sort_along(const Tensor& self, int64_t dim, bool descending) {
  const Tensor rows = rows_along(self, dim).contiguous();
  return sort_rows(rows, descending, rows.size(-1));
}

/// The first elements along `dim`, as many as there is room for.
void sort_into(const Tensor& values, const Tensor& indices, const Tensor& self, int64_t dim, bool descending) {
  const Tensor rows = rows_along(self, dim).contiguous();
  const Sorted out{rows_along(values, dim), rows_along(indices, dim)};
  const auto has_own_rows = [&](const Tensor& t) { return t.is_contiguous() && !t.is_alias_of(rows); };
  const bool in_place = has_own_rows(out.values) && has_own_rows(out.indices) && !out.values.is_alias_of(out.indices);
  const Sorted sorted = sort_rows(rows, descending, out.values.size(-1), in_place ? &out : nullptr);
  if (in_place) return;
  out.values.copy_(sorted.values);
  out.indices.copy_(sorted.indices);
}

struct Sort : at::meta::structured_sort_stable {
  void impl(const Tensor& self, std::optional<bool>, int64_t dim, bool descending, const Tensor& values,
            const Tensor& indices) {
    sort_into(values, indices, self, at::maybe_wrap_dim(dim, self.dim()), descending);
  }
};

/// The first `k` of rows that kernels cannot count: of the first of either half.
Sorted topk_of_halves(const Tensor& rows, int64_t k, bool largest) {
  const int64_t size = rows.size(-1), half = size / 2;
  if (size <= kMaxRow) {
    const Tensor dense = rows.contiguous();
    return suits_selection(size, k) ? first_of_rows(dense, largest, k) : sort_rows(dense, largest, std::min(k, size));
  }
  const Sorted left = topk_of_halves(rows.narrow(-1, 0, half), k, largest);
  const Sorted right = topk_of_halves(rows.narrow(-1, half, size - half), k, largest);
  const Tensor indices = at::cat({left.indices, right.indices.add(half)}, -1);
  const Sorted both = sort_rows(at::cat({left.values, right.values}, -1), largest, k);
  return {both.values, indices.gather(-1, both.indices)};
}

struct TopK : at::meta::structured_topk {
  void impl(const Tensor& self, int64_t k, int64_t dim, bool largest, bool, const Tensor& values,
            const Tensor& indices) {
    if (self.dim() == 0) {
      values.copy_(self);
      indices.zero_();
      return;
    }
    const bool selects = self.numel() > 0 && suits_selection(self.size(dim), k);
    if (self.size(dim) <= kMaxRow && !selects) return sort_into(values, indices, self, dim, largest);
    const Sorted sorted = topk_of_halves(self.movedim(dim, -1), k, largest);
    values.copy_(sorted.values.movedim(-1, dim));
    indices.copy_(sorted.indices.movedim(-1, dim));
  }
};

// ---- One element of each sorted row ----

using Pick = std::function<Tensor(const Tensor& rows)>;  ///< rows -> a position in each, once sorted

void select_sorted(const Tensor& self, int64_t dim, bool keepdim, const Pick& pick, Tensor& values, Tensor& indices) {
  if (values.defined()) at::assert_no_overlap(self, values);
  dim = at::maybe_wrap_dim(dim, self.dim());
  at::native::_reduction_with_indices_allocate_or_resize_output(values, indices, self, dim, keepdim);
  if (self.dim() == 0) {
    values.copy_(self);
    indices.zero_();
    return;
  }
  if (self.numel() > 0) {
    const Sorted sorted = sort_along(self, dim, /*descending=*/false);
    const Tensor position = pick(sorted.values);
    values.copy_(sorted.values.gather(-1, position).movedim(-1, dim));
    indices.copy_(sorted.indices.gather(-1, position).movedim(-1, dim));
  }
  if (!keepdim) {
    values.squeeze_(dim);
    indices.squeeze_(dim);
  }
}

/// The same position in every row.
Tensor constant_position(const Tensor& rows, int64_t position) {
  auto sizes = rows.sizes().vec();
  sizes.back() = 1;
  return at::full(sizes, position, rows.options().dtype(at::kLong));
}

Tensor numbers_in(const Tensor& rows) { return rows.eq(rows).sum(-1, /*keepdim=*/true); }

/// The lower median; the first NaN if there is one.
Tensor median_position(const Tensor& rows) {
  const int64_t size = rows.size(-1);
  if (!rows.is_floating_point()) return constant_position(rows, (size - 1) / 2);
  const Tensor numbers = numbers_in(rows);
  return at::where(numbers.lt(size), numbers, constant_position(rows, (size - 1) / 2));
}

/// The lower median of what is not NaN.
Tensor nanmedian_position(const Tensor& rows) {
  if (!rows.is_floating_point()) return median_position(rows);
  return numbers_in(rows).sub(1).clamp_min(0).div(2, "floor");
}

/// The last of the smallest of the most frequent values: where the running count of equal neighbours is highest.
Tensor mode_position(const Tensor& rows) {
  const Tensor positions = at::arange(rows.size(-1), rows.options().dtype(at::kLong)).expand(rows.sizes());
  const Tensor differs = rows.slice(-1, 1).ne(rows.slice(-1, 0, -1));
  const Tensor starts = at::constant_pad_nd(positions.slice(-1, 1).mul(differs), {1, 0});
  return positions.sub(std::get<0>(starts.cummax(-1))).argmax(-1, /*keepdim=*/true);
}

std::tuple<Tensor&, Tensor&> mode_out(const Tensor& self, int64_t dim, bool keepdim, Tensor& values,
                                      Tensor& indices) {
  at::native::zero_numel_check_dims(self, at::maybe_wrap_dim(dim, self.dim()), "mode()");
  select_sorted(self, dim, keepdim, mode_position, values, indices);
  return {values, indices};
}

std::tuple<Tensor, Tensor> mode(const Tensor& self, int64_t dim, bool keepdim) {
  Tensor values, indices;
  mode_out(self, dim, keepdim, values, indices);
  return {values, indices};
}

std::tuple<Tensor&, Tensor&> kthvalue_out(const Tensor& self, int64_t k, int64_t dim, bool keepdim, Tensor& values,
                                          Tensor& indices) {
  const int64_t wrapped = at::maybe_wrap_dim(dim, self.dim());
  at::native::zero_numel_check_dims(self, wrapped, "kthvalue()");
  TORCH_CHECK(k >= 1 && k <= (self.dim() == 0 ? 1 : self.size(wrapped)),
              "kthvalue(): selected number k out of range for dimension ", wrapped);
  select_sorted(
      self, wrapped, keepdim, [k](const Tensor& rows) { return constant_position(rows, k - 1); }, values, indices);
  return {values, indices};
}

std::tuple<Tensor&, Tensor&> median_out(const Tensor& self, int64_t dim, bool keepdim, Tensor& values,
                                        Tensor& indices) {
  at::native::zero_numel_check_dims(self, at::maybe_wrap_dim(dim, self.dim()), "median()");
  select_sorted(self, dim, keepdim, median_position, values, indices);
  return {values, indices};
}

std::tuple<Tensor&, Tensor&> nanmedian_out(const Tensor& self, int64_t dim, bool keepdim, Tensor& values,
                                           Tensor& indices) {
  at::native::zero_numel_check_dims(self, at::maybe_wrap_dim(dim, self.dim()), "median()");
  select_sorted(self, dim, keepdim, nanmedian_position, values, indices);
  return {values, indices};
}

/// Of all elements; NaN if there are none.
Tensor median_of_all(const Tensor& self, const Pick& pick) {
  if (self.numel() == 0) return at::full({}, NAN, self.options());
  Tensor values, indices;
  select_sorted(self.reshape(-1), 0, /*keepdim=*/false, pick, values, indices);
  return values;
}
Tensor median(const Tensor& self) { return median_of_all(self, median_position); }
Tensor nanmedian(const Tensor& self) { return median_of_all(self, nanmedian_position); }

}  // namespace

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_STRUCTURED_CLASS(m, "sort.values_stable", Sort);
  METAL_STRUCTURED_CLASS(m, "topk.values", TopK);
  METAL_IMPL(m, "kthvalue.values", kthvalue_out);
  METAL_IMPL(m, "mode", mode);
  METAL_IMPL(m, "mode.values", mode_out);
  METAL_IMPL(m, "median", median);
  METAL_IMPL(m, "median.dim_values", median_out);
  METAL_IMPL(m, "nanmedian", nanmedian);
  METAL_IMPL(m, "nanmedian.dim_values", nanmedian_out);
}

}  // namespace torch_metal
