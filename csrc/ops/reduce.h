// Launches a reduction over the dimensions that a TensorIterator reduces. kernels/include/reduction.h says what an
// operator is.
#pragma once

#include <ATen/native/TensorIterator.h>

#include <string_view>

#include "reduction_params.h"

namespace torch_metal {

/// An operator of kernels/<family>.metal, its kernels <prefix>_rows and <prefix>_columns, and its own parameters.
struct ReductionOp {
  std::string_view name;  ///< "sum_op"; instantiated with the dtypes of the first input and of the first output
  double value = 0;
  uint32_t mode = 0;
  std::string_view family = "reduction";
  std::string_view prefix = "reduce";
};

/// Reduces the iterator's inputs into its one or two outputs. The iterator is a reduction with no empty dimension
/// reduced; outputs keep their own dtypes. Any number of dimensions up to 16 after coalescing, any strides.
void launch_reduction(const at::TensorIteratorBase& iterator, const ReductionOp& op);

/// Threads of a threadgroup that reduces one row to itself: a single SIMD-group needs no barriers.
inline uint64_t row_threads(int64_t size) { return size <= 1024 ? 32 : 256; }

/// An iterator that reduces `inputs`, broadcast together, into `outputs`, whose reduced dimensions have size 1.
at::TensorIterator reduction_iterator(at::TensorList outputs, at::TensorList inputs);

}  // namespace torch_metal
