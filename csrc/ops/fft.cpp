// Fourier transforms, one dimension after the other. Everything is computed in float.
#include <ATen/native/Resize.h>
#include <ATen/native/SpectralOpsUtils.h>
#include <ATen/ops/empty.h>

#include <bit>
#include <cmath>
#include <limits>

#include "fft_params.h"
#include "ops/registration.h"
#include "runtime/launch.h"

namespace torch_metal {
namespace {

using at::IntArrayRef;
using at::Tensor;

/// The largest prime that is transformed directly: the cost, and the size of the kernel, is the square of that.
constexpr uint32_t kLargestRadix = 13;

/// Rows that are transformed in a threadgroup's memory, which has room for two of them.
constexpr uint32_t kShortestRow = 64, kLongestRow = 2048;

/// Radices whose product is n, {1} for 1, powers of two up to `most`; nothing if a prime factor is too large.
std::vector<uint32_t> radices_of(uint32_t n, uint32_t most = 8) {
  std::vector<uint32_t> radices;
  const auto take = [&](uint32_t radix) {
    for (; n % radix == 0; n /= radix) radices.push_back(radix);
  };
  if (n == 1) return {1};
  for (const uint32_t power : {16, 8, 4, 2}) {
    if (power <= most) take(power);
  }
  for (uint32_t radix = 3; radix <= kLargestRadix; radix += 2) take(radix);
  if (n > 1) return {};
  return radices;
}

/// The least product of 2, 3 and 5 that is at least n.
uint32_t smooth_size(uint64_t n) {
  uint64_t best = std::numeric_limits<uint64_t>::max();
  for (uint64_t fives = 1; fives < 5 * n; fives *= 5)
    for (uint64_t threes = fives; threes < 3 * n; threes *= 3) {
      uint64_t product = threes;
      while (product < n) product *= 2;
      best = std::min(best, product);
    }
  return static_cast<uint32_t>(best);
}

/// What Bluestein's algorithm pads n numbers to: short rows are fastest as powers of two.
uint32_t padded_size(uint64_t n) { return n <= kLongestRow ? std::bit_ceil(static_cast<uint32_t>(n)) : smooth_size(n); }

/// A transform of `size` along one dimension of dense tensors [outer, size, inner].
struct Transform {
  uint32_t size;
  uint64_t outer;
  uint32_t inner;
  FftEnds ends;

  Extent threads(uint64_t positions) const { return {positions * inner, outer}; }
  /// This with the ends as they are in the middle: complex numbers, none left out.
  Transform resized(uint32_t padded) const { return {padded, outer, inner, {padded, padded, false, false, 1}}; }
  Tensor empty(const Tensor& like) const {
    return at::empty({int64_t(outer), int64_t(size), int64_t(inner)}, like.options().dtype(at::kComplexFloat));
  }
};

constexpr Extent kThreadgroup{64};

/// The roots of unity that one call has made: dimensions of one size share them.
class Tables {
 public:
  /// `columns` times `size` complex numbers, which `fill` computes the first time.
  template <class Fill>
  Tensor get(uint32_t size, size_t columns, const Tensor& like, Fill fill) {
    for (const Tensor& table : tables_)
      if (table.size(0) == size && table.size(1) == int64_t(columns)) return table;
    tables_.push_back(at::empty({size, int64_t(columns)}, like.options().dtype(at::kComplexFloat)));
    fill(tables_.back());
    return tables_.back();
  }

