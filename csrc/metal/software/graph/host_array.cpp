#include "graph/host_array.h"

namespace metal_software {

HostArray dense_array(void* data, MPS::DataType type, const Shape& shape) {
  HostArray array{data, type, static_cast<int>(shape.size())};
  int64_t stride = 1;
  for (int d = array.dimensions - 1; d >= 0; --d) {
    array.sizes[d] = shape[d];
    array.strides[d] = stride;
    stride *= shape[d];
  }
  return array;
}

HostArray permuted(const HostArray& array, const Shape& permutation) {
  HostArray view = array;
  for (int d = 0; d < array.dimensions; ++d) {
    view.sizes[d] = array.sizes[permutation[d]];
    view.strides[d] = array.strides[permutation[d]];
  }
  return view;
}

HostArray permuted_back(const HostArray& array, const Shape& permutation) {
  HostArray view = array;
  for (int d = 0; d < array.dimensions; ++d) {
    view.sizes[permutation[d]] = array.sizes[d];
    view.strides[permutation[d]] = array.strides[d];
  }
  return view;
}

HostArray broadcast(const HostArray& array, const Shape& shape) {
  HostArray view{array.data, array.data_type, static_cast<int>(shape.size())};
  const int missing = view.dimensions - array.dimensions;
  for (int d = 0; d < view.dimensions; ++d) {
    const bool repeats = d < missing || array.sizes[d - missing] != shape[d];
    view.sizes[d] = shape[d];
    view.strides[d] = repeats ? 0 : array.strides[d - missing];
  }
  return view;
}

}  // namespace metal_software
