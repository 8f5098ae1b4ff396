// LU factorisation with partial pivoting, and what PyTorch makes of it: solve, inv, det, slogdet. Recursion over the
// columns turns all but narrow panels into triangular systems and matrix products.
#include <ATen/TensorIterator.h>
#include <ATen/native/BatchLinearAlgebra.h>
#include <ATen/native/TransposeType.h>

#include <algorithm>
#include <bit>
#include <string>

#include "lu_params.h"
#include "ops/iteration.h"
#include "ops/structured.h"
#include "ops/triangular.h"
#include "runtime/launch.h"

namespace torch_metal {
namespace {

using at::Tensor;
using at::TensorIterator;
using at::native::TransposeType;

/// The factorisation in place of a batch of matrices [batch, m, n]. Pivots [batch, min(m, n)] and info [batch] are
/// those of LAPACK: 1-based rows, and the first column whose pivot is zero.
class LuFactorisation {
 public:
  LuFactorisation(const Tensor& pivots, const Tensor& info, bool pivoting)
      : pivots_(pivots), info_(info), pivoting_(pivoting) {}

  /// `a` is what is left from row and column `start` on.
  void factor(const Tensor& a, int64_t start = 0) const {
    const int64_t m = a.size(1), n = a.size(2);
    if (n <= kLinalgBlock) return factor_panel(a, start);
    const int64_t left = m < n ? m : split_point(n), right = n - left, below = m - left;
    const Tensor a1 = a.narrow(2, 0, left), a2 = a.narrow(2, left, right);
    factor(a1, start);
    swap_rows(a2, start, left);
    solve_triangular_(a1.narrow(1, 0, left), a2.narrow(1, 0, left), /*upper=*/false, /*unit=*/true);
    if (below == 0) return;
    const Tensor a21 = a1.narrow(1, left, below), a22 = a2.narrow(1, left, below);
    subtract_product_(a22, a21, a2.narrow(1, 0, left));
    factor(a22, start + left);
    swap_rows(a21, start + left, std::min(below, right));
  }

 private:
  void factor_panel(const Tensor& a, int64_t start) const {
    const LuParams params{static_cast<uint32_t>(a.size(1)), static_cast<uint32_t>(a.size(2)),
                          static_cast<uint32_t>(start),     static_cast<uint32_t>(pivots_.size(1)),
                          pivoting_,                        matrix_layout(a)};
    if (a.size(1) <= kSimdWidth && a.size(2) <= kSimdWidth) return factor_small(a, params);
    const uint64_t threads = std::clamp<uint64_t>(a.size(1) / 4 / 32 * 32, 32, 256);
    launch_groups(kernel("lu", "factor_panel", {metal_type(a.scalar_type())}), {uint64_t(a.size(0))}, {threads}, a,
                  pivots_, info_, params);
  }

  void factor_small(const Tensor& a, const LuParams& params) const {
    const uint64_t width = std::bit_ceil(std::max({params.rows, params.columns, 4u}));
    launch_threads(kernel("lu", "factor_small", {metal_type(a.scalar_type()), std::to_string(width)}),
                   {a.size(0) * width}, {4 * kSimdWidth}, a, pivots_, info_, params);
  }

  void swap_rows(const Tensor& a, int64_t start, int64_t count) const {
    if (pivoting_) swap_rows(a, pivots_, start, count, /*backward=*/false);
  }

 public:
  /// Applies interchanges `start`..`start + count` to a, whose first row is row `start`, or undoes them.
  static void swap_rows(const Tensor& a, const Tensor& pivots, int64_t start, int64_t count, bool backward) {
    const RowSwapParams params{static_cast<uint32_t>(start), static_cast<uint32_t>(count),
                               static_cast<uint32_t>(pivots.size(1)), backward, matrix_layout(a)};
    const auto columns = static_cast<uint64_t>(a.size(2)), threads = std::clamp<uint64_t>(columns, 1, 32);
    launch_threads(kernel("lu", "swap_rows", {metal_type(a.scalar_type())}), {columns, uint64_t(a.size(0))},
                   {threads, 32 / threads}, a, pivots, params);
  }

