#include "ops/interpolation.h"

#include <ATen/native/UpSample.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "interpolation_params.h"
#include "ops/narrow.h"
#include "runtime/launch.h"

namespace torch_metal {

using at::Tensor;

void InterpolationMatrix::add(int64_t column, double weight) {
  sources_.push_back(static_cast<int32_t>(column));
  weights_.push_back(weight);
}

InterpolationMatrix InterpolationMatrix::transposed() const {
  std::vector<std::vector<std::pair<int64_t, double>>> by_column(columns_);
  for (int64_t row = 0; row < rows(); ++row)
    for (int32_t k = starts_[row]; k < starts_[row + 1]; ++k) by_column[sources_[k]].emplace_back(row, weights_[k]);
  InterpolationMatrix result(rows());
  for (const auto& entries : by_column) {
    for (const auto& [row, weight] : entries) result.add(row, weight);
    result.end_row();
  }
  return result;
}

void InterpolationMatrix::merge_columns() {
  InterpolationMatrix merged(columns_);
  for (int64_t row = 0; row < rows(); ++row) {
    for (int32_t k = starts_[row]; k < starts_[row + 1]; ++k) {  // columns ascend
      if (k > starts_[row] && sources_[k] == sources_[k - 1]) {
        merged.weights_.back() += weights_[k];
      } else {
        merged.add(sources_[k], weights_[k]);
      }
    }
    merged.end_row();
  }
  *this = std::move(merged);
}

uint32_t InterpolationMatrix::to_fixed_point() {
  merge_columns();
  const double largest = weights_.empty() ? 0 : *std::max_element(weights_.begin(), weights_.end());
  uint32_t precision = 0;
  while (precision < 22 && static_cast<int>(0.5 + largest * (1 << (precision + 1))) < (1 << 15)) ++precision;
  for (double& weight : weights_) weight = std::trunc(weight * (1 << precision) + (weight < 0 ? -0.5 : 0.5));
  return precision;
}

template <class Real>
InterpolationMatrix linear_filter(const Resizing& r) {
  const Real ratio = at::native::area_pixel_compute_scale<Real>(r.in, r.out, r.align_corners, r.scale);
  InterpolationMatrix matrix(r.in);
  for (int64_t i = 0; i < r.out; ++i) {
    int64_t lower, upper;
    Real lower_weight, upper_weight;
    at::native::compute_source_index_and_lambda(lower, upper, lower_weight, upper_weight, ratio, i, r.in, r.out,
                                                r.align_corners);
    matrix.add(lower, lower_weight);
    matrix.add(upper, upper_weight);
    matrix.end_row();
  }
  return matrix;
}

template <class Real>
InterpolationMatrix cubic_filter(const Resizing& r) {
  const Real ratio = at::native::area_pixel_compute_scale<Real>(r.in, r.out, r.align_corners, r.scale);
  InterpolationMatrix matrix(r.in);
  for (int64_t i = 0; i < r.out; ++i) {
    const Real source = at::native::area_pixel_compute_source_index<Real>(ratio, i, r.align_corners, /*cubic=*/true);
    int64_t nearest;
    Real t, weights[4];
    at::native::guard_index_and_lambda(source, r.in, nearest, t);
    at::native::get_cubic_upsample_coefficients<Real>(weights, t);
    for (int64_t k = 0; k < 4; ++k) matrix.add(std::clamp<int64_t>(nearest - 1 + k, 0, r.in - 1), weights[k]);
    matrix.end_row();
  }
  return matrix;
}

namespace {

/// A filter that is zero from `width` / 2 on.
template <class Real>
InterpolationMatrix antialiased(const Resizing& r, int64_t width, Real (*filter)(Real)) {
  const Real scale = at::native::area_pixel_compute_scale<Real>(r.in, r.out, r.align_corners, r.scale);
  const Real support = width * Real(0.5) * std::max(scale, Real(1)), shrink = scale >= 1 ? 1 / scale : 1;
  InterpolationMatrix matrix(r.in);
  std::vector<Real> weights;
  for (int64_t i = 0; i < r.out; ++i) {
    const Real center = static_cast<Real>(scale * (i + 0.5));
    const int64_t first = std::max<int64_t>(static_cast<int64_t>(center - support + 0.5), 0);
    const int64_t last = std::min<int64_t>(static_cast<int64_t>(center + support + 0.5), r.in);
    weights.clear();
    Real total = 0;
    for (int64_t k = first; k < last; ++k) {
      weights.push_back(filter(static_cast<Real>((k - center + 0.5) * shrink)));
      total += weights.back();
    }
    for (int64_t k = first; k < last; ++k) matrix.add(k, total == 0 ? weights[k - first] : weights[k - first] / total);
    matrix.end_row();
  }
  return matrix;
}

template <class Real>
Real triangle(Real x) {
  return std::max(1 - std::abs(x), Real(0));
}

template <class Real>
Real cubic(Real x) {
  x = std::abs(x);
  if (x < 1) return at::native::cubic_convolution1<Real>(x, -0.5);
  return x < 2 ? at::native::cubic_convolution2<Real>(x, -0.5) : 0;
}

template <class Real>
Real sinc(Real x) {
  return x == 0 ? 1 : std::sin(Real(M_PI) * x) / (Real(M_PI) * x);
}

template <class Real>
Real lanczos(Real x) {
  return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0;
}

/// Entries of each row, if all have as many; otherwise 0.
int64_t row_size(const InterpolationMatrix& matrix) {
  const std::vector<int32_t>& starts = matrix.starts();
  const int32_t size = starts.size() > 1 ? starts[1] : 0;
  for (size_t row = 1; row + 1 < starts.size(); ++row)
    if (starts[row + 1] - starts[row] != size) return 0;
  return size;
}

/// The matrix as kernels/interpolation.metal describes it.
std::vector<int32_t> table_of(const InterpolationMatrix& matrix, bool integers) {
  const int64_t entries = matrix.sources().size(), size = row_size(matrix);
  std::vector<int32_t> table(2 * entries);
  for (int64_t k = 0; k < entries; ++k) {
    const int64_t to = size > 0 ? k % size * matrix.rows() + k / size : k;
    const double weight = matrix.weights()[k];
    table[to] = matrix.sources()[k];
    table[entries + to] =
        integers ? static_cast<int32_t>(weight) : std::bit_cast<int32_t>(static_cast<float>(weight));
  }
  if (size == 0) table.insert(table.end(), matrix.starts().begin(), matrix.starts().end());
  return table;
}

/// One dimension: `dim` of a dense tensor.
Tensor multiply(const Tensor& input, int64_t dim, InterpolationMatrix matrix, const Tensor& out) {
  InterpolationParams params{};
  params.in_size = static_cast<uint32_t>(matrix.columns());
  params.out_size = static_cast<uint32_t>(matrix.rows());
  const int64_t inner = c10::multiply_integers(input.sizes().slice(dim + 1));
  TORCH_CHECK_NOT_IMPLEMENTED(std::max(matrix.rows(), matrix.columns()) * inner < (int64_t{1} << 31),
                              "interpolation on metal: images of 2^31 pixels or more are not implemented");
  params.inner = Divisor::of(static_cast<uint32_t>(inner));
  const bool bytes = input.scalar_type() == at::kByte;
  if (bytes) params.precision = matrix.to_fixed_point();
  params.entries = narrow(static_cast<int64_t>(matrix.sources().size()), "entries of an interpolation matrix");
  params.row_size = static_cast<uint32_t>(row_size(matrix));
  const std::vector<int32_t> table = table_of(matrix, bytes);
  const uint64_t outer = c10::multiply_integers(input.sizes().slice(0, dim)), line = matrix.rows() * inner;
  const auto launch = [&](const auto& entries) {
    const uint64_t x = std::min<uint64_t>(std::bit_ceil(line), 64);
    launch_threads(
        kernel("interpolation", "interpolate", {metal_type(out.scalar_type()), metal_type(input.scalar_type())}),
        {line, outer}, {x, 64 / x}, out, input, entries, params);
  };
  std::array<int32_t, 1024> short_table{};  // of the 4 KB that can be copied at once
  if (table.size() <= short_table.size()) {
    std::copy(table.begin(), table.end(), short_table.begin());
    launch(short_table);
  } else {
    launch(at::tensor(table, at::kInt).to(out.device()));
  }
  return out;
}

}  // namespace

template <class Real>
InterpolationMatrix antialiased_linear_filter(const Resizing& resizing) {
  return antialiased<Real>(resizing, 2, triangle);
}
template <class Real>
InterpolationMatrix antialiased_cubic_filter(const Resizing& resizing) {
  return antialiased<Real>(resizing, 4, cubic);
}
template <class Real>
InterpolationMatrix antialiased_lanczos_filter(const Resizing& resizing) {
  return antialiased<Real>(resizing, 6, lanczos);
}

#define FILTER(name)                                        \
  template InterpolationMatrix name<float>(const Resizing&); \
  template InterpolationMatrix name<double>(const Resizing&);
FILTER(linear_filter)
FILTER(cubic_filter)
FILTER(antialiased_linear_filter)
FILTER(antialiased_cubic_filter)
FILTER(antialiased_lanczos_filter)
#undef FILTER

void interpolate(const Tensor& input, std::vector<InterpolationMatrix> matrices, const Tensor& out) {
  const auto dtype = input.scalar_type();
  if (out.numel() == 0) return;
  Tensor current = input.contiguous();
  const auto spatial = static_cast<int64_t>(matrices.size());
  for (int64_t k = spatial - 1; k >= 0; --k) {
    const int64_t dim = input.dim() - spatial + k;
    at::DimVector sizes(current.sizes());
    sizes[dim] = matrices[k].rows();
    const bool last = k == 0;
    const auto type = last || dtype == at::kByte ? dtype : at::kFloat;
    const Tensor result = last && out.is_contiguous() ? out : at::empty(sizes, out.options().dtype(type));
    current = multiply(current, dim, std::move(matrices[k]), result);
  }
  if (!current.is_same(out)) out.copy_(current);
}

}  // namespace torch_metal
