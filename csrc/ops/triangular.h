// Triangular systems and batches of matrices, for the factorisations that are made of them.
#pragma once

#include <ATen/core/Tensor.h>

#include "triangular_params.h"

namespace torch_metal {

/// Rows and columns of the blocks that one kernel handles; all above is matrix multiplication.
constexpr int64_t kLinalgBlock = kTriangularBlock;

/// Where a matrix of n rows or columns, n > kLinalgBlock, is split in two: a multiple of kLinalgBlock.
inline int64_t split_point(int64_t n) { return (n / 2 + kLinalgBlock - 1) / kLinalgBlock * kLinalgBlock; }

/// [..., m, n] as [batch, m, n]: a view wherever the strides allow one.
at::Tensor flat_batch(const at::Tensor& matrices);
/// The same, broadcast to the batch dimensions of `like`.
at::Tensor flat_batch(const at::Tensor& matrices, const at::Tensor& like);

/// Element strides of [batch, m, n] for kernels.
MatrixLayout matrix_layout(const at::Tensor& matrices);

/// Throws unless linear algebra on the device has the dtype: float32 and complex64.
void check_linalg_dtype(const char* name, const at::Tensor& matrices);

/// x = a^-1 x, over [batch, n, n] and [batch, n, m] of any strides. Of a, one triangle is read, without its diagonal
/// if that is all ones (`unit`).
void solve_triangular_(const at::Tensor& a, const at::Tensor& x, bool upper, bool unit);

/// c -= a b, where c has no element in common with a and b.
void subtract_product_(const at::Tensor& c, const at::Tensor& a, const at::Tensor& b);

}  // namespace torch_metal
