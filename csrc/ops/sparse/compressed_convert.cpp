// From dense and COO tensors to compressed ones, and between the compressed layouts.
#include <ATen/SparseCsrTensorUtils.h>
#include <ATen/ops/_sparse_compressed_tensor_unsafe.h>
#include <ATen/ops/_to_sparse_bsc_native.h>
#include <ATen/ops/_to_sparse_bsr_native.h>
#include <ATen/ops/_to_sparse_csc_native.h>
#include <ATen/ops/_to_sparse_csr_native.h>
#include <ATen/ops/_to_sparse_native.h>
#include <ATen/ops/zeros.h>

#include "ops/registration.h"
#include "ops/sparse/compressed.h"
#include "ops/sparse/coo.h"

namespace torch_metal {
namespace {

using at::Tensor;

/// The blocks of a CSR (CSC) matrix that have entries, as BSR (BSC). Entries may be dense themselves.
Tensor to_blocks(const Tensor& self, int64_t height, int64_t width) {
  const bool by_row = self.layout() == at::kSparseCsr;
  const auto [first_entries, plain_indices] = at::sparse_csr::getCompressedPlainIndices(self);
  const Tensor compressed = rows_of_entries(first_entries, self._nnz()).to(at::kLong);
  const Tensor plain = plain_indices.to(at::kLong);
  const int64_t step = by_row ? height : width, plain_step = by_row ? width : height;
  const int64_t blocks = self.size(by_row ? 0 : 1) / step, plain_blocks = self.size(by_row ? 1 : 0) / plain_step;
  const Tensor entries = self.values();
  at::DimVector block_sizes{0, height, width};
  block_sizes.append(entries.sizes().begin() + 1, entries.sizes().end());
  const auto finish = [&](const Tensor& block_compressed, const Tensor& block_plain, const Tensor& values) {
    const auto index = plain_indices.scalar_type();
    block_sizes[0] = block_plain.numel();
    return at::_sparse_compressed_tensor_unsafe(block_compressed.to(index), block_plain.to(index),
                                                values.view(block_sizes), self.sizes(),
                                                values.options().layout(by_row ? at::kSparseBsr : at::kSparseBsc));
  };
  if (self._nnz() == 0) return finish(at::zeros({blocks + 1}, plain.options()), plain, entries);
  const Tensor block = compressed.floor_divide(step), plain_block = plain.floor_divide(plain_step);
  const Groups groups(block * plain_blocks + plain_block);
  const Tensor row = by_row ? compressed : plain, column = by_row ? plain : compressed;
  block_sizes[0] = groups.runs.count();
  const Tensor values = at::zeros(block_sizes, entries.options());
  const auto ordered = [&](const Tensor& t) { return t.index_select(0, groups.order); };
  values.index_put_({groups.runs.numbers(), ordered(row.remainder(height)), ordered(column.remainder(width))},
                    ordered(entries));
  const Tensor first = groups.order.index_select(0, groups.runs.starts());
  return finish(compress_rows(block.index_select(0, first), blocks), plain_block.index_select(0, first), values);
}

void check_blocks(const char* op, const Tensor& self, at::IntArrayRef blocksize) {
  TORCH_CHECK(self.dim() - self.dense_dim() == 2, op, ": conversion from ", self.layout(),
              " for batched inputs is not supported");
  TORCH_CHECK(blocksize.size() == 2 && blocksize[0] > 0 && blocksize[1] > 0, op,
              ": blocksize needs to be a tuple of two positive numbers, but got ", blocksize);
  TORCH_CHECK(self.size(0) % blocksize[0] == 0 && self.size(1) % blocksize[1] == 0, op, ": tensor sparse size (",
              self.size(0), ",", self.size(1), ") must be divisible by given blocksize (", blocksize[0], ",",
              blocksize[1], ")");
}

bool is_scalar_layout(const Tensor& self) { return self.layout() == at::kSparseCsr || self.layout() == at::kSparseCsc; }

// PyTorch's own conversion goes through the CPU's memory for these two.
Tensor compressed_to_bsr(const Tensor& self, at::IntArrayRef blocksize, std::optional<int64_t> dense_dim) {
  if (!is_scalar_layout(self)) return at::native::sparse_compressed_to_sparse_bsr(self, blocksize, dense_dim);
  check_blocks("sparse_compressed_to_sparse_bsr", self, blocksize);
  return to_blocks(self.to_sparse_csr(), blocksize[0], blocksize[1]);
}

Tensor compressed_to_bsc(const Tensor& self, at::IntArrayRef blocksize, std::optional<int64_t> dense_dim) {
  if (!is_scalar_layout(self)) return at::native::sparse_compressed_to_sparse_bsc(self, blocksize, dense_dim);
  check_blocks("sparse_compressed_to_sparse_bsc", self, blocksize);
  return to_blocks(self.to_sparse_csc(), blocksize[0], blocksize[1]);
}

}  // namespace

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL_OVERLOAD(m, "_to_sparse", _to_sparse, at::native::dense_to_sparse);
  METAL_IMPL_OVERLOAD(m, "_to_sparse.sparse_dim", _to_sparse_sparse_dim, at::native::dense_to_sparse);
  METAL_IMPL(m, "_to_sparse_csr", at::native::dense_to_sparse_csr);
  METAL_IMPL(m, "_to_sparse_csc", at::native::dense_to_sparse_csc);
  METAL_IMPL(m, "_to_sparse_bsr", at::native::dense_to_sparse_bsr);
  METAL_IMPL(m, "_to_sparse_bsc", at::native::dense_to_sparse_bsc);
}

TORCH_LIBRARY_IMPL(aten, SparseCsrPrivateUse1, m) {
  METAL_IMPL(m, "_to_sparse_bsr", compressed_to_bsr);
  METAL_IMPL(m, "_to_sparse_bsc", compressed_to_bsc);
}

}  // namespace torch_metal
