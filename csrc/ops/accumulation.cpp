// Values combined with what is at indexed places (kernels/accumulation.metal): line by line where lines share no place
// and there are enough of them; otherwise by atomic additions, or by sorting the places.
#include <ATen/Context.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <limits>

#include "ops/copy_layout.h"
#include "ops/elementwise.h"
#include "ops/index_layout.h"
#include "ops/indexing.h"
#include "ops/iteration.h"
#include "runtime/launch.h"

namespace torch_metal {

using at::Tensor;
using at::TensorIteratorBase;
using at::native::ReductionType;

namespace {

std::string_view accumulate_op(ReductionType reduction) {
  switch (reduction) {
    case ReductionType::SUM: return "sum_op";
    case ReductionType::PROD: return "product_op";
    case ReductionType::MAX: return "maximum_op";
    case ReductionType::MIN: return "minimum_op";
    case ReductionType::MEAN: break;
  }
  TORCH_CHECK_NOT_IMPLEMENTED(false, "accumulation on metal: no such reduction");
}

/// Dimensions of an iterator, and how many positions they have together.
struct Part {
  Dimensions dimensions;
  int64_t count = 1;

  void add(int dimension, int64_t size) {
    dimensions.add(dimension);
    count *= size;
  }
};

// ---- Lines ----

/// Two elements go to one place only if they are in one line; steps go along it.
struct Lines {
  Part lines, steps;

  explicit Lines(const TensorIteratorBase& iter) {
    for (int d = 0; d < iter.ndim(); ++d) (iter.strides(0)[d] != 0 ? lines : steps).add(d, iter.shape()[d]);
  }

  /// Whether each line can be gone along by a thread while the device is kept busy.
  bool are_many() const { return steps.count <= std::max<int64_t>(256, 64 * lines.count); }
  /// The same by a SIMD-group, which takes 32 steps at a time.
  bool are_many_groups() const { return steps.count <= std::max<int64_t>(1 << 13, 1024 * lines.count); }
};

/// Whether SIMD-groups can go along lines: steps are contiguous, and a 32-bit number says where in a line a place is.
bool suits_groups(const TensorIteratorBase& iter, const Lines& split, const IndexedDimensions& indexed) {
  const bool shuffles = iter.dtype(0) != at::kBool && iter.dtype(0) != at::kComplexHalf;
  if (index_count(iter) != 1 || split.steps.count < 16 || !shuffles) return false;
  const auto stride = [&](int operand) { return split.steps.dimensions.strides(iter, operand)[0]; };
  const bool contiguous = stride(kFirstIndex) == iter.element_size(kFirstIndex) &&
                          (stride(1) == iter.element_size(1) || stride(1) == 0);
  return contiguous && indexed.sizes[0] * indexed.strides[0] <= std::numeric_limits<int32_t>::max();
}

/// What lines and indices reach of operand 0, as a tensor: dimensions of lines, then those that are indexed.
Tensor reached(const TensorIteratorBase& iter, const Dimensions& lines, const IndexedDimensions& indexed) {
  const int64_t size = iter.element_size(0);
  at::DimVector sizes = lines.sizes(iter), strides = lines.strides(iter, 0);
  sizes.append(indexed.sizes.begin(), indexed.sizes.end());
  strides.append(indexed.strides.begin(), indexed.strides.end());
  for (int64_t& stride : strides) stride /= size;
  const Tensor& out = iter.tensor(0);
  const auto bytes = static_cast<const char*>(iter.data_ptr(0)) - static_cast<const char*>(out.storage().data());
  return out.as_strided(sizes, strides, bytes / size);
}

/// Lets lines go to `wide` instead, a dense tensor of the shape of what they reach.
void redirect(LineParams& params, const Tensor& wide, size_t indices) {
  const size_t lines = wide.dim() - indices;
  const auto bytes = [&](size_t d) { return wide.stride(d) * wide.element_size(); };
  for (size_t d = 0; d < lines; ++d) params.lines.strides[0][d] = static_cast<uint32_t>(bytes(d));
  for (size_t i = 0; i < indices; ++i) params.indexed.step[i] = bytes(lines + i);
}

/// Sums and products of halves are kept as floats until they are done.
bool needs_floats(const TensorIteratorBase& iter, ReductionType reduction) {
  return at::isReducedFloatingType(iter.dtype(0)) &&
         (reduction == ReductionType::SUM || reduction == ReductionType::PROD);
}

/// `types` are a kernel's template arguments but for those that say how it walks; `sizes` those of elements.
void launch_lines(const TensorIteratorBase& iter, const Lines& split, const IndexedDimensions& indexed,
                  const LineParams& params, at::ArrayRef<std::string_view> types, at::ArrayRef<size_t> sizes,
                  const BufferRange& out) {
  c10::SmallVector<std::string_view, 5> arguments(types.begin(), types.end());
  Extent grid = grid_of(params.lines);
  if (suits_groups(iter, split, indexed)) {
    constexpr uint64_t kGroups = 4;
    LineParams p = params;
    p.lines = with_gap(params.lines);
    const std::string unit = unit_strides(params.steps, sizes);
    arguments.push_back(unit);
    grid = {kSimdWidth, grid.x, grid.y * grid.z};
    launch_threads(kernel("accumulation", "accumulate_line_groups", arguments), grid,
                   {kSimdWidth, std::min(grid.y, kGroups)}, out, operand(iter, 1), p, error_buffer(),
                   operand(iter, kFirstIndex));
    return;
  }
  constexpr uint64_t kThreads = 64;
  const uint64_t x = std::min(grid.x, kThreads);
  const std::string indices = std::to_string(index_count(iter)), unit = unit_strides(params.lines, sizes);
  arguments.push_back(indices);
  arguments.push_back(unit);
  launch_indexed(kernel("accumulation", "accumulate_lines", arguments), grid, {x, std::min(grid.y, kThreads / x)},
                 iter, out, operand(iter, 1), params);
}

void accumulate_lines(const TensorIteratorBase& iter, const IndexedDimensions& indexed, ReductionType reduction) {
  for_each_part(iter, [&](const auto& part) {
    const Lines split(part);
    LineParams params{index_layout(part, split.lines.dimensions), index_layout(part, split.steps.dimensions), 0,
                      indexed_sizes(indexed)};
    params.rounds = static_cast<uint32_t>(split.steps.count / params.steps.sizes[0].value);
    BufferRange out = operand(part, 0);
    auto sizes = element_sizes(part);
    Tensor narrow, wide;
    if (needs_floats(part, reduction)) {
      narrow = reached(part, split.lines.dimensions, indexed);
      wide = narrow.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true, at::MemoryFormat::Contiguous);
      redirect(params, wide, indexed.sizes.size());
      out = buffer_range(wide);
      sizes[0] = wide.element_size();
    }
    const std::string_view out_type = metal_type(wide.defined() ? at::kFloat : part.dtype(0));
    launch_lines(part, split, indexed, params, {out_type, metal_type(part.dtype(1)), accumulate_op(reduction)}, sizes,
                 out);
    if (wide.defined()) narrow.copy_(wide);
  });
}

/// To be sorted costs a value as much as it costs this many elements to become floats and narrow again.
constexpr int64_t kMostReached = 16;

/// Whether lines are the better way: there are enough of them, and what they reach is not much more than the values.
bool goes_by_lines(const TensorIteratorBase& iter, const IndexedDimensions& indexed, ReductionType reduction) {
  const Lines split(iter);
  const int64_t reached = split.lines.count * c10::multiply_integers(indexed.sizes);
  const bool many = suits_groups(iter, split, indexed) ? split.are_many_groups() : split.are_many();
  return many && (!needs_floats(iter, reduction) || reached <= kMostReached * iter.numel());
}

// ---- Runs of equal places ----

/// Dimensions along which an index varies, and the others.
struct Rows {
  Part keys, rows;

