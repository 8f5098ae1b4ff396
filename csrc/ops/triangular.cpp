// Triangular systems: recursion turns all but diagonal blocks into matrix products.
#include "ops/triangular.h"

#include <ATen/native/BatchLinearAlgebra.h>
#include <ATen/native/TransposeType.h>
#include <ATen/ops/linalg_solve_triangular_native.h>
#include <ATen/ops/triangular_solve_native.h>

#include <algorithm>

#include "ops/matmul.h"
#include "ops/structured.h"
#include "runtime/launch.h"

namespace torch_metal {

using at::Tensor;
using at::native::TransposeType;

Tensor flat_batch(const Tensor& matrices) {
  const int64_t rows = matrices.size(-2), columns = matrices.size(-1);
  return matrices.reshape({c10::multiply_integers(matrices.sizes().slice(0, matrices.dim() - 2)), rows, columns});
}

Tensor flat_batch(const Tensor& matrices, const Tensor& like) {
  at::DimVector sizes(like.sizes().slice(0, like.dim() - 2));
  sizes.append({matrices.size(-2), matrices.size(-1)});
  return flat_batch(matrices.expand(sizes));
}

MatrixLayout matrix_layout(const Tensor& matrices) {
  return {matrices.stride(1), matrices.stride(2), matrices.stride(0)};
}

void check_linalg_dtype(const char* name, const Tensor& matrices) {
  const at::ScalarType dtype = matrices.scalar_type();
  TORCH_CHECK_NOT_IMPLEMENTED(dtype == at::kFloat || dtype == at::kComplexFloat, '"', name, "\" not implemented for '",
                              dtype, "'");
}

void subtract_product_(const Tensor& c, const Tensor& a, const Tensor& b) { matmul_into_disjoint(c, a, b, c, 1, -1); }

void solve_triangular_(const Tensor& a, const Tensor& x, bool upper, bool unit) {
  const int64_t n = a.size(1);
  if (x.numel() == 0) return;
  if (n > kLinalgBlock) {
    const int64_t half = split_point(n), rest = n - half;
    const Tensor a11 = a.narrow(1, 0, half).narrow(2, 0, half), a22 = a.narrow(1, half, rest).narrow(2, half, rest);
    const Tensor x1 = x.narrow(1, 0, half), x2 = x.narrow(1, half, rest);
    if (upper) {
      solve_triangular_(a22, x2, upper, unit);
      subtract_product_(x1, a.narrow(1, 0, half).narrow(2, half, rest), x2);
      return solve_triangular_(a11, x1, upper, unit);
    }
    solve_triangular_(a11, x1, upper, unit);
    subtract_product_(x2, a.narrow(1, half, rest).narrow(2, 0, half), x1);
    return solve_triangular_(a22, x2, upper, unit);
  }
  const TriangularParams params{static_cast<uint32_t>(n), upper, unit, matrix_layout(a), matrix_layout(x)};
  const auto columns = static_cast<uint64_t>(x.size(2)), threads = std::min<uint64_t>(columns, 32);
  launch_threads(kernel("triangular", "solve_block", {metal_type(x.scalar_type())}), {columns, uint64_t(x.size(0))},
                 {threads, 32 / threads}, x, a, params);
}

namespace {

/// What LAPACK sees of a matrix: columns of unit stride, and no conjugate bit. PyTorch hands over row-major and
/// conjugate ones as they are, said to be transposed.
Tensor as_lapack_sees(const Tensor& matrix) {
  const Tensor stored = matrix.is_conj() ? matrix.conj() : matrix;
  return stored.stride(-2) == 1 ? stored : stored.mT();
}

void triangular_solve(const Tensor& a, const Tensor& b, bool left, bool upper, TransposeType transpose, bool unit) {
  check_linalg_dtype("triangular_solve", b);
  Tensor matrix = flat_batch(as_lapack_sees(a), b), x = flat_batch(b);
  if (transpose == TransposeType::ConjTranspose) matrix = matrix.conj().resolve_conj();
  // x op(a) = b is op(a)^T x^T = b^T.
  if (!left) x = x.mT();
  const bool flipped = (transpose != TransposeType::NoTranspose) == left;
  solve_triangular_(flipped ? matrix.mT() : matrix, x, upper != flipped, unit);
}

}  // namespace
}  // namespace torch_metal

namespace at::native {
REGISTER_PRIVATEUSE1_DISPATCH(triangular_solve_stub, &torch_metal::triangular_solve)
}  // namespace at::native

namespace torch_metal {

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL(m, "linalg_solve_triangular", at::native::linalg_solve_triangular);
  METAL_IMPL(m, "linalg_solve_triangular.out", at::native::linalg_solve_triangular_out);
  METAL_STRUCTURED(m, "triangular_solve.X", triangular_solve_out);
}

}  // namespace torch_metal
