// Values combined with what is at places that indices name. In a fixed order: along lines that share no place, or in
// runs of values that are known to go to one place. In any order: by atomic additions.
#include "indexing.h"

#include <c10/metal/utils.h>

using namespace metal;
using namespace torch_metal;

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

/// One thread a line; it goes along the line step by step.
template <class Out, class T, class Op, uint indices, uint unit>
[[kernel]] void accumulate_lines(device Out* out [[buffer(0)]], device const T* values [[buffer(1)]],
                                 constant LineParams& params [[buffer(2)]],
                                 device c10::metal::ErrorMessages* errors [[buffer(3)]],
                                 device const long* index_0 [[buffer(4)]], device const long* index_1 [[buffer(5)]],
                                 device const long* index_2 [[buffer(6)]], device const long* index_3 [[buffer(7)]],
                                 device const long* index_4 [[buffer(8)]], device const long* index_5 [[buffer(9)]],
                                 device const long* index_6 [[buffer(10)]], device const long* index_7 [[buffer(11)]],
                                 uint3 p [[thread_position_in_grid]]) {
  using A = c10::metal::accum_t<Out>;
  const IndexBuffers buffers{{index_0, index_1, index_2, index_3, index_4, index_5, index_6, index_7}};
  const OperandOffsets<indices> line(params.lines, p.y, p.z);
  const size_t line_out = line.bytes[0] + x_offset<unit>(params.lines, 0, p.x, sizeof(Out));
  for (uint round = 0; round < params.rounds; ++round) {
    uint rest = round;
    const uint y = params.steps.sizes[1].split(rest);
    const OperandOffsets<indices> along(params.steps, y, rest);
    size_t at = line.bytes[1] + size_t(along.bytes[1]) + x_offset<unit>(params.lines, 1, p.x, sizeof(T));
    size_t index_at[indices];
    for (uint i = 0; i < indices; ++i) {
      index_at[i] = line.bytes[i + 2] + size_t(along.bytes[i + 2]) +
                    x_offset<unit>(params.lines, i + 2, p.x, sizeof(long));
    }
    for (uint step = 0; step < params.steps.sizes[0].value; ++step) {
      long place = 0;
      bool in_range = true;
      for (uint i = 0; i < indices; ++i) {
        in_range = in_range && add_place(place, at_byte(buffers.data[i], index_at[i]), i, params.indexed, errors);
        index_at[i] += params.steps.strides[i + 2][0];
      }
      if (in_range) {
        device Out& target = at_byte(out, place + line_out);
        target = Out(Op::apply(A(target), A(at_byte(values, at))));
      }
      at += params.steps.strides[1][0];
    }
  }
}

/// `value` of another lane, for types that Metal does not shuffle as well.
template <class T>
static T of_lane(T value, ushort lane) {
  if constexpr (sizeof(T) == 8) {
    const uint2 bits = as_type<uint2>(value);
    return as_type<T>(uint2(simd_shuffle(bits.x, lane), simd_shuffle(bits.y, lane)));
  } else {
    return simd_shuffle(value, lane);
  }
}