  explicit Rows(const TensorIteratorBase& iter) {
    for (int d = 0; d < iter.ndim(); ++d) (index_varies(iter, d) ? keys : rows).add(d, iter.shape()[d]);
  }

  bool fit_32_bits() const { return std::max(keys.count, rows.count) <= std::numeric_limits<int32_t>::max(); }

 private:
  static bool index_varies(const TensorIteratorBase& iter, int dimension) {
    for (int i = kFirstIndex; i < iter.ntensors(); ++i) {
      if (iter.strides(i)[dimension] != 0) return true;
    }
    return false;
  }
};

/// Where each element of the dimensions of keys goes, in bytes from the start of operand 0; -1 if that is nowhere.
Tensor target_offsets(const TensorIteratorBase& iter, const Part& keys, const IndexedDimensions& indexed) {
  const Tensor offsets = at::empty({keys.count}, iter.tensor(0).options().dtype(at::kLong));
  IndexParams params{index_layout(iter, keys.dimensions), indexed_sizes(indexed)};
  auto& strides = params.layout.strides;
  std::copy(std::begin(strides[0]), std::end(strides[0]), strides[1]);  // it is `in` that the kernel points into
  auto sizes = element_sizes(iter);
  sizes[0] = sizes[1] = sizeof(int64_t);
  const Extent grid = grid_of(params.layout);
  const BufferRange out = buffer_range(offsets);
  const Kernel& k = kernel("indexing", "index_elements", {"long", "IndexMode::offsets",
                                                          std::to_string(index_count(iter)),
                                                          unit_strides(params.layout, sizes)});
  launch_indexed(k, grid, threadgroup_of(grid), iter, out, out, params);
  return offsets;
}

/// Runs of elements that go to one place, found by sorting where each goes: the kernel has a thread for each element of
/// a row and each key. `arguments` are its template arguments but for those that say how it walks.
void launch_over_runs(const TensorIteratorBase& iter, const IndexedDimensions& indexed, std::string_view function,
                      at::ArrayRef<std::string> arguments) {
  if (iter.numel() == 0) return;
  const Rows split(iter);
  if (iter.ndim() > int(kMaxDimensions) || !iter.can_use_32bit_indexing() || !split.fit_32_bits()) {
    for_each_part(iter, [&](const auto& part) { launch_over_runs(part, indexed, function, arguments); });
    return;
  }
  const auto [keys, order] = at::sort(target_offsets(iter, split.keys, indexed), /*stable=*/true, /*dim=*/0,
                                      /*descending=*/false);
  const RunParams params{with_gap(index_layout(iter, split.rows.dimensions)),
                         iteration_shape(split.keys.dimensions.sizes(iter)),
                         byte_strides(split.keys.dimensions.strides(iter, 1)),
                         static_cast<uint32_t>(split.keys.count)};
  Extent grid = grid_of(params.outer);
  const bool along_rows = grid.x >= kSimdWidth;
  grid.y = split.keys.count;
  if (!along_rows) std::swap(grid.x, grid.y);
  c10::SmallVector<std::string_view, 4> all(arguments.begin(), arguments.end());
  const std::string unit = unit_strides(params.outer, {size_t(iter.element_size(0)), size_t(iter.element_size(1))});
  all.push_back(along_rows ? "true" : "false");
  all.push_back(unit);
  launch_threads(kernel("accumulation", function, all), grid, threadgroup_of(grid), operand(iter, 0), operand(iter, 1),
                 keys, order, params);
}

// ---- Atomic additions ----

constexpr uint64_t kCopies = 64;  // of places that many values go to

/// Whether values may be added in any order, by atomics that there are. Long rows go faster if their places are sorted.
bool goes_atomically(const TensorIteratorBase& iter, ReductionType reduction) {
  constexpr int64_t kLongRow = 32;
  constexpr std::array kTypes{at::kFloat, at::kInt, at::kLong, at::kComplexFloat};
  const bool has_atomics = std::find(kTypes.begin(), kTypes.end(), iter.dtype(0)) != kTypes.end();
  const bool in_any_order = !at::globalContext().deterministicAlgorithms();
  return reduction == ReductionType::SUM && has_atomics && in_any_order && iter.dtype(0) == iter.dtype(1) &&
         Rows(iter).rows.count < kLongRow;
}

/// Adds to the places; if `copy_bytes` is not 0, to kCopies copies of them, which lie from `out` on.
void launch_atomically(const TensorIteratorBase& part, const IndexedDimensions& indexed, const BufferRange& out,
                       uint32_t copy_bytes = 0) {
  const AtomicParams params{{index_layout(part, all_dimensions(part)), indexed_sizes(indexed)}, copy_bytes};
  const IndexLayout& layout = params.index.layout;
  Extent grid = grid_of(layout);
  const Extent threadgroup = threadgroup_of(grid);
  if (copy_bytes > 0) grid.x = std::min(grid.x, kCopies * threadgroup.x);
  const Kernel& k = kernel("accumulation", "accumulate_atomically",
                           {metal_type(part.dtype(0)), std::to_string(index_count(part)),
                            unit_strides(layout, element_sizes(part))});
  launch_indexed(k, grid, threadgroup, part, out, operand(part, 1), params);
}

/// Many values for few places in a row: cores would wait for each other at every addition, so they add to copies.
bool wants_copies(const TensorIteratorBase& iter, const IndexedDimensions& indexed) {
  constexpr int64_t kFewPlaces = 1 << 14, kManyValues = 4;
  return iter.ndim() == 1 && iter.can_use_32bit_indexing() && indexed.sizes.size() == 1 &&
         indexed.strides[0] == static_cast<int64_t>(iter.element_size(0)) && indexed.sizes[0] <= kFewPlaces &&
         iter.numel() >= kManyValues * static_cast<int64_t>(kCopies) * indexed.sizes[0];
}

void accumulate_atomically(const TensorIteratorBase& iter, const IndexedDimensions& indexed) {
  if (wants_copies(iter, indexed)) {
    const int64_t places = indexed.sizes[0];
    const at::Tensor target = iter.tensor(0).as_strided({places}, {1});
    const at::Tensor copies = at::zeros({static_cast<int64_t>(kCopies), places}, target.options());
    launch_atomically(iter, indexed, buffer_range(copies), places * target.element_size());
    target.add_(copies.sum(0, /*keepdim=*/false, target.scalar_type()));
    return;
  }
  for_each_part(iter, [&](const auto& part) { launch_atomically(part, indexed, operand(part, 0)); });
}

}  // namespace

void index_put_last(const TensorIteratorBase& iter, const IndexedDimensions& indexed) {
  launch_over_runs(iter, indexed, "put_last", {std::string(bits_type(iter.element_size(0)))});
}

void index_accumulate(const TensorIteratorBase& iter, const IndexedDimensions& indexed, ReductionType reduction) {
  if (iter.numel() == 0) return;
  if (goes_by_lines(iter, indexed, reduction)) return accumulate_lines(iter, indexed, reduction);
  if (goes_atomically(iter, reduction)) return accumulate_atomically(iter, indexed);
  launch_over_runs(iter, indexed, "accumulate_runs",
                   {std::string(metal_type(iter.dtype(0))), std::string(accumulate_op(reduction))});
}

}  // namespace torch_metal
