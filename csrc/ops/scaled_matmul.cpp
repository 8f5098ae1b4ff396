// Products of matrices of 8-bit floats, scaled as a whole or row by row: _scaled_mm.
#include <ATen/BlasBackend.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>

#include "ops/registration.h"
#include "ops/results.h"

namespace torch_metal {
namespace {

using at::IntArrayRef;
using at::Tensor;
using at::TensorList;
using OptionalTensor = std::optional<Tensor>;
using OptionalType = std::optional<at::ScalarType>;

/// An 8-bit float has 256 values: a look-up turns them into float32. Other dtypes are converted.
Tensor widened(const Tensor& matrix) {
  if (!at::isFloat8Type(matrix.scalar_type())) return matrix.to(at::kFloat);
  const Tensor values = at::arange(256, at::kByte).view(matrix.scalar_type()).to(at::kFloat);
  return values.to(matrix.device()).take(matrix.view(at::kByte).to(at::kLong));
}

/// One number, or one for each row (column) of the product.
void check_scale(const char* name, const Tensor& scale, IntArrayRef by_row) {
  TORCH_CHECK(scale.scalar_type() == at::kFloat, "_scaled_mm: ", name, " must be float32, got ", scale.scalar_type());
  TORCH_CHECK_NOT_IMPLEMENTED(scale.numel() == 1 || scale.sizes() == by_row, "_scaled_mm on metal: ", name,
                              " must be one number or of shape ", by_row, ", got ", scale.sizes());
}

Tensor scaled_product(const Tensor& a, const Tensor& b, const Tensor& scale_a, const Tensor& scale_b,
                      const OptionalTensor& bias, const OptionalTensor& scale_result, at::ScalarType dtype) {
  TORCH_CHECK(a.dim() == 2, "mat1 must be a matrix");
  TORCH_CHECK(b.dim() == 2, "mat2 must be a matrix");
  TORCH_CHECK(a.size(1) == b.size(0), "mat1 and mat2 shapes cannot be multiplied (", a.size(0), "x", a.size(1),
              " and ", b.size(0), "x", b.size(1), ")");
  TORCH_CHECK(at::isFloat8Type(a.scalar_type()) || a.scalar_type() == at::kChar,
              "Expected mat1 to be Float8 or Int8 matrix got ", a.scalar_type());
  TORCH_CHECK(at::isFloat8Type(b.scalar_type()) || b.scalar_type() == at::kChar,
              "Expected mat2 to be Float8 or Int8 matrix got ", b.scalar_type());
  check_scale("scale_a", scale_a, {a.size(0), 1});
  check_scale("scale_b", scale_b, {1, b.size(1)});
  Tensor product = at::mm(widened(a), widened(b));
  const auto scaled_by = [&](const Tensor& scale) { product.mul_(scale.numel() == 1 ? scale.reshape({}) : scale); };
  scaled_by(scale_a);
  scaled_by(scale_b);
  if (bias && bias->defined()) {
    TORCH_CHECK(bias->numel() == b.size(1), "Bias must be size ", b.size(1), " but got ", bias->numel());
    product.add_(bias->to(at::kFloat));
  }
  if (scale_result && scale_result->defined() && at::isFloat8Type(dtype)) product.div_(scale_result->reshape({}));
  return product.to(dtype);
}

Tensor scaled_mm(const Tensor& a, const Tensor& b, const Tensor& scale_a, const Tensor& scale_b,
                 const OptionalTensor& bias, const OptionalTensor& scale_result, OptionalType dtype, bool) {
  return scaled_product(a, b, scale_a, scale_b, bias, scale_result, dtype.value_or(a.scalar_type()));
}

Tensor& scaled_mm_out(const Tensor& a, const Tensor& b, const Tensor& scale_a, const Tensor& scale_b,
                      const OptionalTensor& bias, const OptionalTensor& scale_result, OptionalType dtype, bool,
                      Tensor& out) {
  TORCH_CHECK(!dtype || *dtype == out.scalar_type(), "out_dtype must match output matrix type");
  return give(scaled_product(a, b, scale_a, scale_b, bias, scale_result, out.scalar_type()), out);
}

/// The only scale of an operand. A recipe says what it is for; blocks and swizzles are not implemented.
const Tensor& only_scale(const char* name, TensorList scales, IntArrayRef recipes, IntArrayRef swizzles) {
  using at::blas::ScalingType, at::blas::SwizzleType;
  const auto is = [](IntArrayRef list, auto value) {
    return list.size() == 1 && list[0] == static_cast<int64_t>(value);
  };
  TORCH_CHECK_NOT_IMPLEMENTED(
      scales.size() == 1 && (is(recipes, ScalingType::TensorWise) || is(recipes, ScalingType::RowWise)),
      "_scaled_mm on metal: ", name, " must be scaled as a whole or by rows");
  TORCH_CHECK_NOT_IMPLEMENTED(swizzles.empty() || is(swizzles, SwizzleType::NO_SWIZZLE),
                              "_scaled_mm on metal: scales must not be swizzled");
  return scales[0];
}

Tensor scaled_mm_v2(const Tensor& a, const Tensor& b, TensorList scale_a, IntArrayRef recipe_a, IntArrayRef swizzle_a,
                    TensorList scale_b, IntArrayRef recipe_b, IntArrayRef swizzle_b, const OptionalTensor& bias,
                    OptionalType dtype, IntArrayRef, bool) {
  return scaled_product(a, b, only_scale("mat1", scale_a, recipe_a, swizzle_a),
                        only_scale("mat2", scale_b, recipe_b, swizzle_b), bias, {},
                        dtype.value_or(a.scalar_type()));
}

Tensor& scaled_mm_v2_out(const Tensor& a, const Tensor& b, TensorList scale_a, IntArrayRef recipe_a,
                         IntArrayRef swizzle_a, TensorList scale_b, IntArrayRef recipe_b, IntArrayRef swizzle_b,
                         const OptionalTensor& bias, OptionalType dtype, IntArrayRef dims, bool fast, Tensor& out) {
  TORCH_CHECK(!dtype || *dtype == out.scalar_type(), "out_dtype must match output matrix type");
  return give(scaled_mm_v2(a, b, scale_a, recipe_a, swizzle_a, scale_b, recipe_b, swizzle_b, bias, out.scalar_type(),
                           dims, fast),
              out);
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL(m, "_scaled_mm", scaled_mm);
  METAL_IMPL(m, "_scaled_mm.out", scaled_mm_out);
  METAL_IMPL(m, "_scaled_mm_v2", scaled_mm_v2);
  METAL_IMPL(m, "_scaled_mm_v2.out", scaled_mm_v2_out);
}

}  // namespace
}  // namespace torch_metal
