// Reading and writing at indexed places (kernels/indexing.metal), and the iterators of all that indexes.
#include "ops/indexing.h"

#include <ATen/Context.h>

#include <algorithm>

#include "ops/copy_layout.h"
#include "ops/elementwise.h"
#include "ops/index_layout.h"
#include "ops/iteration.h"
#include "runtime/launch.h"

namespace torch_metal {

using at::IntArrayRef;
using at::Tensor;
using at::TensorIteratorBase;

namespace {

constexpr size_t kWide = 16;  // bytes that a thread moves at most

/// Makes kWide bytes one element, if what moves lies in rows that are whole multiples of them, and returns the size of
/// an element: the same place has to name a whole row.
size_t widen(IndexParams& params, size_t size, const BufferRange& out, const BufferRange& in, int indices) {
  IndexLayout& layout = params.layout;
  const uint32_t row = layout.sizes[0].value * size;
  bool wide = size < kWide && layout.strides[0][0] == size && layout.strides[1][0] == size && row % kWide == 0 &&
              (out.offset | in.offset) % kWide == 0;
  for (int n = 0; n < kFirstIndex; ++n)
    for (uint32_t d = 1; d <= layout.outermost; ++d) wide &= layout.strides[n][d] % kWide == 0;
  for (int i = 0; i < indices; ++i)
    wide &= layout.strides[kFirstIndex + i][0] == 0 && params.indexed.step[i] % kWide == 0;
  if (!wide) return size;
  layout.sizes[0] = Divisor::of(row / kWide);
  layout.strides[0][0] = layout.strides[1][0] = kWide;
  return kWide;
}

void move_indexed(const TensorIteratorBase& iter, const IndexedDimensions& indexed, std::string_view mode) {
  if (iter.numel() == 0) return;
  for_each_part(iter, [&](const auto& part) {
    IndexParams params{index_layout(part, all_dimensions(part)), indexed_sizes(indexed)};
    const BufferRange out = operand(part, 0), in = operand(part, 1);
    auto sizes = element_sizes(part);
    sizes[0] = sizes[1] = widen(params, sizes[0], out, in, index_count(part));
    const Extent grid = grid_of(params.layout);
    const Kernel& k = kernel("indexing", "index_elements",
                             {bits_type(sizes[0]), mode, std::to_string(index_count(part)),
                              unit_strides(params.layout, sizes)});
    launch_indexed(k, grid, threadgroup_of(grid), part, out, in, params);
  });
}

/// Whether all elements are one and the same, so that it does not matter which stays.
bool is_one_value(const TensorIteratorBase& iter, int operand) {
  const IntArrayRef strides = iter.strides(operand);
  return std::all_of(strides.begin(), strides.end(), [](int64_t stride) { return stride == 0; });
}

}  // namespace

void index_get(const TensorIteratorBase& iter, const IndexedDimensions& indexed) {
  move_indexed(iter, indexed, "IndexMode::get");
}

void index_put(const TensorIteratorBase& iter, const IndexedDimensions& indexed) {
  if (at::globalContext().deterministicAlgorithms() && !is_one_value(iter, 1)) return index_put_last(iter, indexed);
  move_indexed(iter, indexed, "IndexMode::put");
}

Tensor at_least_1d(const Tensor& tensor) { return tensor.dim() == 0 ? tensor.unsqueeze(0) : tensor; }

at::TensorIterator index_iterator(const Tensor& out, const Tensor& in, const Tensor& index) {
  return at::TensorIteratorConfig()
      .set_check_mem_overlap(false)  // what is indexed has stride 0
      .check_all_same_dtype(false)
      .resize_outputs(false)
      .add_output(out)
      .add_const_input(in)
      .add_const_input(index)
      .build();
}

Tensor without_stride(const Tensor& tensor, int64_t dim, int64_t size) {
  at::DimVector sizes(tensor.sizes()), strides(tensor.strides());
  sizes[dim] = size;
  strides[dim] = 0;
  return tensor.as_strided(sizes, strides);
}

Tensor expand_index(const Tensor& index, int64_t dim, IntArrayRef sizes) {
  std::vector<int64_t> strides(sizes.size(), 0);
  const Tensor vector = index.to(at::kLong);
  strides[dim] = vector.dim() == 0 ? 1 : vector.stride(0);
  return vector.as_strided(sizes, strides);
}

}  // namespace torch_metal
