// Parameters of the kernels for sparse tensors, shared by host and kernels.
#pragma once
#include "matmul_params.h"

namespace torch_metal {

#ifdef __METAL__
constant
#endif
constexpr uint32_t kMaxSparseDims = 16;

/// Strides in elements, of the indices [dims, entries] and of the places that they name.
struct FlattenParams {
  int64_t place[kMaxSparseDims];
  int64_t dim_stride;
  int64_t entry_stride;
  uint32_t dims;
};

/// Runs of entries that belong together, and how many values each entry has.
struct RunsParams {
  uint32_t runs;
  uint32_t columns;
};

/// Matrices in compressed rows, entries being blocks: how far apart those of a batch are, in elements.
struct CompressedLayout {
  int64_t compressed_batch;
  int64_t plain_batch;
  int64_t values_batch;
  uint32_t block_rows;
  uint32_t block_columns;
};

/// out = alpha * a dense + beta * self. `self` is not read if beta is 0.
template <class Scalar>
struct SparseProductParams {
  uint32_t rows;
  uint32_t columns;  ///< of dense
  CompressedLayout a;
  MatrixLayout dense;
  MatrixLayout self;
  MatrixLayout out;
  Scalar alpha;
  Scalar beta;
};

#ifdef __METAL__
constant
#endif
constexpr uint32_t kSampledEntries = 8;  ///< that a SIMD-group of sampled_product has

/// values of out = alpha * (a b at the entries) + beta * values of self.
template <class Scalar>
struct SampledProductParams {
  uint32_t entries;  ///< of one of the batch
  uint32_t inner;
  MatrixLayout a;
  MatrixLayout b;
  Scalar alpha;
  Scalar beta;
};

enum SparseReduction : uint32_t { kSparseSum, kSparseMean, kSparseMax, kSparseMin };

/// out[row, column] = reduction over the row's entries of value * dense[entry's column, column].
struct ReducedProductParams {
  int64_t entries;  ///< the position that stands for none
  uint32_t columns;
  uint32_t reduction;
  MatrixLayout dense;
};

/// What compressed indices must fulfil; bits of the kernel's answer.
enum CompressedFault : uint32_t {
  kPlainOutOfRange = 1,
  kFirstNotZero = 2,
  kLastNotEntries = 4,
  kNotAscending = 8,
  kNotDistinct = 16,
};

/// Batches of contiguous indices.
struct CompressedCheckParams {
  int64_t compressed_size;  ///< rows
  int64_t plain_size;       ///< columns
  int64_t entries;
};

}  // namespace torch_metal
