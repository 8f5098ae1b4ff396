// Reductions over any dimensions of strided operands.
//
// An operator is a struct: the element types In, Out, Out2 (Out if it has one output), the accumulator Acc, and
//   identity()                  neutral accumulator
//   lift(value, index, p)       accumulator of one element; index runs along the innermost reduced dimension
//   combine(left, right)        associative and commutative up to rounding
//   store(acc, out, out2, p)    writes the result
// Every order of combination is fixed by the shapes, so results are reproducible.
#pragma once

#include <metal_stdlib>

#include "accumulators.h"
#include "reduction_params.h"

namespace torch_metal {

/// p[i * stride], so that lanes along a dense or broadcast dimension load contiguously or once.
template <class T>
inline T strided_load(device const T* p, uint i, long stride) {
  if (stride == 1) return p[i];
  if (stride == 0) return *p;
  return p[long(i) * stride];
}

/// The usual input of a reduction. Any struct with these two functions will do.
template <class T>
struct SingleInput {
  device const T* x;
  SingleInput advanced(long i, uint dim, constant ReductionParams& p) const {
    return {x + i * p.input_strides[0][dim]};
  }
  T load(uint i, uint dim, constant ReductionParams& p) const { return strided_load(x, i, p.input_strides[0][dim]); }
};

/// `in`, moved to the coordinates that linear index i has over dimensions [first, last).
template <class Inputs>
inline Inputs locate(Inputs in, uint i, uint first, uint last, constant ReductionParams& p) {
  for (uint dim = first; dim < last; ++dim) {
    in = in.advanced(dim + 1 < last ? i % p.sizes[dim] : i, dim, p);
    i /= p.sizes[dim];
  }
  return in;
}

/// What one lane of a threadgroup takes of `size` elements, at least one: every 32nd of [begin, end). SIMD-groups have
/// neighbouring parts rather than turns, so that each reads on where it was.
struct LanePart {
  uint begin, end;

  LanePart(uint size, uint lane, uint simdgroup, uint simdgroups) {
    const uint part = ((size - 1) / (32 * simdgroups) + 1) * 32, first = simdgroup * part;
    begin = first + lane;
    end = first < size ? first + metal::min(part, size - first) : 0;
  }
};

/// For kernels that only combine what they accumulated themselves.
struct float_sum_op {
  using Acc = float;
  static Acc identity() { return 0; }
  static Acc combine(Acc a, Acc b) { return a + b; }
};

/// Combines the accumulators of a SIMD-group; all lanes must be active. Lane 0 has the result.
template <class Op>
inline typename Op::Acc simdgroup_combine(typename Op::Acc acc, uint lane) {
  for (ushort mask = 16; mask > 0; mask /= 2) acc = Op::combine(acc, shuffle(acc, ushort(lane ^ mask)));
  return acc;
}

/// Combines the accumulators of a threadgroup. The first lane of the first SIMD-group has the result.
template <class Op>
inline typename Op::Acc threadgroup_combine(typename Op::Acc acc, threadgroup typename Op::Acc* shared, uint lane,
                                            uint simdgroup, uint simdgroups) {
  acc = simdgroup_combine<Op>(acc, lane);
  if (simdgroups == 1) return acc;
  if (lane == 0) shared[simdgroup] = acc;
  metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
  if (simdgroup == 0) {
    acc = Op::identity();
    if (lane < simdgroups) acc = shared[lane];
    acc = simdgroup_combine<Op>(acc, lane);
  }
  return acc;
}

/// The same for every thread of the threadgroup. `shared` may be used again after the next barrier.
template <class Op>
inline typename Op::Acc threadgroup_all(typename Op::Acc acc, threadgroup typename Op::Acc* shared, uint lane,
                                        uint simdgroup, uint simdgroups) {
  acc = threadgroup_combine<Op>(acc, shared, lane, simdgroup, simdgroups);
  if (simdgroup == 0 && lane == 0) shared[0] = acc;
  metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
  return shared[0];
}

/// The elements that one threadgroup reduces: its split of the inner and of the outer reduced dimensions.
struct ReductionRange {
  uint outer_begin, outer_end;
  long inner_begin;
  uint inner_count;