 private:
  const Tensor pivots_;
  const Tensor info_;
  const bool pivoting_;
};

void lu_factor(const Tensor& input, const Tensor& pivots, const Tensor& info, bool pivoting) {
  check_linalg_dtype("lu_factor", input);
  info.zero_();
  if (input.numel() == 0) return;
  const Tensor rows = pivots.is_contiguous() ? pivots : at::empty(pivots.sizes(), pivots.options());
  const Tensor codes = info.is_contiguous() ? info : at::zeros(info.sizes(), info.options());
  LuFactorisation(rows.view({-1, pivots.size(-1)}), codes.view(-1), pivoting).factor(flat_batch(input));
  if (!rows.is_same(pivots)) pivots.copy_(rows);
  if (!codes.is_same(info)) info.copy_(codes);
}

void lu_solve(const Tensor& lu, const Tensor& pivots, const Tensor& b, TransposeType transpose) {
  check_linalg_dtype("lu_solve", b);
  if (b.numel() == 0) return;
  Tensor factors = flat_batch(lu, b);
  const Tensor x = flat_batch(b), rows = flat_batch(pivots.unsqueeze(-1), b).squeeze(-1).contiguous();
  const int64_t n = rows.size(1);
  if (transpose == TransposeType::NoTranspose) {
    LuFactorisation::swap_rows(x, rows, 0, n, /*backward=*/false);
    solve_triangular_(factors, x, /*upper=*/false, /*unit=*/true);
    return solve_triangular_(factors, x, /*upper=*/true, /*unit=*/false);
  }
  if (transpose == TransposeType::ConjTranspose) factors = factors.conj().resolve_conj();
  solve_triangular_(factors.mT(), x, /*upper=*/false, /*unit=*/false);
  solve_triangular_(factors.mT(), x, /*upper=*/true, /*unit=*/true);
  LuFactorisation::swap_rows(x, rows, 0, n, /*backward=*/true);
}

/// Operand 0 points at a row 0, 1, 2, ... of int64 for each batch, operand 1 at its pivots.
void unpack_pivots(TensorIterator& iterator, int64_t count, int64_t rows) {
  if (iterator.numel() == 0) return;
  const UnpackPivotsParams params{iteration_shape(iterator), byte_strides(iterator, 0), byte_strides(iterator, 1),
                                  static_cast<uint32_t>(count), static_cast<uint32_t>(rows)};
  launch_threads(kernel("lu", "unpack_pivots"), {uint64_t(iterator.numel())}, {kSimdWidth}, operand(iterator, 0),
                 operand(iterator, 1), error_buffer(), params);
}

}  // namespace
}  // namespace torch_metal

namespace at::native {
REGISTER_PRIVATEUSE1_DISPATCH(lu_factor_stub, &torch_metal::lu_factor)
REGISTER_PRIVATEUSE1_DISPATCH(lu_solve_stub, &torch_metal::lu_solve)
REGISTER_PRIVATEUSE1_DISPATCH(unpack_pivots_stub, &torch_metal::unpack_pivots)
}  // namespace at::native

namespace torch_metal {

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_STRUCTURED(m, "linalg_lu_factor_ex.out", linalg_lu_factor_ex_out);
  METAL_STRUCTURED(m, "linalg_lu.out", linalg_lu_out);
  METAL_STRUCTURED(m, "linalg_lu_solve.out", linalg_lu_solve_out);
  METAL_STRUCTURED(m, "lu_unpack.out", lu_unpack_out);
  METAL_STRUCTURED(m, "linalg_inv_ex.inverse", linalg_inv_ex_out);
  METAL_STRUCTURED(m, "_linalg_solve_ex.result", _linalg_solve_ex_out);
  METAL_STRUCTURED(m, "_linalg_det.result", _linalg_det_out);
  METAL_STRUCTURED(m, "_linalg_slogdet.sign", _linalg_slogdet_out);
}

}  // namespace torch_metal
