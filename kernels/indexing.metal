// Indexing by tensors of indices, and sums at indexed places.
#include <c10/metal/error.h>
#include <c10/metal/utils.h>
#include <metal_stdlib>

#include "indexing_params.h"

using namespace metal;
using namespace torch_metal;

/// Which side the indices choose a place in.
enum class IndexMode { get, put, offsets };

struct Indices {
  device const long* data[kMaxIndices];
};

/// Bytes from the start of the indexed tensor to the place that the indices name. Reports those out of range.
static bool indexed_offset(thread const Indices& indices, constant IndexParams& params, thread const Coordinates& at,
                           device c10::metal::ErrorMessages* errors, thread long& offset) {
  for (uint i = 0; i < params.indices; ++i) {
    long index = at_byte(indices.data[i], at.offset(params.index[i]));
    const long size = params.size[i];
    if (index >= size || index < (params.wrap ? -size : 0)) {
      TORCH_REPORT_ERROR(errors, "index ", index, " is out of bounds for dimension ", long(params.first + i), " with size ", size);
      return false;
    }
    if (index < 0) index += size;
    offset += index * params.step[i];
  }
  return true;
}

/// T is any type of the elements' size. `offsets` writes where in `in` the indices point instead of an element,
/// -1 if that is nowhere.
template <class T, IndexMode mode>
[[kernel]] void index_elements(device T* out [[buffer(0)]], device const T* in [[buffer(1)]],
                               constant IndexParams& params [[buffer(2)]],
                               device c10::metal::ErrorMessages* errors [[buffer(3)]],
                               device const long* index_0 [[buffer(4)]], device const long* index_1 [[buffer(5)]],
                               device const long* index_2 [[buffer(6)]], device const long* index_3 [[buffer(7)]],
                               device const long* index_4 [[buffer(8)]], device const long* index_5 [[buffer(9)]],
                               device const long* index_6 [[buffer(10)]], device const long* index_7 [[buffer(11)]],
                               uint id [[thread_position_in_grid]]) {
  const Indices indices{{index_0, index_1, index_2, index_3, index_4, index_5, index_6, index_7}};
  const Coordinates at(params.shape, id);
  long offset = 0;
  const bool in_range = indexed_offset(indices, params, at, errors, offset);
  if (!in_range && mode != IndexMode::offsets) return;
  const long out_offset = at.offset(params.out), in_offset = at.offset(params.in);
  if (mode == IndexMode::get) {
    at_byte(out, out_offset) = at_byte(in, in_offset + offset);
  } else if (mode == IndexMode::put) {
    at_byte(out, out_offset + offset) = at_byte(in, in_offset);
  } else {
    at_byte(out, out_offset) = T(in_range ? in_offset + offset : -1);
  }
}

struct sum_op {
  template <class T>
  static T apply(T a, T b) { return T(a + b); }
};
struct product_op {
  template <class T>
  static T apply(T a, T b) { return c10::metal::mul(a, b); }
};
struct maximum_op {
  template <class T>
  static T apply(T a, T b) { return c10::metal::max(a, b); }
};
struct minimum_op {
  template <class T>
  static T apply(T a, T b) { return c10::metal::min(a, b); }
};

/// Combines runs of equal keys. Keys are sorted offsets into `out`, order says where each one's value is. The thread at
/// a run's first key walks it from there, so the result does not depend on scheduling.
template <class T, class Op>
[[kernel]] void accumulate_runs(device T* out [[buffer(0)]], device const T* values [[buffer(1)]],
                                device const long* keys [[buffer(2)]], device const long* order [[buffer(3)]],
                                constant AccumulateParams& params [[buffer(4)]],
                                uint2 id [[thread_position_in_grid]]) {
  const long key = keys[id.y];
  if (key < 0 || (id.y > 0 && keys[id.y - 1] == key)) return;
  using A = c10::metal::accum_t<T>;
  const Coordinates outer(params.outer, id.x);
  device T& target = at_byte(out, key + outer.offset(params.outer_out));
  const long outer_value = outer.offset(params.outer_values);
  A result = A(target);
  for (uint i = id.y; i < params.count && keys[i] == key; ++i) {
    const Coordinates inner(params.inner, uint(order[i]));
    result = Op::apply(result, A(at_byte(values, outer_value + inner.offset(params.inner_values))));
  }
  target = T(result);
}

/// Of the values that go to one place, the last stays, as on one thread. Keys and order are those of accumulate_runs;
/// T is any type of the elements' size.
template <class T>
[[kernel]] void put_last(device T* out [[buffer(0)]], device const T* values [[buffer(1)]],
                         device const long* keys [[buffer(2)]], device const long* order [[buffer(3)]],
                         constant AccumulateParams& params [[buffer(4)]], uint2 id [[thread_position_in_grid]]) {
  const long key = keys[id.y];
  if (key < 0 || (id.y + 1 < params.count && keys[id.y + 1] == key)) return;
  const Coordinates outer(params.outer, id.x), inner(params.inner, uint(order[id.y]));
  at_byte(out, key + outer.offset(params.outer_out)) =
      at_byte(values, outer.offset(params.outer_values) + inner.offset(params.inner_values));
}
