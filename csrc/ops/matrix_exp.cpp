// The exponential of matrices: scaling and squaring around a Taylor polynomial (Higham, "Functions of Matrices", 10.3),
// so matrix products alone.
#include <ATen/native/LinearAlgebraUtils.h>

#include "ops/registration.h"
#include "ops/triangular.h"

namespace torch_metal {
namespace {

using at::Tensor;

constexpr int kDegree = 12;

/// exp(a) for matrices of 1-norm at most 1, where what the polynomial leaves out is below 1/13! = 1.6e-10. Evaluated
/// in powers of a^4 (Paterson and Stockmeyer).
Tensor taylor(const Tensor& a) {
  const Tensor a2 = at::matmul(a, a), a3 = at::matmul(a2, a), a4 = at::matmul(a2, a2);
  double coefficients[kDegree + 1] = {1};
  for (int k = 1; k <= kDegree; ++k) coefficients[k] = coefficients[k - 1] / k;
  const auto cubic = [&](int k) {
    Tensor sum = a * coefficients[k + 1] + a2 * coefficients[k + 2] + a3 * coefficients[k + 3];
    sum.diagonal(0, -2, -1).add_(coefficients[k]);
    return sum;
  };
  const Tensor highest = cubic(8) + a4 * coefficients[12];
  return cubic(0) + at::matmul(a4, cubic(4) + at::matmul(a4, highest));
}

Tensor matrix_exp(const Tensor& self) {
  at::native::squareCheckInputs(self, "linalg.matrix_exp");
  at::native::checkFloatingOrComplex(self, "linalg.matrix_exp");
  if (self.numel() == 0) return self.clone();
  const bool low_precision = self.scalar_type() == at::kHalf || self.scalar_type() == at::kBFloat16;
  const Tensor a = flat_batch(low_precision ? self.to(at::kFloat) : self);
  const Tensor norms = a.abs().sum(1).amax(1);
  // Each matrix is halved as often as it needs; those without a finite norm are not.
  const Tensor halvings = norms.log2().ceil().nan_to_num(0, 0, 0).clamp_min(0).view({-1, 1, 1});
  const auto most = halvings.max().item<double>();
  Tensor result = taylor(a * at::exp2(-halvings));
  for (int i = 0; i < most; ++i) result = at::where(halvings.gt(i), at::matmul(result, result), result);
  return result.view(self.sizes()).to(self.scalar_type());
}

/// Sums of tensors that lie along the first dimension, one sum for each row of coefficients.
Tensor linear_combination(const Tensor& input, const Tensor& coefficients) {
  TORCH_CHECK(input.dim() > 0 && coefficients.dim() == 2 && coefficients.size(1) == input.size(0),
              "_compute_linear_combination: expected a column of coefficients for each of the tensors, got shapes ",
              coefficients.sizes(), " and ", input.sizes());
  auto sizes = input.sizes().vec();
  sizes[0] = coefficients.size(0);
  return at::mm(coefficients, input.reshape({input.size(0), c10::multiply_integers(sizes.begin() + 1, sizes.end())}))
      .view(sizes);
}

/// What `out` holds counts as a summand, as it does in PyTorch.
Tensor& linear_combination_out(const Tensor& input, const Tensor& coefficients, Tensor& out) {
  return out.add_(linear_combination(input, coefficients));
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL(m, "linalg_matrix_exp", matrix_exp);
  METAL_IMPL(m, "_compute_linear_combination", linear_combination);
  METAL_IMPL(m, "_compute_linear_combination.out", linear_combination_out);
}

}  // namespace
}  // namespace torch_metal
