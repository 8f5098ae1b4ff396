// What indexing comes down to: kernels over an iterator (kernels/indexing.metal), and the iterators.
#include "ops/indexing.h"

#include <ATen/Context.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/sort.h>

#include "indexing_params.h"
#include "ops/copy_layout.h"
#include "ops/iteration.h"
#include "ops/registration.h"
#include "runtime/launch.h"

namespace torch_metal {

using at::IntArrayRef;
using at::Tensor;
using at::TensorIteratorBase;

namespace {

constexpr int kFirstIndex = 2;  // operands before it: out, in
constexpr Extent kThreadgroup{128};

void set_indices(IndexParams& params, const IndexedDimensions& indexed) {
  TORCH_CHECK_NOT_IMPLEMENTED(indexed.sizes.size() <= kMaxIndices, "indexing on metal takes at most ", kMaxIndices,
                              " index tensors, but got ", indexed.sizes.size());
  params.indices = static_cast<uint32_t>(indexed.sizes.size());
  params.wrap = indexed.wrap;
  params.first = static_cast<uint32_t>(indexed.first);
  std::copy(indexed.sizes.begin(), indexed.sizes.end(), params.size);
  std::copy(indexed.strides.begin(), indexed.strides.end(), params.step);
}

/// Buffers that the kernel does not read are bound to something that exists.
BufferRange index_or(const TensorIteratorBase& iter, int i, const BufferRange& otherwise) {
  return kFirstIndex + i < iter.ntensors() ? operand(iter, kFirstIndex + i) : otherwise;
}

void launch_index(std::string_view type, std::string_view mode, const TensorIteratorBase& iter, uint64_t elements,
                  const BufferRange& out, const BufferRange& in, const IndexParams& params) {
  const auto index = [&](int i) { return index_or(iter, i, out); };
  launch_threads(kernel("indexing", "index_elements", {type, mode}), {elements}, kThreadgroup, out, in, params,
                 error_buffer(), index(0), index(1), index(2), index(3), index(4), index(5), index(6), index(7));
}

void move_indexed(const TensorIteratorBase& iter, const IndexedDimensions& indexed, std::string_view mode) {
  if (iter.numel() == 0) return;
  for_each_part(iter, [&](const auto& part) {
    IndexParams params{iteration_shape(part), byte_strides(part, 0), byte_strides(part, 1), {}, 0, 0, 0, {}, {}};
    set_indices(params, indexed);
    for (uint32_t i = 0; i < params.indices; ++i) params.index[i] = byte_strides(part, kFirstIndex + i);
    launch_index(bits_type(part.element_size(0)), mode, part, part.numel(), operand(part, 0), operand(part, 1),
                 params);
  });
}

/// Some dimensions of an iterator.
struct Dimensions {
  std::vector<int> which;

  at::DimVector sizes(const TensorIteratorBase& iter) const { return select(iter.shape()); }
  ByteStrides strides(const TensorIteratorBase& iter, int operand) const {
    return byte_strides(select(iter.strides(operand)));
  }

 private:
  at::DimVector select(IntArrayRef values) const {
    at::DimVector result;
    for (const int d : which) result.push_back(values[d]);
    return result;
  }
};

bool index_varies(const TensorIteratorBase& iter, int dimension) {
  for (int i = kFirstIndex; i < iter.ntensors(); ++i) {
    if (iter.strides(i)[dimension] != 0) return true;
  }
  return false;
}

/// Where each element of the inner dimensions goes, in bytes from the start of operand 0.
Tensor target_offsets(const TensorIteratorBase& iter, const Dimensions& inner, const IndexedDimensions& indexed,
                      int64_t count) {
  const Tensor offsets = at::empty({count}, iter.tensor(0).options().dtype(at::kLong));
  at::DimVector contiguous;
  int64_t stride = sizeof(int64_t);
  for (const int64_t size : inner.sizes(iter)) {
    contiguous.push_back(stride);
    stride *= size;
  }
  IndexParams params{
      iteration_shape(inner.sizes(iter)), byte_strides(contiguous), inner.strides(iter, 0), {}, 0, 0, 0, {}, {}};
  set_indices(params, indexed);
  for (uint32_t i = 0; i < params.indices; ++i) params.index[i] = inner.strides(iter, kFirstIndex + i);
  const BufferRange out = buffer_range(offsets);
  launch_index("long", "IndexMode::offsets", iter, count, out, out, params);
  return offsets;
}

std::string_view accumulate_op(at::native::ReductionType reduction) {
  switch (reduction) {
    case at::native::ReductionType::SUM:
      return "sum_op";
    case at::native::ReductionType::PROD:
      return "product_op";
    case at::native::ReductionType::MAX:
      return "maximum_op";
    case at::native::ReductionType::MIN:
      return "minimum_op";
    case at::native::ReductionType::MEAN:
      break;
  }
  TORCH_CHECK_NOT_IMPLEMENTED(false, "accumulation on metal: no such reduction");
}

/// Runs of elements that go to one place, found by sorting where each goes: `kernel` has a thread for each row of the
/// outer dimensions and each key.
void launch_over_runs(const TensorIteratorBase& iter, const IndexedDimensions& indexed, const Kernel& kernel) {
  if (iter.numel() == 0) return;
  Dimensions outer, inner;
  for (int d = 0; d < iter.ndim(); ++d) (index_varies(iter, d) ? inner : outer).which.push_back(d);
  const int64_t rows = c10::multiply_integers(outer.sizes(iter));
  const int64_t count = iter.numel() / rows;
  if (iter.ndim() > int(kMaxDimensions) || std::max(rows, count) > std::numeric_limits<int32_t>::max()) {
    for_each_part(iter, [&](const auto& part) { launch_over_runs(part, indexed, kernel); });
    return;
  }
  const AccumulateParams params{
      iteration_shape(outer.sizes(iter)), outer.strides(iter, 0), outer.strides(iter, 1),
      iteration_shape(inner.sizes(iter)), inner.strides(iter, 1), static_cast<uint32_t>(count)};
  const auto [keys, order] = at::sort(target_offsets(iter, inner, indexed, count), /*stable=*/true, /*dim=*/0,
                                      /*descending=*/false);
  launch_threads(kernel, {static_cast<uint64_t>(rows), static_cast<uint64_t>(count)}, kThreadgroup, operand(iter, 0),
                 operand(iter, 1), keys, order, params);
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
  if (at::globalContext().deterministicAlgorithms() && !is_one_value(iter, 1)) {
    const std::string_view type = bits_type(iter.element_size(0));
    return launch_over_runs(iter, indexed, kernel("indexing", "put_last", {type}));
  }
  move_indexed(iter, indexed, "IndexMode::put");
}

void index_accumulate(const TensorIteratorBase& iter, const IndexedDimensions& indexed,
                      at::native::ReductionType reduction) {
  launch_over_runs(iter, indexed,
                   kernel("indexing", "accumulate_runs", {metal_type(iter.dtype(0)), accumulate_op(reduction)}));
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
  std::vector<int64_t> shape(sizes.size(), 1);
  shape[dim] = index.numel();
  return index.to(at::kLong).reshape(shape).expand(sizes);
}

}  // namespace torch_metal
