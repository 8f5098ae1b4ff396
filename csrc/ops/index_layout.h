// How the operands of an indexing iterator lie, as kernels/include/indexing.h reads it.
#pragma once

#include <ATen/native/TensorIterator.h>

#include <string>
#include <vector>

#include "indexing_params.h"
#include "ops/indexing.h"
#include "runtime/launch.h"

namespace torch_metal {

constexpr int kFirstIndex = 2;  // operands before it: out, in

/// Some dimensions of an iterator, innermost first.
class Dimensions {
 public:
  void add(int dimension) { which_.push_back(dimension); }

  at::DimVector sizes(const at::TensorIteratorBase& iter) const;
  at::DimVector strides(const at::TensorIteratorBase& iter, int operand) const;

 private:
  c10::SmallVector<int, 8> which_;
};

/// All dimensions.
Dimensions all_dimensions(const at::TensorIteratorBase& iter);

IndexLayout index_layout(const at::TensorIteratorBase& iter, const Dimensions& dimensions);
/// The same with a dimension of size 1, without strides, as number 1.
IndexLayout with_gap(const IndexLayout& layout);
IndexedSizes indexed_sizes(const IndexedDimensions& indexed);

/// Grid over the two innermost dimensions and the rest.
Extent grid_of(const IndexLayout& layout);

/// The template argument `unit`, for operands whose elements have these sizes.
std::string unit_strides(const IndexLayout& layout, at::ArrayRef<size_t> element_sizes);

/// Sizes of an iterator's elements: out, in, indices.
c10::SmallVector<size_t, 4> element_sizes(const at::TensorIteratorBase& iter);

/// The number of index tensors.
inline int index_count(const at::TensorIteratorBase& iter) { return iter.ntensors() - kFirstIndex; }

/// Launches a kernel whose arguments are `out`, `in`, the parameters, the error buffer and kMaxIndices index tensors.
template <class Parameters>
void launch_indexed(const Kernel& kernel, Extent grid, Extent threadgroup, const at::TensorIteratorBase& iter,
                    const BufferRange& out, const BufferRange& in, const Parameters& params) {
  // Those that the kernel does not read are bound to something that exists.
  const auto index = [&](int i) { return i < index_count(iter) ? operand(iter, kFirstIndex + i) : out; };
  launch_threads(kernel, grid, threadgroup, out, in, params, error_buffer(), index(0), index(1), index(2), index(3),
                 index(4), index(5), index(6), index(7));
}

}  // namespace torch_metal
