// Indices of compressed tensors: their invariants, and the way to and from the rows of entries.
#include <ATen/ops/_convert_indices_from_coo_to_csr_meta.h>
#include <ATen/ops/_convert_indices_from_csr_to_coo_meta.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/searchsorted.h>
#include <ATen/ops/zeros.h>

#include "ops/sparse/compressed.h"
#include "ops/structured.h"
#include "runtime/launch.h"
#include "sparse_params.h"

namespace torch_metal {

using at::Tensor;

Tensor compress_rows(const Tensor& rows_of_entries, int64_t rows, bool int32) {
  return at::searchsorted(rows_of_entries, at::arange(rows + 1, rows_of_entries.options()), int32);
}

Tensor rows_of_entries(const Tensor& compressed, int64_t entries, bool int32) {
  at::DimVector sizes(compressed.sizes());
  sizes.back() = entries;
  const Tensor positions = at::arange(entries, compressed.options()).expand(sizes).contiguous();
  return at::searchsorted(compressed.contiguous(), positions, int32, /*right=*/true).sub_(1);
}

namespace {

/// The words of an error, by what is compressed: rows or columns.
struct Words {
  const char *compressed, *plain, *compressed_count, *plain_count;
};
constexpr Words kByRow{"crow_indices", "col_indices", "nrows", "ncols"};
constexpr Words kByColumn{"ccol_indices", "row_indices", "ncols", "nrows"};

void check_sizes(const Words& w, const Tensor& compressed, const Tensor& plain, int64_t compressed_size,
                 int64_t entries) {
  TORCH_CHECK(compressed.size(-1) == compressed_size + 1, w.compressed, " have wrong shape: ", w.compressed,
              ".shape[-1] = ", compressed.size(-1), " is not equal to ", w.compressed_count, " + 1 = ",
              compressed_size + 1);
  TORCH_CHECK(plain.size(-1) == entries, w.plain, " have wrong shape: ", w.plain, ".shape[-1] = ", plain.size(-1),
              " is not equal to nnz = ", entries);
}

void check_fits_int32(const char* what, int64_t value) {
  TORCH_CHECK(static_cast<int32_t>(value) == value, "32-bit integer overflow in ", what, " = ", value);
}

void raise(const Words& w, uint32_t faults) {
  TORCH_CHECK(!(faults & kPlainOutOfRange), "`0 <= ", w.plain, " < ", w.plain_count, "` is not satisfied.");
  TORCH_CHECK(!(faults & kFirstNotZero), "`", w.compressed, "[..., 0] == 0` is not satisfied.");
  TORCH_CHECK(!(faults & kLastNotEntries), "`", w.compressed, "[..., -1] == nnz` is not satisfied.");
  TORCH_CHECK(!(faults & kNotAscending), "`0 <= ", w.compressed, "[..., 1:] - ", w.compressed, "[..., :-1] <= ",
              w.plain_count, "` is not satisfied.");
  TORCH_CHECK(!(faults & kNotDistinct), "`", w.plain, "[..., ", w.compressed, "[..., i - 1]:", w.compressed,
              "[..., i]] for all i = 1, ..., ", w.compressed_count,
              " are sorted and distinct along the last dimension values` is not satisfied.");
}

/// Raises here, as the CPU does, not when the stream is next waited for.
void validate(bool by_row, const Tensor& compressed, const Tensor& plain, int64_t compressed_size, int64_t plain_size,
              int64_t entries) {
  const Words& w = by_row ? kByRow : kByColumn;
  check_sizes(w, compressed, plain, compressed_size, entries);
  if (plain.scalar_type() == at::kInt) {
    check_fits_int32(by_row ? "column dimension" : "row dimension", plain_size);
    check_fits_int32(by_row ? "row dimension" : "column dimension", compressed_size);
    check_fits_int32("nnz", entries);
  }
  const uint64_t batch = compressed_size > 0 ? compressed.numel() / (compressed_size + 1) : 0;
  const Tensor faults = at::zeros({1}, compressed.options().dtype(at::kInt));
  const CompressedCheckParams params{compressed_size, plain_size, entries};
  launch_threads(kernel("sparse", "check_compressed", {metal_type(plain.scalar_type())}),
                 {static_cast<uint64_t>(compressed_size), batch}, {kSimdWidth}, faults, compressed.contiguous(),
                 plain.contiguous(), params);
  raise(w, static_cast<uint32_t>(faults.item<int32_t>()));
}

struct CooToCsr : at::meta::structured__convert_indices_from_coo_to_csr {
  void impl(const Tensor& self, int64_t size, bool out_int32, const Tensor& result) {
    result.copy_(compress_rows(self.contiguous(), size, out_int32));
  }
};

/// The result's first dimensions are those of the batch, then come row and column, exchanged if it is transposed.
struct CsrToCoo : at::meta::structured__convert_indices_from_csr_to_coo {
  void impl(const Tensor& compressed, const Tensor& plain, bool out_int32, bool transpose, const Tensor& result) {
    if (plain.numel() == 0) {
      result.zero_();
      return;
    }
    const int64_t batch_dims = plain.dim() - 1;
    at::DimVector sizes(plain.sizes());
    sizes.insert(sizes.begin(), batch_dims + 2);
    const Tensor indices = result.view(sizes);
    for (int64_t d = 0; d < batch_dims; ++d) {
      at::DimVector along(plain.dim(), 1);
      along[d] = plain.size(d);
      indices[d].copy_(at::arange(plain.size(d), result.options()).view(along).expand(plain.sizes()));
    }
    indices[batch_dims + transpose].copy_(rows_of_entries(compressed, plain.size(-1), out_int32));
    indices[batch_dims + !transpose].copy_(plain);
  }
};

}  // namespace

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  METAL_IMPL(m, "_validate_compressed_sparse_indices", validate);
  METAL_STRUCTURED_CLASS(m, "_convert_indices_from_coo_to_csr.out", CooToCsr);
  METAL_STRUCTURED_CLASS(m, "_convert_indices_from_csr_to_coo.out", CsrToCoo);
}

}  // namespace torch_metal
