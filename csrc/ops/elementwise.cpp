#include "ops/elementwise.h"

#include <ATen/ops/scalar_tensor.h>
#include <c10/util/SmallVector.h>

#include <algorithm>
#include <limits>
#include <string>

#include "ops/iteration.h"

namespace torch_metal {

namespace {

constexpr int kMaxInputs = 3;
constexpr uint64_t kThreads = 1024;  // of a threadgroup
constexpr int64_t kLongRow = 128;    // elements of a row whose last SIMD-group hardly matters
constexpr uint32_t kAnyStride = ~0u;

/// What goes to a kernel. Operand 0 is the output; an input that is a number of a binary operator is left out.
struct Operands {
  c10::SmallVector<BufferRange, kMaxInputs + 1> buffers;
  c10::SmallVector<at::IntArrayRef, kMaxInputs + 1> strides;  ///< in bytes, innermost dimension first
  c10::SmallVector<at::ScalarType, kMaxInputs + 1> stored;    ///< dtypes in memory
  c10::SmallVector<at::ScalarType, kMaxInputs + 1> types;     ///< dtypes the operator computes with
  c10::SmallVector<at::Tensor, kMaxInputs> kept;              ///< tensors made here

  size_t size() const { return buffers.size(); }
  bool mixed() const { return !std::equal(stored.begin() + 1, stored.end(), types.begin() + 1); }
  bool contiguous_along_x(size_t i) const { return strides[i][0] == int64_t(c10::elementSize(stored[i])); }
};

/// The operator's name in MSL. A number among two inputs is bound to it, elsewhere it becomes a tensor.
std::string collect(const at::TensorIteratorBase& iter, std::string_view op, at::ArrayRef<at::ScalarType> input_types,
                    Scalars& scalars, Operands& operands) {
  static constexpr int64_t zeros[kMaxDimensions] = {};
  std::string name = "op::" + std::string(op);
  const auto add = [&](int i, at::ScalarType type) {
    operands.buffers.push_back(operand(iter, i));
    operands.strides.push_back(iter.strides(i));
    operands.stored.push_back(iter.dtype(i));
    operands.types.push_back(type);
  };
  add(0, iter.dtype(0));
  for (int i = 1; i < iter.ntensors(); ++i) {
    const auto type = input_types[i - 1];
    if (!iter.is_cpu_scalar(i)) {
      add(i, type);
      continue;
    }
    const at::Scalar number = iter.tensor(i).item();
    if (iter.ninputs() == 2 && !iter.is_cpu_scalar(3 - i)) {
      scalars.operand = scalar_value(number);
      name = (i == 1 ? "bind_left<" : "bind_right<") + name + ", " + std::string(metal_type(type)) + ">";
    } else {
      operands.kept.push_back(at::scalar_tensor(number, at::TensorOptions(iter.device(0)).dtype(type)));
      operands.buffers.push_back(buffer_range(operands.kept.back()));
      operands.strides.emplace_back(zeros, iter.ndim());
      operands.stored.push_back(type);
      operands.types.push_back(type);
    }
  }
  return name;
}

/// Whether one index addresses all operands.
bool dense(const at::TensorIteratorBase& iter, const Operands& operands) {
  if (operands.mixed()) return false;
  if (iter.numel() == 1) return true;
  if (iter.ndim() != 1) return false;
  for (size_t i = 0; i < operands.size(); ++i)
    if (!operands.contiguous_along_x(i)) return false;
  return true;
}

/// Whether operand i has no gaps.
bool is_dense(const at::TensorIteratorBase& iter, const Operands& operands, size_t i) {
  int64_t stride = c10::elementSize(operands.stored[i]);
  for (int d = 0; d < iter.ndim(); stride *= iter.shape()[d++])
    if (operands.strides[i][d] != stride) return false;
  return true;
}

/// Short rows that are no whole SIMD-groups would leave lanes idle, or SIMD-groups with pieces of several rows.
bool are_ragged_rows(const at::TensorIteratorBase& iter, const Operands& operands) {
  return iter.ndim() == 2 && iter.shape()[0] < kLongRow && iter.shape()[0] % kSimdWidth != 0 && !operands.mixed() &&
         is_dense(iter, operands, 0);
}

/// Bit i: operand i is contiguous along x, otherwise broadcast. Few combinations are worth a kernel of their own.
uint32_t unit_strides(const Operands& operands) {
  uint32_t unit = 0;
  for (size_t i = 0; i < operands.size(); ++i) {
    if (operands.contiguous_along_x(i)) {
      unit |= 1u << i;
    } else if (operands.strides[i][0] != 0 || i == 0 || operands.size() != 3) {
      return kAnyStride;
    }
  }
  return unit;
}

const Kernel& find_kernel(std::string_view family, std::string_view form, std::string_view op,
                          const Operands& operands, std::string_view unit = {}) {
  static constexpr std::string_view arity[] = {"unary_", "binary_", "ternary_"};
  c10::SmallVector<std::string_view, kMaxInputs + 3> arguments{op};
  for (const auto type : operands.types) arguments.push_back(metal_type(type));
  if (!unit.empty()) arguments.push_back(unit);
  return kernel(family, std::string(arity[operands.size() - 2]).append(form), arguments);
}

template <class... Parameters>
void launch(const Kernel& kernel, Extent grid, Extent threadgroup, at::ArrayRef<BufferRange> buffers,
            const Parameters&... parameters) {
  switch (buffers.size()) {
    case 2: return launch_threads(kernel, grid, threadgroup, buffers[0], buffers[1], parameters...);
    case 3: return launch_threads(kernel, grid, threadgroup, buffers[0], buffers[1], buffers[2], parameters...);
    case 4:
      return launch_threads(kernel, grid, threadgroup, buffers[0], buffers[1], buffers[2], buffers[3], parameters...);
    default: TORCH_INTERNAL_ASSERT(false, "element-wise kernels take one to three inputs");
  }
}

void compute_rows(const at::TensorIteratorBase& iter, std::string_view family, const std::string& name,
                  const Operands& operands, const Scalars& scalars) {
  RowLayout layout{Divisor::of(static_cast<uint32_t>(iter.shape()[0])), {}};
  uint32_t dense = 0;
  for (size_t i = 0; i < operands.size(); ++i) {
    std::copy_n(operands.strides[i].begin(), 2, layout.strides[i]);
    if (is_dense(iter, operands, i)) dense |= 1u << i;
  }
  const uint64_t count = iter.numel();
  launch(find_kernel(family, "rows", name, operands, std::to_string(dense) + "u"), {count}, {std::min(count, kThreads)},
         operands.buffers, scalars, layout);
}

/// One part of an iterator: see for_each_part.
void compute(const at::TensorIteratorBase& iter, std::string_view family, std::string_view op,
             at::ArrayRef<at::ScalarType> input_types, Scalars scalars) {
  Operands operands;
  const std::string name = collect(iter, op, input_types, scalars, operands);
  if (dense(iter, operands)) {
    const uint64_t count = iter.numel();
    launch(find_kernel(family, "dense", name, operands), {count}, {std::min(count, kThreads)}, operands.buffers,
           scalars);
    return;
  }
  if (are_ragged_rows(iter, operands)) return compute_rows(iter, family, name, operands, scalars);
  StridedLayout layout = strided_layout(iter.shape(), operands.strides);
  std::transform(operands.stored.begin(), operands.stored.end(), layout.types,
                 [](at::ScalarType type) { return static_cast<int32_t>(type); });
  const Extent grid = grid_of(layout), threadgroup = threadgroup_of(grid);
  if (operands.mixed()) {
    launch(find_kernel(family, "mixed", name, operands), grid, threadgroup, operands.buffers, scalars, layout);
  } else {
    const uint32_t unit = unit_strides(operands);
    const std::string argument = unit == kAnyStride ? "kAnyStride" : std::to_string(unit) + "u";
    launch(find_kernel(family, "strided", name, operands, argument), grid, threadgroup, operands.buffers, scalars,
           layout);
  }
}

}  // namespace

StridedLayout strided_layout(at::IntArrayRef sizes, at::ArrayRef<at::IntArrayRef> strides) {
  TORCH_CHECK_NOT_IMPLEMENTED(sizes.size() <= kMaxDimensions, "metal: element-wise operators take at most ",
                              kMaxDimensions, " dimensions, got ", sizes.size());
  StridedLayout layout{};
  layout.outermost = std::max<uint32_t>(sizes.size(), 3) - 1;
  std::fill(std::begin(layout.sizes), std::end(layout.sizes), 1);
  std::copy(sizes.begin(), sizes.end(), layout.sizes);
  for (size_t i = 0; i < strides.size(); ++i) std::copy(strides[i].begin(), strides[i].end(), layout.strides[i]);
  return layout;
}

Extent grid_of(const StridedLayout& layout) {
  Extent grid{layout.sizes[0], layout.sizes[1], 1};
  for (uint32_t d = 2; d <= layout.outermost; ++d) grid.z *= layout.sizes[d];
  return grid;
}

/// Whole SIMD-groups along x where there are enough threads, so that lanes are neighbours in memory. Several rows if
/// each is whole SIMD-groups.
Extent threadgroup_of(const Extent& grid) {
  if (grid.x >= 32) {
    const uint64_t x = std::min((grid.x + 31) / 32 * 32, kThreads);
    return {x, grid.x % 32 == 0 ? std::min(grid.y, kThreads / x) : 1, 1};
  }
  const uint64_t y = std::min(grid.y, kThreads / grid.x);
  return {grid.x, y, y == grid.y ? std::min(grid.z, kThreads / (grid.x * y)) : 1};
}

ScalarValue scalar_value(const at::Scalar& number) {
  if (number.isComplex()) {
    const auto z = number.toComplexDouble();
    return {0, static_cast<float>(z.real()), static_cast<float>(z.imag())};
  }
  const double real = number.toDouble();
  if (!number.isFloatingPoint()) {
    const bool is_unsigned = number.type() == at::kUInt64;
    return {is_unsigned ? static_cast<int64_t>(number.toUInt64()) : number.toLong(), static_cast<float>(real), 0};
  }
  const bool fits = std::abs(real) < 0x1p63;  // neither infinite nor NaN
  return {fits ? static_cast<int64_t>(real) : 0, static_cast<float>(real), 0};
}

void check_domain(std::string_view op, Domain domain, at::ScalarType dtype) {
  const Domain kind = dtype == at::kBool              ? Domain::boolean
                      : c10::isComplexType(dtype)     ? Domain::complex
                      : c10::isFloatingType(dtype)    ? Domain::real
                                                      : Domain::integer;
  const bool inside = static_cast<int>(domain) & static_cast<int>(kind);
  TORCH_CHECK_NOT_IMPLEMENTED(inside, '"', op, "\" not implemented for '", dtype, "'");
}

void elementwise(at::TensorIteratorBase& iter, std::string_view family, std::string_view op,
                 std::initializer_list<at::Scalar> numbers) {
  const auto common = iter.maybe_common_dtype();
  if (!common) return elementwise_as_stored(iter, family, op, numbers);
  const c10::SmallVector<at::ScalarType, kMaxInputs> types(iter.ninputs(), *common);
  elementwise(iter, family, op, numbers, types);
}

void elementwise_as_stored(at::TensorIteratorBase& iter, std::string_view family, std::string_view op,
                           std::initializer_list<at::Scalar> numbers) {
  c10::SmallVector<at::ScalarType, kMaxInputs> types;
  for (int i = 0; i < iter.ninputs(); ++i) types.push_back(iter.input_dtype(i));
  elementwise(iter, family, op, numbers, types);
}

void elementwise(at::TensorIteratorBase& iter, std::string_view family, std::string_view op,
                 std::initializer_list<at::Scalar> numbers, at::ArrayRef<at::ScalarType> input_types) {
  TORCH_INTERNAL_ASSERT(iter.noutputs() == 1 && iter.ninputs() == int(input_types.size()) && numbers.size() <= 4);
  if (iter.numel() == 0) return;
  Scalars scalars{};
  std::transform(numbers.begin(), numbers.end(), scalars.values, scalar_value);
  for_each_part(iter, [&](const auto& part) { compute(part, family, op, input_types, scalars); });
}

}  // namespace torch_metal