  ReductionRange(uint split, constant ReductionParams& p) {
    outer_begin = split / p.inner_splits * p.outer_chunk;
    outer_end = metal::min(outer_begin + p.outer_chunk, p.outer_size);
    inner_begin = long(split % p.inner_splits) * p.inner_chunk;
    inner_count = uint(metal::min(long(p.inner_chunk), p.inner_size - inner_begin));
  }
};

template <class Op>
inline void store_result(typename Op::Acc acc, uint output, device typename Op::Out* out,
                         device typename Op::Out2* out2, constant ReductionParams& p) {
  for (uint dim = p.reduced; dim < p.dims; ++dim) {
    const uint i = dim + 1 < p.dims ? output % p.sizes[dim] : output;
    out += long(i) * p.output_strides[0][dim];
    out2 += long(i) * p.output_strides[1][dim];
    output /= p.sizes[dim];
  }
  Op::store(acc, out, out2, p);
}

template <class Op>
inline void emit(typename Op::Acc acc, uint output, uint split, device typename Op::Out* out,
                 device typename Op::Out2* out2, device typename Op::Acc* partials, constant ReductionParams& p) {
  static_assert(sizeof(typename Op::Acc) <= kReductionPartialBytes, "the host allocates partials by this size");
  if (p.splits > 1) {
    partials[ulong(split) * p.outputs + output] = acc;
  } else {
    store_result<Op>(acc, output, out, out2, p);
  }
}

/// One threadgroup for each output and split: lanes run along the innermost reduced dimension.
template <class Op, class Inputs>
inline typename Op::Acc reduce_row(Inputs in, uint output, uint split, constant ReductionParams& p,
                                   threadgroup typename Op::Acc* shared, uint lane, uint simdgroup, uint simdgroups) {
  const ReductionRange range(split, p);
  const Inputs base = locate(in, output, p.reduced, p.dims, p).advanced(range.inner_begin, 0, p);
  const LanePart part(range.inner_count, lane, p.wide ? simdgroup : 0, p.wide ? simdgroups : 1);
  const uint outer_step = p.wide ? 1 : simdgroups;
  typename Op::Acc acc = Op::identity();
  for (uint outer = range.outer_begin + (p.wide ? 0 : simdgroup); outer < range.outer_end; outer += outer_step) {
    const Inputs row = locate(base, outer, 1, p.reduced, p);
    for (uint i = part.begin; i < part.end; i += 32)
      acc = Op::combine(acc, Op::lift(row.load(i, 0, p), range.inner_begin + i, p));
  }
  return threadgroup_combine<Op>(acc, shared, lane, simdgroup, simdgroups);
}

/// One thread for each output and split: lanes run along the innermost kept dimension.
template <class Op, class Inputs>
inline typename Op::Acc reduce_column(Inputs in, uint column, uint rest, uint split, constant ReductionParams& p) {
  const ReductionRange range(split, p);
  const Inputs base = locate(in, rest, p.reduced + 1, p.dims, p);
  typename Op::Acc acc = Op::identity();
  for (uint outer = range.outer_begin; outer < range.outer_end; ++outer) {
    const Inputs plane = locate(base, outer, 1, p.reduced, p);
    for (uint i = 0; i < range.inner_count; ++i) {
      const long inner = range.inner_begin + i;
      acc = Op::combine(acc, Op::lift(plane.advanced(inner, 0, p).load(column, p.reduced, p), inner, p));
    }
  }
  return acc;
}

/// Variance and mean. mode: variance with correction `value`, its root, or 1 / sqrt(variance + `value`).
template <class T, class Result>
struct var_op {
  using In = T;
  using Out = Result;
  using Out2 = Result;
  using Acc = Moments;
  static Acc identity() { return {0, 0, 0, 0}; }
  static Acc lift(T value, long, constant ReductionParams&) { return {float(value), 0, 0, 1}; }
  static Acc combine(Acc a, Acc b) {
    const float count = a.count + b.count;
    const float fraction = count == 0 ? 0 : b.count / count;
    const float delta = b.pivot - a.pivot + (b.distance - a.distance);
    const Acc both = {a.pivot, a.distance + delta * fraction, a.m2 + b.m2 + delta * delta * a.count * fraction, count};
    return a.count == 0 ? b : both;
  }
  static void store(Acc a, device Out* out, device Out2* mean, constant ReductionParams& p) {
    const float variance = a.m2 / (p.mode == kReciprocalDeviation ? a.count : metal::max(a.count - p.value, 0.0f));
    const float result = p.mode == kVariance            ? variance
                         : p.mode == kStandardDeviation ? metal::precise::sqrt(variance)
                                                        : 1 / metal::precise::sqrt(variance + p.value);
    *out = Out(result);
    if (p.has_out2) *mean = Out2(a.pivot + a.distance);
  }
};

}  // namespace torch_metal

/// Second pass: one SIMD-group for each output combines the accumulators of its splits.
template <class Op>
kernel void reduce_partials(device const typename Op::Acc* partials [[buffer(0)]],
                            device typename Op::Out* out [[buffer(1)]], device typename Op::Out2* out2 [[buffer(2)]],
                            constant torch_metal::ReductionParams& p [[buffer(3)]],
                            uint output [[threadgroup_position_in_grid]], uint lane [[thread_index_in_simdgroup]]) {
  typename Op::Acc acc = Op::identity();
  for (uint split = lane; split < p.splits; split += 32)
    acc = Op::combine(acc, partials[ulong(split) * p.outputs + output]);
  acc = torch_metal::simdgroup_combine<Op>(acc, lane);
  if (lane == 0) torch_metal::store_result<Op>(acc, output, out, out2, p);
}
