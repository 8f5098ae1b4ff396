// Reading, writing and accumulating at places that index tensors name: what every indexing operator comes down to.
#pragma once

#include <ATen/native/ReductionType.h>
#include <ATen/native/TensorIterator.h>

#include <string_view>

#include "iteration_params.h"

namespace torch_metal {

/// The dimensions that are indexed, one for each index tensor.
struct IndexedDimensions {
  at::IntArrayRef sizes;
  at::IntArrayRef strides;  ///< in bytes
  bool wrap = true;         ///< negative indices count from the end; otherwise they are out of range
  int64_t first = 0;        ///< the number that errors call the first of them by
};

// Operands of the iterators are out, in, indices (int64) in that order; what is indexed has stride 0 along the indices.
// An index out of range raises when the stream is next waited for.

/// out = in[indices]
void index_get(const at::TensorIteratorBase& iter, const IndexedDimensions& indexed);
/// out[indices] = in. Of several values for one place the last stays under torch.use_deterministic_algorithms(True), any
/// otherwise.
void index_put(const at::TensorIteratorBase& iter, const IndexedDimensions& indexed);
/// The same; of several values for one place the last stays.
void index_put_last(const at::TensorIteratorBase& iter, const IndexedDimensions& indexed);
/// out[indices] = reduce(out[indices], in) for each element of `in`; SUM, PROD, MAX or MIN. In a fixed order, so that
/// results are reproducible, under torch.use_deterministic_algorithms(True) and wherever that is as fast.
void index_accumulate(const at::TensorIteratorBase& iter, const IndexedDimensions& indexed,
                      at::native::ReductionType reduction);

/// The tensor with at least one dimension: indexing treats a number as a vector of one.
at::Tensor at_least_1d(const at::Tensor& tensor);

/// An iterator over out, in and indices, which have one shape.
at::TensorIterator index_iterator(const at::Tensor& out, const at::Tensor& in, const at::Tensor& index);

/// `tensor` with dimension `dim` of size `size` and stride 0: the same element for each index.
at::Tensor without_stride(const at::Tensor& tensor, int64_t dim, int64_t size);

/// A one-dimensional index for dimension `dim` of `sizes`, expanded to that shape, as int64.
at::Tensor expand_index(const at::Tensor& index, int64_t dim, at::IntArrayRef sizes);

}  // namespace torch_metal