 private:
  c10::SmallVector<Tensor, 2> tables_;
};

void transform(const Transform& t, const Tensor& in, const Tensor& out, Tables& tables);

std::string_view half_of(const FftEnds& ends, uint32_t size) {
  return ends.in_size < size ? "Half::in" : ends.out_size < size ? "Half::out" : "Half::none";
}

bool has_short_rows(const Transform& t) {
  return t.inner == 1 && t.size >= kShortestRow && t.size <= kLongestRow;
}

void transform_short_rows(const Transform& t, const Tensor& in, const Tensor& out, Tables& tables) {
  // A radix that leaves a butterfly for each lane, or nearly so.
  const std::vector<uint32_t> radices = radices_of(t.size, std::clamp(t.size / kSimdWidth, 4u, 8u));
  std::vector<std::string> numbers{std::to_string(t.size)};
  for (const uint32_t radix : radices) numbers.push_back(std::to_string(radix));
  const std::vector<std::string_view> shape(numbers.begin(), numbers.end());
  std::vector<std::string_view> arguments{metal_type(in.scalar_type()), metal_type(out.scalar_type()),
                                          half_of(t.ends, t.size)};
  arguments.insert(arguments.end(), shape.begin(), shape.end());

  const Tensor table = tables.get(t.size, radices.size(), in, [&](const Tensor& twiddles) {
    launch_threads(kernel("fft", "fft_row_twiddles", shape), {t.size}, kThreadgroup, twiddles);
  });
  const Kernel& rows = kernel("fft", "fft_rows", arguments);
  for_each_group_range(t.outer, kSimdWidth, [&](uint64_t first, uint64_t count) {
    launch_groups(rows, {count}, {kSimdWidth}, elements_from(out, first * t.ends.out_size),
                  elements_from(in, first * t.ends.in_size), table, t.ends);
  });
}

void stockham(const Transform& t, const std::vector<uint32_t>& radices, const Tensor& in, const Tensor& out,
              Tables& tables) {
  const Tensor roots = tables.get(t.size, 1, in, [&](const Tensor& table) {
    launch_threads(kernel("fft", "fft_roots"), {t.size}, kThreadgroup, table, t.size);
  });
  FftPass pass{t.size, t.inner, {}, {}};
  Tensor current = in;
  uint32_t done = 1;
  for (size_t i = 0; i < radices.size(); ++i) {
    const bool first = i == 0, last = i + 1 == radices.size();
    pass.done = Divisor::of(done);
    pass.ends = {first ? t.ends.in_size : t.size, last ? t.ends.out_size : t.size, first && t.ends.conjugate_in,
                 last && t.ends.conjugate_out, last ? t.ends.scale : 1};
    const Tensor result = last ? out : t.empty(in);
    const bool columns = t.inner > 1;
    const uint64_t butterflies = t.size / radices[i];
    const Extent grid = columns ? Extent{t.inner, butterflies, t.outer} : Extent{butterflies, t.outer};
    const uint64_t x = std::min(grid.x, kThreadgroup.x);
    launch_threads(kernel("fft", "fft_pass", {std::to_string(radices[i]), metal_type(current.scalar_type()),
                                              metal_type(result.scalar_type()), half_of(pass.ends, t.size),
                                              columns ? "true" : "false"}),
                   grid, {x, std::min(grid.y, kThreadgroup.x / x)}, result, current, roots, pass);
    done *= radices[i];
    current = result;
  }
}

void bluestein(const Transform& t, const Tensor& in, const Tensor& out, Tables& tables) {
  const Transform padded = t.resized(padded_size(2 * uint64_t{t.size} - 1));
  const ChirpParams params{t.size, padded.size, Divisor::of(t.inner), t.ends};
  Transform filter_transform = padded;
  filter_transform.outer = filter_transform.inner = 1;
  const Tensor filter = filter_transform.empty(in), filter_spectrum = filter_transform.empty(in);
  launch_threads(kernel("fft", "chirp_filter"), {padded.size}, kThreadgroup, filter, params);
  transform(filter_transform, filter, filter_spectrum, tables);

  const Tensor data = padded.empty(in), spectrum = padded.empty(in);
  launch_threads(kernel("fft", "chirp_in", {metal_type(in.scalar_type())}), t.threads(padded.size), kThreadgroup, data,
                 in, params);
  transform(padded, data, spectrum, tables);
  launch_threads(kernel("fft", "chirp_convolve"), t.threads(padded.size), kThreadgroup, spectrum, filter_spectrum,
                 params);
  Transform inverse = padded;
  inverse.ends.conjugate_in = inverse.ends.conjugate_out = true;
  inverse.ends.scale = static_cast<float>(1.0 / padded.size);
  transform(inverse, spectrum, data, tables);
  launch_threads(kernel("fft", "chirp_out", {metal_type(out.scalar_type())}), t.threads(t.size), kThreadgroup, out,
                 data, params);
}

void transform(const Transform& t, const Tensor& in, const Tensor& out, Tables& tables) {
  // Columns go over memory once for each radix: the fewest passes are the fastest.
  const std::vector<uint32_t> radices = radices_of(t.size, t.inner > 1 ? 16 : 8);
  if (radices.empty()) return bluestein(t, in, out, tables);
  if (has_short_rows(t)) return transform_short_rows(t, in, out, tables);
  stockham(t, radices, in, out, tables);
}

/// What becomes of a dimension.
struct Dimension {
  int64_t dim;
  int64_t size;      ///< of the transform
  int64_t out_size;  ///< of what is kept of it
  bool inverse;
  double scale;
};

Tensor transform_dimension(const Tensor& self, const Dimension& d, at::ScalarType dtype, Tables& tables) {
  const Tensor in = self.contiguous();
  at::DimVector sizes(in.sizes());
  sizes[d.dim] = d.out_size;
  const Tensor out = at::empty(sizes, in.options().dtype(dtype));
  const int64_t inner = c10::multiply_integers(in.sizes().slice(d.dim + 1));
  const int64_t outer = c10::multiply_integers(in.sizes().slice(0, d.dim));
  TORCH_CHECK_NOT_IMPLEMENTED(4 * d.size < std::numeric_limits<int32_t>::max() / inner,
                              "Fourier transforms on metal: size ", d.size, " with ", inner,
                              " elements in the dimensions after it is too large");
  const FftEnds ends{static_cast<uint32_t>(in.size(d.dim)), static_cast<uint32_t>(d.out_size), d.inverse, d.inverse,
                     static_cast<float>(d.scale)};
  transform({static_cast<uint32_t>(d.size), static_cast<uint64_t>(outer), static_cast<uint32_t>(inner), ends}, in, out,
            tables);
  return out;
}

/// What the result is multiplied with.
double scale_of(int64_t normalization, IntArrayRef sizes, IntArrayRef dims) {
  double count = 1;
  for (const int64_t dim : dims) count *= static_cast<double>(sizes[dim]);
  switch (static_cast<at::native::fft_norm_mode>(normalization)) {
    case at::native::fft_norm_mode::none: return 1;
    case at::native::fft_norm_mode::by_root_n: return 1 / std::sqrt(count);
    case at::native::fft_norm_mode::by_n: return 1 / count;
  }
  TORCH_CHECK(false, "Unsupported normalization type ", normalization);
}

void check_complex(const Tensor& self) {
  TORCH_CHECK_NOT_IMPLEMENTED(self.is_complex(), "Fourier transforms: expected complex numbers, got ",
                              self.scalar_type());
}

Tensor complex_transform(const Tensor& self, IntArrayRef dims, int64_t normalization, bool forward, Tables& tables) {
  check_complex(self);
  if (dims.empty() || self.numel() == 0) return self.clone(at::MemoryFormat::Contiguous);
  Tensor result = self;
  for (size_t i = 0; i < dims.size(); ++i) {
    const bool last = i + 1 == dims.size();
    const double scale = last ? scale_of(normalization, self.sizes(), dims) : 1;
    const int64_t size = self.size(dims[i]);
    result = transform_dimension(result, {dims[i], size, size, !forward, scale},
                                 last ? self.scalar_type() : at::kComplexFloat, tables);
  }
  return result;
}

Tensor c2c(const Tensor& self, IntArrayRef dims, int64_t normalization, bool forward) {
  Tables tables;
  return complex_transform(self, dims, normalization, forward, tables);
}

/// The last dimension first: its half is what the others have to transform.
Tensor r2c(const Tensor& self, IntArrayRef dims, int64_t normalization, bool onesided) {
  TORCH_CHECK_NOT_IMPLEMENTED(self.scalar_type() == at::kFloat || self.scalar_type() == at::kHalf,
                              "Fourier transforms on metal are not implemented for ", self.scalar_type());
  const auto dtype = c10::toComplexType(self.scalar_type());
  const int64_t size = self.size(dims.back()), kept = onesided ? size / 2 + 1 : size;
  at::DimVector sizes(self.sizes());
  sizes[dims.back()] = kept;
  if (self.numel() == 0) return at::empty(sizes, self.options().dtype(dtype));
  const double scale = scale_of(normalization, self.sizes(), dims);
  Tensor result = self;
  Tables tables;
  for (size_t i = dims.size(); i-- > 0;) {
    const bool is_real = i + 1 == dims.size(), last = i == 0;
    const int64_t n = self.size(dims[i]);
    result = transform_dimension(result, {dims[i], n, is_real ? kept : n, false, last ? scale : 1},
                                 last ? dtype : at::kComplexFloat, tables);
  }
  return result;
}

Tensor c2r(const Tensor& self, IntArrayRef dims, int64_t normalization, int64_t last_size) {
  check_complex(self);
  at::DimVector sizes(self.sizes());
  sizes[dims.back()] = last_size;
  const auto dtype = c10::toRealValueType(self.scalar_type());
  if (self.numel() == 0 || last_size == 0) return at::empty(sizes, self.options().dtype(dtype));
  Tables tables;
  const Tensor others = complex_transform(self, dims.slice(0, dims.size() - 1), /*normalization=*/0,
                                          /*forward=*/false, tables);
  const Tensor half = others.narrow(dims.back(), 0, last_size / 2 + 1);
  return transform_dimension(half, {dims.back(), last_size, last_size, true, scale_of(normalization, sizes, dims)},
                             dtype, tables);
}

/// The out= form of a function above.
Tensor& give(const Tensor& result, Tensor& out) {
  at::native::resize_output(out, result.sizes());
  return out.copy_(result);
}
Tensor& c2c_out(const Tensor& self, IntArrayRef dims, int64_t normalization, bool forward, Tensor& out) {
  return give(c2c(self, dims, normalization, forward), out);
}
Tensor& r2c_out(const Tensor& self, IntArrayRef dims, int64_t normalization, bool onesided, Tensor& out) {
  return give(r2c(self, dims, normalization, onesided), out);
}
Tensor& c2r_out(const Tensor& self, IntArrayRef dims, int64_t normalization, int64_t last_size, Tensor& out) {
  return give(c2r(self, dims, normalization, last_size), out);
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL(m, "_fft_c2c", c2c);
  METAL_IMPL(m, "_fft_c2c.out", c2c_out);
  METAL_IMPL(m, "_fft_r2c", r2c);
  METAL_IMPL(m, "_fft_r2c.out", r2c_out);
  METAL_IMPL(m, "_fft_c2r", c2r);
  METAL_IMPL(m, "_fft_c2r.out", c2r_out);
}

}  // namespace
}  // namespace torch_metal
