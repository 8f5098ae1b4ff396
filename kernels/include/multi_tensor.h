// Kernels that apply an operator to lists of contiguous tensors, reached through their addresses.
#pragma once

#include "elementwise.h"
#include "multi_tensor_params.h"

/// What one threadgroup works on: elements [begin, end) of a tensor.
struct Slice {
  uint tensor;
  ulong begin, end;
};

inline Slice slice_of(constant TensorTable& table, uint group) {
  uint low = 0, high = table.count;
  while (high - low > 1) {
    const uint middle = (low + high) / 2;
    if (table.first_group[middle] <= group) {
      low = middle;
    } else {
      high = middle;
    }
  }
  const ulong begin = static_cast<ulong>(group - table.first_group[low]) * MULTI_TENSOR_GROUP;
  return {low, begin, min(begin + MULTI_TENSOR_GROUP, static_cast<ulong>(table.numel[low]))};
}

template <class T>
inline device T* tensor_of(constant TensorTable& table, uint list, uint tensor) {
  return reinterpret_cast<device T*>(table.address[list][tensor]);
}

template <class Op, class T>
kernel void foreach_unary(constant TensorTable& table [[buffer(0)]],
                          constant TensorScalars& scalars [[buffer(1)]],
                          uint group [[threadgroup_position_in_grid]],
                          uint first [[thread_position_in_threadgroup]],
                          uint threads [[threads_per_threadgroup]]) {
  const Slice slice = slice_of(table, group);
  device T* const out = tensor_of<T>(table, 0, slice.tensor);
  device const T* const a = tensor_of<T>(table, 1, slice.tensor);
  for (ulong i = slice.begin + first; i < slice.end; i += threads) {
    out[i] = finish<T, T>(Op::apply(load(a, i), scalars.of[slice.tensor]));
  }
}

template <class Op, class T>
kernel void foreach_binary(constant TensorTable& table [[buffer(0)]],
                           constant TensorScalars& scalars [[buffer(1)]],
                           uint group [[threadgroup_position_in_grid]],
                           uint first [[thread_position_in_threadgroup]],
                           uint threads [[threads_per_threadgroup]]) {
  const Slice slice = slice_of(table, group);
  device T* const out = tensor_of<T>(table, 0, slice.tensor);
  device const T* const a = tensor_of<T>(table, 1, slice.tensor);
  device const T* const b = tensor_of<T>(table, 2, slice.tensor);
  for (ulong i = slice.begin + first; i < slice.end; i += threads) {
    out[i] = finish<T, T>(Op::apply(load(a, i), load(b, i), scalars.of[slice.tensor]));
  }
}

template <class Op, class T>
kernel void foreach_ternary(constant TensorTable& table [[buffer(0)]],
                            constant TensorScalars& scalars [[buffer(1)]],
                            uint group [[threadgroup_position_in_grid]],
                            uint first [[thread_position_in_threadgroup]],
                            uint threads [[threads_per_threadgroup]]) {
  const Slice slice = slice_of(table, group);
  device T* const out = tensor_of<T>(table, 0, slice.tensor);
  device const T* const a = tensor_of<T>(table, 1, slice.tensor);
  device const T* const b = tensor_of<T>(table, 2, slice.tensor);
  device const T* const c = tensor_of<T>(table, 3, slice.tensor);
  for (ulong i = slice.begin + first; i < slice.end; i += threads) {
    out[i] = finish<T, T>(Op::apply(load(a, i), load(b, i), load(c, i), scalars.of[slice.tensor]));
  }
}