/// One SIMD-group a line (y; z is the lines' other dimensions), 32 steps at a time: of the lanes that name one place
/// the first combines all. `unit` is that of the steps; places within a line are less than 2^31 bytes apart.
template <class Out, class T, class Op, uint unit>
[[kernel]] void accumulate_line_groups(device Out* out [[buffer(0)]], device const T* values [[buffer(1)]],
                                       constant LineParams& params [[buffer(2)]],
                                       device c10::metal::ErrorMessages* errors [[buffer(3)]],
                                       device const long* index [[buffer(4)]], uint3 p [[thread_position_in_grid]],
                                       ushort lane [[thread_index_in_simdgroup]]) {
  using A = c10::metal::accum_t<Out>;
  constexpr uint kNowhere = ~0u;
  constexpr ushort kLanes = 32;
  const OperandOffsets<1> line(params.lines, 0, p.z);
  const auto line_offset = [&](uint n) {
    return size_t(line.bytes[n]) + x_offset<kAnyStride>(params.lines, n, p.y, 0);
  };
  device Out* const places = &at_byte(out, line_offset(0));
  for (uint round = 0; round < params.rounds; ++round) {
    uint rest = round;
    const uint y = params.steps.sizes[1].split(rest);
    const OperandOffsets<1> along(params.steps, y, rest);
    const uint steps = params.steps.sizes[0].value;
    for (uint first = 0; first < steps; first += kLanes) {
      const auto step_offset = [&](uint n, uint size) {
        return line_offset(n) + along.bytes[n] + x_offset<unit>(params.steps, n, first, size) +
               x_offset<unit>(params.steps, n, lane, size);
      };
      uint place = kNowhere;
      A value(0);
      if (lane < steps - first) {
        long offset = 0;
        const long index_here = at_byte(index, step_offset(2, sizeof(long)));
        if (add_place(offset, index_here, 0, params.indexed, errors)) place = uint(offset);
        value = A(at_byte(values, step_offset(1, sizeof(T))));
      }
      bool is_first = place != kNowhere;
#pragma unroll
      for (ushort other = 0; other + 1 < kLanes; ++other) {
        if (simd_shuffle(place, other) == place && other < lane) is_first = false;
      }
      const bool is_repeated = place != kNowhere && !is_first;
      A total = value;
      for (uint rest = uint(ulong(simd_ballot(is_repeated))); rest != 0; rest &= rest - 1) {
        const ushort other = ctz(rest);
        const A other_value = of_lane(value, other);
        if (simd_shuffle(place, other) == place) total = Op::apply(total, other_value);
      }
      if (is_first) {
        device Out& target = at_byte(places, place);
        target = Out(Op::apply(A(target), total));
      }
      simdgroup_barrier(mem_flags::mem_device);
    }
  }
}

static void add_atomically(device float* to, float value) {
  atomic_fetch_add_explicit(reinterpret_cast<device atomic<float>*>(to), value, memory_order_relaxed);
}
static void add_atomically(device int* to, int value) {
  atomic_fetch_add_explicit(reinterpret_cast<device atomic<int>*>(to), value, memory_order_relaxed);
}
static void add_atomically(device float2* to, float2 value) {
  device float* const parts = reinterpret_cast<device float*>(to);
  add_atomically(parts, value.x);
  add_atomically(parts + 1, value.y);
}
/// The lower half's carry goes to the upper half with it: once all have been added, the sum is right.
static void add_atomically(device long* to, long value) {
  device atomic<uint>* const halves = reinterpret_cast<device atomic<uint>*>(to);
  const uint low = uint(value), before = atomic_fetch_add_explicit(halves, low, memory_order_relaxed);
  const uint high = uint(value >> 32) + (before + low < before ? 1 : 0);
  atomic_fetch_add_explicit(halves + 1, high, memory_order_relaxed);
}

/// One thread a value, or every so many along x, which is added whenever the thread gets to it.
template <class T, uint indices, uint unit>
[[kernel]] void accumulate_atomically(device T* out [[buffer(0)]], device const T* values [[buffer(1)]],
                                      constant AtomicParams& params [[buffer(2)]],
                                      device c10::metal::ErrorMessages* errors [[buffer(3)]],
                                      device const long* index_0 [[buffer(4)]],
                                      device const long* index_1 [[buffer(5)]],
                                      device const long* index_2 [[buffer(6)]],
                                      device const long* index_3 [[buffer(7)]],
                                      device const long* index_4 [[buffer(8)]],
                                      device const long* index_5 [[buffer(9)]],
                                      device const long* index_6 [[buffer(10)]],
                                      device const long* index_7 [[buffer(11)]],
                                      uint3 p [[thread_position_in_grid]],
                                      uint3 threads [[threads_per_grid]],
                                      uint3 group [[threadgroup_position_in_grid]]) {
  constant IndexLayout& layout = params.index.layout;
  const IndexBuffers buffers{{index_0, index_1, index_2, index_3, index_4, index_5, index_6, index_7}};
  const OperandOffsets<indices> outer(layout, p.y, p.z);
  for (uint x = p.x; x < layout.sizes[0].value; x += threads.x) {
    long place = outer.bytes[0] + x_offset<unit>(layout, 0, x, sizeof(T)) + group.x * ulong(params.copy_bytes);
    bool is_inside = true;
    for (uint i = 0; i < indices && is_inside; ++i) {
      const size_t at = outer.bytes[i + 2] + x_offset<unit>(layout, i + 2, x, sizeof(long));
      is_inside = add_place(place, at_byte(buffers.data[i], at), i, params.index.indexed, errors);
    }
    if (!is_inside) continue;
    add_atomically(&at_byte(out, place), at_byte(values, outer.bytes[1] + x_offset<unit>(layout, 1, x, sizeof(T))));
  }
}

