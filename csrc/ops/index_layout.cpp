#include "ops/index_layout.h"

#include <algorithm>

namespace torch_metal {

at::DimVector Dimensions::sizes(const at::TensorIteratorBase& iter) const {
  at::DimVector result;
  for (const int d : which_) result.push_back(d < 0 ? 1 : iter.shape()[d]);
  return result;
}

at::DimVector Dimensions::strides(const at::TensorIteratorBase& iter, int operand) const {
  at::DimVector result;
  for (const int d : which_) result.push_back(d < 0 ? 0 : iter.strides(operand)[d]);
  return result;
}

Dimensions all_dimensions(const at::TensorIteratorBase& iter) {
  Dimensions all;
  for (int d = 0; d < iter.ndim(); ++d) all.add(d);
  return all;
}

IndexLayout index_layout(const at::TensorIteratorBase& iter, const Dimensions& dimensions) {
  const at::DimVector sizes = dimensions.sizes(iter);
  TORCH_INTERNAL_ASSERT(sizes.size() <= kMaxDimensions);
  IndexLayout layout{};
  layout.outermost = std::max<uint32_t>(sizes.size(), 3) - 1;
  std::fill(std::begin(layout.sizes), std::end(layout.sizes), Divisor::of(1));
  std::transform(sizes.begin(), sizes.end(), layout.sizes, [](int64_t size) { return Divisor::of(uint32_t(size)); });
  for (int n = 0; n < iter.ntensors(); ++n) {
    const at::DimVector strides = dimensions.strides(iter, n);
    std::copy(strides.begin(), strides.end(), layout.strides[n]);
  }
  return layout;
}

IndexLayout with_gap(const IndexLayout& layout) {
  IndexLayout result = layout;
  TORCH_INTERNAL_ASSERT(layout.sizes[kMaxDimensions].value == 1);
  result.outermost = std::min(layout.outermost + 1, kMaxDimensions);
  std::copy(layout.sizes + 1, std::end(layout.sizes) - 1, result.sizes + 2);
  result.sizes[1] = Divisor::of(1);
  for (size_t n = 0; n < std::size(layout.strides); ++n) {
    std::copy(layout.strides[n] + 1, std::end(layout.strides[n]) - 1, result.strides[n] + 2);
    result.strides[n][1] = 0;
  }
  return result;
}

IndexedSizes indexed_sizes(const IndexedDimensions& indexed) {
  TORCH_CHECK_NOT_IMPLEMENTED(indexed.sizes.size() <= kMaxIndices, "indexing on metal takes at most ", kMaxIndices,
                              " index tensors, but got ", indexed.sizes.size());
  IndexedSizes places{};
  places.wrap = indexed.wrap;
  places.first = static_cast<uint32_t>(indexed.first);
  std::copy(indexed.sizes.begin(), indexed.sizes.end(), places.size);
  std::copy(indexed.strides.begin(), indexed.strides.end(), places.step);
  return places;
}

Extent grid_of(const IndexLayout& layout) {
  Extent grid{layout.sizes[0].value, layout.sizes[1].value, 1};
  for (uint32_t d = 2; d <= layout.outermost; ++d) grid.z *= layout.sizes[d].value;
  return grid;
}

std::string unit_strides(const IndexLayout& layout, at::ArrayRef<size_t> element_sizes) {
  uint32_t unit = 0;
  for (size_t n = 0; n < element_sizes.size(); ++n) {
    const uint32_t stride = layout.strides[n][0];
    if (stride == element_sizes[n]) {
      unit |= 1u << n;
    } else if (stride != 0) {
      return "kAnyStride";
    }
  }
  return std::to_string(unit) + "u";
}

c10::SmallVector<size_t, 4> element_sizes(const at::TensorIteratorBase& iter) {
  c10::SmallVector<size_t, 4> sizes;
  for (int n = 0; n < iter.ntensors(); ++n) sizes.push_back(iter.element_size(n));
  return sizes;
}

}  // namespace torch_metal
