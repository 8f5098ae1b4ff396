// Products with quantised weights: 8 bits with a scale a row, 4 bits with scales and zeros by group; int8 by int8.
#include <ATen/ceil_div.h>
#include <ATen/ops/empty.h>

#include <bit>

#include "ops/registration.h"
#include "ops/results.h"
#include "quantized_matmul_params.h"
#include "runtime/launch.h"

namespace torch_metal {
namespace {

using at::Tensor;

constexpr uint64_t kTile = 32;
constexpr uint64_t kFewRows = 4;  ///< for which reading the weights is all that takes time

void check_activations(const char* op, const Tensor& a) {
  const auto dtype = a.scalar_type();
  TORCH_CHECK(dtype == at::kFloat || dtype == at::kHalf || dtype == at::kBFloat16, op,
              ": expected activations of float32, float16 or bfloat16, got ", dtype);
  TORCH_CHECK(a.dim() == 2, op, ": expected activations of 2 dimensions, got ", a.dim());
}

/// a times the transposed weights, which `weights_type` and `value_type` name in MSL.
Tensor product(const Tensor& a, const Tensor& values, const Tensor& scales, std::string_view weights_type,
               std::string_view value_type, int64_t n, uint32_t group_shift) {
  const Tensor out = at::empty({a.size(0), n}, a.options());
  if (out.numel() == 0) return out;
  const QuantizedMatmulParams params{uint32_t(a.size(0)), uint32_t(n), uint32_t(a.size(1)), group_shift};
  const bool few_rows = params.m <= kFewRows;
  const std::string_view type = metal_type(a.scalar_type());
  const std::string weights = std::string(weights_type).append("<").append(type).append(">");
  const Kernel& k = kernel("quantized_matmul", few_rows ? "quantized_gemv" : "quantized_gemm",
                           {type, weights, value_type});
  const Extent tiles{at::ceil_div<uint64_t>(params.n, kTile), at::ceil_div<uint64_t>(params.m, kTile)};
  const Extent grid = few_rows ? Extent{params.n, params.m} : tiles;
  launch_groups(k, grid, {kSimdWidth}, out, a.contiguous(), values.contiguous(), scales.contiguous(), params);
  return out;
}

/// a [m, k], weights [n, k] of int8, a scale for each of n.
Tensor weight_int8pack_mm(const Tensor& a, const Tensor& weights, const Tensor& scales) {
  check_activations("_weight_int8pack_mm", a);
  TORCH_CHECK(weights.scalar_type() == at::kChar && weights.dim() == 2 && weights.size(1) == a.size(1),
              "_weight_int8pack_mm: expected int8 weights of shape [n, ", a.size(1), "], got ", weights.scalar_type(),
              " ", weights.sizes());
  TORCH_CHECK(scales.dim() == 1 && scales.size(0) == weights.size(0),
              "_weight_int8pack_mm: expected ", weights.size(0), " scales, got shape ", scales.sizes());
  return product(a, weights, scales.to(a.scalar_type()), "Int8Weights", "char", weights.size(0), 0);
}

/// Bytes [n, k / 2] of two weights each, in the shape that all devices give them; the order stays.
Tensor convert_weight_to_int4pack(const Tensor& weights, int64_t inner_k_tiles) {
  TORCH_CHECK(weights.dim() == 2 && weights.scalar_type() == at::kByte,
              "_convert_weight_to_int4pack: expected a matrix of uint8, got ", weights.scalar_type(), " ",
              weights.sizes());
  TORCH_CHECK(inner_k_tiles == 2 || inner_k_tiles == 4 || inner_k_tiles == 8,
              "_convert_weight_to_int4pack: innerKTiles must be 2, 4 or 8, got ", inner_k_tiles);
  const int64_t n = weights.size(0), k = weights.size(1) * 2, step = inner_k_tiles * 16;
  TORCH_CHECK(n % 8 == 0 && k % step == 0, "_convert_weight_to_int4pack: rows must be a multiple of 8 and weights of a "
              "row of ", step, ", got ", n, " and ", k);
  return weights.clone(at::MemoryFormat::Contiguous).view(at::kInt).view({n / 8, k / step, 32, inner_k_tiles / 2});
}

/// a [m, k], weights as packed above, scales and zeros [k / group, n, 2].
Tensor weight_int4pack_mm(const Tensor& a, const Tensor& weights, int64_t group, const Tensor& scales_and_zeros) {
  check_activations("_weight_int4pack_mm", a);
  TORCH_CHECK(weights.scalar_type() == at::kInt && weights.dim() == 4,
              "_weight_int4pack_mm: expected packed weights (int32, 4 dimensions), got ", weights.scalar_type(), " ",
              weights.sizes());
  const int64_t n = weights.size(0) * 8, k = a.size(1);
  TORCH_CHECK(weights.numel() * 8 == n * k, "_weight_int4pack_mm: weights of shape ", weights.sizes(),
              " do not have the ", k, " columns of the activations");
  TORCH_CHECK(group == 32 || group == 64 || group == 128 || group == 256,
              "_weight_int4pack_mm: qGroupSize must be 32, 64, 128 or 256, got ", group);
  TORCH_CHECK(scales_and_zeros.dim() == 3 && scales_and_zeros.size(0) == at::ceil_div(k, group) &&
                  scales_and_zeros.size(1) == n && scales_and_zeros.size(2) == 2,
              "_weight_int4pack_mm: expected qScaleAndZeros of shape [", at::ceil_div(k, group), ", ", n,
              ", 2], got ", scales_and_zeros.sizes());
  return product(a, weights, scales_and_zeros.to(a.scalar_type()), "Int4Weights", "uchar", n,
                 std::countr_zero(uint64_t(group)));
}

Tensor& int_mm_out(const Tensor& a, const Tensor& b, Tensor& out) {
  TORCH_CHECK(a.dim() == 2 && b.dim() == 2 && a.size(1) == b.size(0), "_int_mm: cannot multiply shapes ", a.sizes(),
              " and ", b.sizes());
  TORCH_CHECK(a.scalar_type() == at::kChar && b.scalar_type() == at::kChar, "_int_mm: expected int8 matrices, got ",
              a.scalar_type(), " and ", b.scalar_type());
  TORCH_CHECK(out.scalar_type() == at::kInt, "_int_mm: expected an int32 result, got ", out.scalar_type());
  at::native::resize_output(out, {a.size(0), b.size(1)});
  if (out.numel() == 0) return out;
  const Tensor dense = out.is_contiguous() ? out : at::empty(out.sizes(), out.options());
  const QuantizedMatmulParams params{uint32_t(a.size(0)), uint32_t(b.size(1)), uint32_t(a.size(1)), 0};
  const Extent grid{at::ceil_div<uint64_t>(params.n, 4), at::ceil_div<uint64_t>(params.m, 4)};
  launch_groups(kernel("quantized_matmul", "int8_product", {}), grid, {kSimdWidth}, dense, a.contiguous(),
                b.t().contiguous(), params);
  if (!dense.is_same(out)) out.copy_(dense);
  return out;
}

Tensor int_mm(const Tensor& a, const Tensor& b) {
  Tensor out = at::empty({0}, a.options().dtype(at::kInt));
  return int_mm_out(a, b, out);
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL(m, "_weight_int8pack_mm", weight_int8pack_mm);
  METAL_IMPL(m, "_convert_weight_to_int4pack", convert_weight_to_int4pack);
  METAL_IMPL(m, "_weight_int4pack_mm", weight_int4pack_mm);
  METAL_IMPL(m, "_int_mm", int_mm);
  METAL_IMPL(m, "_int_mm.out", int_mm_out);
}

}  // namespace
}  // namespace torch_metal
