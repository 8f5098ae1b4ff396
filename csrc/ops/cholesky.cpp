// Cholesky factorisation and what is solved with it. Recursion turns all but diagonal blocks into triangular systems
// and matrix products.
#include <ATen/native/BatchLinearAlgebra.h>
#include <ATen/ops/cholesky_inverse_native.h>
#include <ATen/ops/cholesky_native.h>
#include <ATen/ops/eye.h>

#include <algorithm>
#include <bit>
#include <string>

#include "cholesky_params.h"
#include "ops/matmul.h"
#include "ops/structured.h"
#include "ops/triangular.h"
#include "runtime/launch.h"

namespace torch_metal {
namespace {

using at::Tensor;

Tensor dense_adjoint(const Tensor& matrices) { return matrices.mH().resolve_conj(); }

/// The lower triangle of c -= a a^H; above the diagonal, small blocks along it are written too.
void subtract_square_(const Tensor& c, const Tensor& a, const Tensor& a_adjoint) {
  const int64_t n = c.size(1);
  if (n <= 4 * kLinalgBlock) return subtract_product_(c, a, a_adjoint);
  const int64_t half = split_point(n), rest = n - half;
  const Tensor a1 = a.narrow(1, 0, half), a2 = a.narrow(1, half, rest);
  subtract_square_(c.narrow(1, 0, half).narrow(2, 0, half), a1, a_adjoint.narrow(2, 0, half));
  subtract_product_(c.narrow(1, half, rest).narrow(2, 0, half), a2, a_adjoint.narrow(2, 0, half));
  subtract_square_(c.narrow(1, half, rest).narrow(2, half, rest), a2, a_adjoint.narrow(2, half, rest));
}

/// a = l l^H in the lower triangle of a [batch, n, n], whose first row is row `start` of the whole. info[batch] gets
/// the order of the first leading minor that is not positive.
void factor_(const Tensor& a, const Tensor& info, int64_t start = 0) {
  const int64_t n = a.size(1);
  if (n <= kLinalgBlock) {
    const CholeskyParams params{static_cast<uint32_t>(n), static_cast<uint32_t>(start), matrix_layout(a)};
    const uint64_t width = std::bit_ceil(std::max<uint64_t>(n, 4));
    const Kernel& factor = kernel("cholesky", "factor_block", {metal_type(a.scalar_type()), std::to_string(width)});
    return launch_threads(factor, {a.size(0) * width}, {4 * kSimdWidth}, a, info, params);
  }
  const int64_t half = split_point(n), rest = n - half;
  const Tensor a11 = a.narrow(1, 0, half).narrow(2, 0, half), a21 = a.narrow(1, half, rest).narrow(2, 0, half),
               a22 = a.narrow(1, half, rest).narrow(2, half, rest);
  factor_(a11, info, start);
  // x l11^H = a21 is conj(l11) x^T = a21^T.
  solve_triangular_(a11.conj().resolve_conj(), a21.mT(), /*upper=*/false, /*unit=*/false);
  subtract_square_(a22, a21, dense_adjoint(a21));
  factor_(a22, info, start + half);
}

void cholesky(const Tensor& input, const Tensor& info, bool upper) {
  check_linalg_dtype("cholesky", input);
  if (input.numel() == 0) return;
  const Tensor codes = at::zeros(info.sizes(), info.options());
  // a = u^H u, transposed, is a^T = u^T (u^T)^H.
  const Tensor matrices = flat_batch(input);
  factor_(upper ? matrices.mT() : matrices, codes.view(-1));
  if (matrices.size(1) > kLinalgBlock) {  // products have written to the other triangle
    if (upper) {
      input.triu_();
    } else {
      input.tril_();
    }
  }
  info.copy_(codes);
}

/// The factor as a lower triangle.
Tensor lower_factor(const Tensor& factor, bool upper) { return upper ? dense_adjoint(factor) : factor; }

/// The inverse of l l^H in place of l; infos get the first row whose diagonal element is zero.
Tensor& cholesky_inverse(Tensor& result, Tensor& infos, bool upper) {
  check_linalg_dtype("cholesky_inverse", result);
  if (result.numel() == 0) return result;
  const Tensor factors = flat_batch(result);
  const Tensor zeros = factors.diagonal(0, 1, 2).eq(0).to(at::kInt);
  infos.copy_((zeros.argmax(1).add_(1)).mul_(zeros.any(1)).view(infos.sizes()));
  const Tensor inverse = at::eye(factors.size(1), factors.options()).expand(factors.sizes()).contiguous();
  solve_triangular_(lower_factor(factors, upper), inverse, /*upper=*/false, /*unit=*/false);
  matmul_into(factors, dense_adjoint(inverse), inverse);
  return result;
}

Tensor cholesky_solve_helper(const Tensor& self, const Tensor& a, bool upper) {
  check_linalg_dtype("cholesky_solve", self);
  const Tensor result = self.mT().clone(at::MemoryFormat::Contiguous).mT();
  if (result.numel() == 0) return result;
  const Tensor lower = lower_factor(flat_batch(a, self), upper), x = flat_batch(result);
  solve_triangular_(lower, x, /*upper=*/false, /*unit=*/false);
  solve_triangular_(dense_adjoint(lower), x, /*upper=*/true, /*unit=*/false);
  return result;
}

}  // namespace
}  // namespace torch_metal

namespace at::native {
REGISTER_PRIVATEUSE1_DISPATCH(cholesky_stub, &torch_metal::cholesky)
REGISTER_PRIVATEUSE1_DISPATCH(cholesky_inverse_stub, &torch_metal::cholesky_inverse)
}  // namespace at::native

namespace torch_metal {

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_STRUCTURED(m, "linalg_cholesky_ex.L", linalg_cholesky_ex_out);
  METAL_IMPL(m, "cholesky", at::native::cholesky);
  METAL_IMPL(m, "cholesky.out", at::native::cholesky_out);
  METAL_IMPL(m, "cholesky_inverse", at::native::cholesky_inverse);
  METAL_IMPL(m, "cholesky_inverse.out", at::native::cholesky_inverse_out);
  METAL_IMPL(m, "_cholesky_solve_helper", cholesky_solve_helper);
}

}  // namespace torch_metal
