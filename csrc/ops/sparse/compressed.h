// Matrices in compressed rows, and their products with dense ones.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Scalar.h>

namespace torch_metal {

/// Batches of sparse matrices: `compressed` [batch, block rows + 1] says which entries a row of blocks has, `plain`
/// [batch, entries] the column of blocks that each is in, `values` [batch, entries] or [batch, entries, height, width]
/// the blocks. Indices are all int32 or all int64.
struct CompressedRows {
  at::Tensor compressed;
  at::Tensor plain;
  at::Tensor values;

  bool has_blocks() const { return values.dim() == 4; }
};

/// out = alpha * a dense + beta * self: [batch, rows, columns], of one dtype; any strides. `self` is ignored, NaN and
/// all, if beta is 0, and may be out. `out` must not share memory with `dense`.
void multiply_rows_into(const at::Tensor& out, const CompressedRows& a, const at::Tensor& dense, const at::Tensor& self,
                        const c10::Scalar& beta, const c10::Scalar& alpha);

/// The first entry of each row, and the end: [rows + 1]. `rows_of_entries` are ascending.
at::Tensor compress_rows(const at::Tensor& rows_of_entries, int64_t rows, bool int32 = false);
/// The row of each entry, [..., entries], from [..., rows + 1].
at::Tensor rows_of_entries(const at::Tensor& compressed, int64_t entries, bool int32 = false);

}  // namespace torch_metal
