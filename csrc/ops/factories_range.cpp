// Tensors filled by position: arange, linspace, eye, triangles.
#include <ATen/NativeFunctions.h>
#include <ATen/native/RangeFactories.h>
#include <ATen/native/TensorFactories.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "factories_range_params.h"
#include "ops/elementwise.h"
#include "ops/iteration.h"
#include "ops/structured.h"

namespace torch_metal {

namespace {

constexpr uint64_t kThreads = 1024;

DoubleFloat double_float(double x) {
  const float high = static_cast<float>(x);
  return {high, static_cast<float>(x - static_cast<double>(high))};
}

/// Fills a contiguous tensor of at most 2^32 elements with kernel `name`.
void fill_ramp(at::TensorIterator& iter, std::string_view name, const Ramp& ramp) {
  const uint64_t count = iter.numel();
  if (count == 0) return;
  TORCH_CHECK_NOT_IMPLEMENTED(count <= std::numeric_limits<uint32_t>::max(), "metal: ", name, " of ", count,
                              " elements");
  check_domain(name, Domain::arithmetic, iter.dtype());
  launch_threads(kernel("factories_range", name, {metal_type(iter.dtype())}), {count}, {std::min(count, kThreads)},
                 operand(iter, 0), ramp);
}

void arange_kernel(at::TensorIterator& iter, const at::Scalar& start, const at::Scalar&, const at::Scalar& step) {
  Ramp ramp{};
  ramp.start = double_float(start.toDouble());
  ramp.step = double_float(step.toDouble());
  if (c10::isIntegralType(iter.dtype(), false)) {
    ramp.integer_start = start.toLong();
    ramp.integer_step = step.toLong();
  }
  fill_ramp(iter, "arange", ramp);
}

/// arange with its end: start, start + step, ... as far as `end`.
at::Tensor& range_out(const at::Scalar& start, const at::Scalar& end, const at::Scalar& step, at::Tensor& out) {
  const double first = start.toDouble(), last = end.toDouble(), width = step.toDouble();
  TORCH_CHECK(width != 0, "step must be nonzero");
  TORCH_CHECK(std::isfinite(first) && std::isfinite(last), "unsupported range: ", first, " -> ", last);
  TORCH_CHECK(width > 0 ? first <= last : first >= last, "upper bound and lower bound inconsistent with step sign");
  const bool integral = c10::isIntegralType(out.scalar_type(), false);
  const int64_t steps = integral ? (end.toLong() - start.toLong()) / step.toLong() : int64_t((last - first) / width);
  if (out.numel() != steps + 1) out.resize_({steps + 1});
  const at::Tensor dense = out.is_contiguous() ? out : at::empty(out.sizes(), out.options());
  auto iter = at::TensorIterator::borrowing_nullary_op(dense);
  arange_kernel(iter, start, end, step);
  if (!dense.is_same(out)) out.copy_(dense);
  return out;
}

/// Real and imaginary parts are ramps of their own.
void complex_linspace(const at::Tensor& out, c10::complex<double> start, c10::complex<double> end, int64_t steps) {
  const auto options = out.options().dtype(c10::toRealValueType(out.scalar_type()));
  at::real(out).copy_(at::linspace(start.real(), end.real(), steps, options));
  at::imag(out).copy_(at::linspace(start.imag(), end.imag(), steps, options));
}

void linspace_kernel(at::TensorIterator& iter, const at::Scalar& start, const at::Scalar& end, int64_t steps) {
  if (c10::isComplexType(iter.dtype())) {
    return complex_linspace(iter.tensor(0), start.toComplexDouble(), end.toComplexDouble(), steps);
  }
  const bool integral = c10::isIntegralType(iter.dtype(), true);  // whose ends are cut to integers first
  const double first = integral ? static_cast<double>(start.toLong()) : start.toDouble();
  const double last = integral ? static_cast<double>(end.toLong()) : end.toDouble();
  Ramp ramp{};
  ramp.start = double_float(first);
  ramp.last = double_float(last);
  ramp.step = double_float((last - first) / static_cast<double>(steps - 1));
  ramp.count = static_cast<uint32_t>(steps);
  fill_ramp(iter, "linspace", ramp);
}

at::Tensor& eye_m_out(int64_t n, int64_t m, at::Tensor& out) {
  TORCH_CHECK(n >= 0, "n must be greater or equal to 0, got ", n);
  TORCH_CHECK(m >= 0, "m must be greater or equal to 0, got ", m);
  out.resize_({n, m});
  out.zero_();
  out.diagonal().fill_(1);
  return out;
}

at::Tensor& eye_out(int64_t n, at::Tensor& out) { return eye_m_out(n, n, out); }

/// Sizes or byte strides, innermost dimension first.
c10::SmallVector<int64_t, 8> reversed(at::IntArrayRef values, int64_t scale) {
  c10::SmallVector<int64_t, 8> result(values.rbegin(), values.rend());
  for (auto& value : result) value *= scale;
  return result;
}

/// Triangles move bytes: one kernel for each element size.
std::string_view type_of_size(int64_t size) {
  switch (size) {
    case 1: return "uchar";
    case 2: return "ushort";
    case 4: return "uint";
    case 8: return "ulong";
    default: TORCH_CHECK_NOT_IMPLEMENTED(false, "metal: triangles of elements of ", size, " bytes");
  }
}

/// Bytes from the first element of a tensor to its last.
int64_t extent(const at::Tensor& tensor) {
  int64_t elements = 0;
  for (int64_t d = 0; d < tensor.dim(); ++d) elements += (tensor.size(d) - 1) * tensor.stride(d);
  return elements * tensor.element_size();
}

void triangle(const at::Tensor& self, int64_t diagonal, const at::Tensor& out, bool upper);

/// The two halves of the largest dimension; the diagonal stays where it is.
void triangle_by_halves(const at::Tensor& self, int64_t diagonal, const at::Tensor& out, bool upper) {
  const int64_t dim = std::max_element(self.sizes().begin(), self.sizes().end()) - self.sizes().begin();
  const int64_t size = self.size(dim), half = size / 2;
  const int64_t shift = dim == self.dim() - 2 ? half : dim == self.dim() - 1 ? -half : 0;
  triangle(self.narrow(dim, 0, half), diagonal, out.narrow(dim, 0, half), upper);
  triangle(self.narrow(dim, half, size - half), diagonal + shift, out.narrow(dim, half, size - half), upper);
}

void triangle(const at::Tensor& self, int64_t diagonal, const at::Tensor& out, bool upper) {
  if (out.numel() == 0) return;
  if (out.dim() > int64_t{kMaxDimensions}) {
    for (int64_t i = 0; i < out.size(0); ++i) triangle(self.select(0, i), diagonal, out.select(0, i), upper);
    return;
  }
  if (std::max(extent(self), extent(out)) > std::numeric_limits<int32_t>::max() ||
      out.numel() > std::numeric_limits<int32_t>::max()) {
    return triangle_by_halves(self, diagonal, out, upper);
  }
  const int64_t size = self.element_size();
  const auto sizes = reversed(self.sizes(), 1);
  const auto out_strides = reversed(out.strides(), size), in_strides = reversed(self.strides(), size);
  const StridedLayout layout = strided_layout(sizes, {out_strides, in_strides});
  const Extent grid = grid_of(layout);
  launch_threads(kernel("factories_range", "triangle", {type_of_size(size), upper ? "true" : "false"}), grid,
                 threadgroup_of(grid), out, self, layout, diagonal);
}

/// Rows and columns of a triangle's elements. `lower` ones grow from row to row, upper ones shrink.
TriangleBox triangle_box(int64_t rows, int64_t columns, int64_t offset, bool lower) {
  TriangleBox box{};
  box.lower = lower;
  box.first_row = lower ? std::max<int64_t>(0, -offset) : 0;
  box.first_column = lower ? 0 : std::max<int64_t>(0, offset);
  const int64_t last_row = lower ? rows : std::min(rows, columns - offset);
  const int64_t last_column = lower ? std::min(columns, rows + offset) : columns;
  box.height = std::max<int64_t>(0, last_row - box.first_row);
  box.width = std::max<int64_t>(0, last_column - box.first_column);
  box.first_length = lower ? std::min(box.width, std::max<int64_t>(1, offset + 1)) : box.width;
  box.full_rows = std::max<int64_t>(0, -offset);
  return box;
}

at::Tensor triangle_indices(int64_t rows, int64_t columns, int64_t offset, bool lower, at::TensorOptions options) {
  at::native::check_args(rows, columns, options.layout());
  const TriangleBox box = triangle_box(rows, columns, offset, lower);
  const int64_t count = elements_before_row(box, box.height);
  const at::Tensor out = at::empty({2, count}, options);
  if (count == 0) return out;
  TORCH_CHECK_NOT_IMPLEMENTED(std::max(box.height, box.width) <= std::numeric_limits<uint32_t>::max(),
                              "metal: indices of a triangle with more than 2^32 rows or columns");
  check_domain(lower ? "tril_indices" : "triu_indices", Domain::integer, out.scalar_type());
  const Extent grid{uint64_t(box.width), uint64_t(box.height)};
  launch_threads(kernel("factories_range", "triangle_indices", {metal_type(out.scalar_type())}), grid,
                 threadgroup_of(grid), out, count, box);
  return out;
}

at::TensorOptions index_options(std::optional<at::ScalarType> dtype, std::optional<at::Layout> layout,
                                std::optional<at::Device> device, std::optional<bool> pinned) {
  return at::TensorOptions().dtype(dtype.value_or(at::kLong)).layout(layout).device(device).pinned_memory(pinned);
}

at::Tensor tril_indices(int64_t rows, int64_t columns, int64_t offset, std::optional<at::ScalarType> dtype,
                        std::optional<at::Layout> layout, std::optional<at::Device> device,
                        std::optional<bool> pinned) {
  return triangle_indices(rows, columns, offset, true, index_options(dtype, layout, device, pinned));
}

at::Tensor triu_indices(int64_t rows, int64_t columns, int64_t offset, std::optional<at::ScalarType> dtype,
                        std::optional<at::Layout> layout, std::optional<at::Device> device,
                        std::optional<bool> pinned) {
  return triangle_indices(rows, columns, offset, false, index_options(dtype, layout, device, pinned));
}

struct LowerTriangle : at::meta::structured_tril {
  void impl(const at::Tensor& self, int64_t diagonal, const at::Tensor& out) { triangle(self, diagonal, out, false); }
};

struct UpperTriangle : at::meta::structured_triu {
  void impl(const at::Tensor& self, int64_t diagonal, const at::Tensor& out) { triangle(self, diagonal, out, true); }
};

}  // namespace

}  // namespace torch_metal

namespace at::native {
REGISTER_PRIVATEUSE1_DISPATCH(arange_stub, &torch_metal::arange_kernel)
REGISTER_PRIVATEUSE1_DISPATCH(linspace_stub, &torch_metal::linspace_kernel)
}  // namespace at::native

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  using namespace torch_metal;
  METAL_IMPL_OVERLOAD(m, "arange.start_out", arange_start_out, at::native::arange_out);
  METAL_IMPL_OVERLOAD(m, "linspace.out", linspace_out, at::native::linspace_out);
  METAL_IMPL(m, "range.out", range_out);
  METAL_IMPL(m, "tril_indices", tril_indices);
  METAL_IMPL(m, "triu_indices", triu_indices);
  METAL_IMPL(m, "eye.out", eye_out);
  METAL_IMPL(m, "eye.m_out", eye_m_out);
  METAL_STRUCTURED_CLASS(m, "tril.out", LowerTriangle);
  METAL_STRUCTURED_CLASS(m, "triu.out", UpperTriangle);
}