/// Where a thread is that combines or moves runs of equal keys: which key, and which element of a row. Neighbours are
/// in one row, or at one element of neighbouring keys' rows.
template <bool along_rows>
struct RunPosition {
  uint key;
  uint3 element;

  explicit RunPosition(uint3 p) : key(along_rows ? p.y : p.x), element(uint3(along_rows ? p.x : p.y, 0, p.z)) {}
};

/// Bytes to a run position's row in `out` and `values`.
template <uint unit, class T>
static void row_offsets(constant IndexLayout& outer, uint3 element, thread long& out, thread long& values) {
  const OperandOffsets<0> offsets(outer, element.y, element.z);
  out = offsets.bytes[0] + x_offset<unit>(outer, 0, element.x, sizeof(T));
  values = offsets.bytes[1] + x_offset<unit>(outer, 1, element.x, sizeof(T));
}

/// Combines runs of equal keys. Keys are sorted offsets into `out`, order says where each one's value is. The thread at
/// a run's first key walks it from there, so the result does not depend on scheduling.
template <class T, class Op, bool along_rows, uint unit>
[[kernel]] void accumulate_runs(device T* out [[buffer(0)]], device const T* values [[buffer(1)]],
                                device const long* keys [[buffer(2)]], device const long* order [[buffer(3)]],
                                constant RunParams& params [[buffer(4)]], uint3 p [[thread_position_in_grid]]) {
  const RunPosition<along_rows> at(p);
  const long key = keys[at.key];
  if (key < 0 || (at.key > 0 && keys[at.key - 1] == key)) return;
  using A = c10::metal::accum_t<T>;
  long row_out, row_values;
  row_offsets<unit, T>(params.outer, at.element, row_out, row_values);
  device T& target = at_byte(out, key + row_out);
  A result = A(target);
  for (uint i = at.key; i < params.count && keys[i] == key; ++i) {
    const Coordinates inner(params.inner, uint(order[i]));
    result = Op::apply(result, A(at_byte(values, inner.offset(params.inner_values) + row_values)));
  }
  target = T(result);
}

/// Of the values that go to one place, the last stays, as on one thread. Keys and order are those of accumulate_runs;
/// T is any type of the elements' size.
template <class T, bool along_rows, uint unit>
[[kernel]] void put_last(device T* out [[buffer(0)]], device const T* values [[buffer(1)]],
                         device const long* keys [[buffer(2)]], device const long* order [[buffer(3)]],
                         constant RunParams& params [[buffer(4)]], uint3 p [[thread_position_in_grid]]) {
  const RunPosition<along_rows> at(p);
  const long key = keys[at.key];
  if (key < 0 || (at.key + 1 < params.count && keys[at.key + 1] == key)) return;
  const Coordinates inner(params.inner, uint(order[at.key]));
  long row_out, row_values;
  row_offsets<unit, T>(params.outer, at.element, row_out, row_values);
  at_byte(out, key + row_out) = at_byte(values, inner.offset(params.inner_values) + row_values);
}
