// Kernels that apply an operator to every element of 1, 2 or 3 inputs.
//
// An operator is a struct with `template <class T...> static auto apply(T..., constant Scalars&)`. It computes in
// compute_t of its inputs' types; the result is rounded to the inputs' type, then converted to the output's.
//   *_dense    all operands are contiguous and lie alike: one index
//   *_strided  grid x, y are the two innermost dimensions, z the rest. `unit` says which operands are contiguous (bit
//              set) or broadcast along x, if that is known; kAnyStride otherwise
//   *_rows     the output is dense, a row of it no whole number of SIMD-groups: one index, of which places in other
//              operands follow. `dense`: which operands lie as the output does (bit set)
//   *_mixed    inputs of any dtype, converted to the given types as they are loaded
#pragma once

#include <c10/metal/indexing.h>
#include <metal_stdlib>

#include "elementwise_params.h"

using namespace metal;

constant constexpr uint kAnyStride = ~0u;

/// The type in which arithmetic on T is done.
template <class T>
struct Compute {
  using type = T;
};
template <>
struct Compute<half> {
  using type = float;
};
template <>
struct Compute<bfloat> {
  using type = float;
};
template <>
struct Compute<half2> {
  using type = float2;
};
template <class T>
using compute_t = typename Compute<T>::type;

/// Argument `i` of the operator as a T.
template <class T>
inline T number(constant ScalarValue& value) {
  if constexpr (c10::metal::is_complex_v<T>) {
    return T(value.real, value.imaginary);
  } else if constexpr (is_same_v<T, bool>) {
    return value.integer != 0 || value.real != 0;
  } else if constexpr (is_integral_v<T>) {
    return static_cast<T>(value.integer);
  } else {
    return static_cast<T>(value.real);
  }
}
template <class T>
inline T arg(constant Scalars& scalars, uint i) {
  return number<T>(scalars.values[i]);
}

/// Op with its second or first operand fixed to a number of type T.
template <class Op, class T>
struct bind_right {
  template <class A>
  static auto apply(A a, constant Scalars& s) {
    return Op::apply(a, number<compute_t<T>>(s.operand), s);
  }
};
template <class Op, class T>
struct bind_left {
  template <class B>
  static auto apply(B b, constant Scalars& s) {
    return Op::apply(number<compute_t<T>>(s.operand), b, s);
  }
};

template <class T>
inline compute_t<T> load(device const T* p, size_t i) {
  return static_cast<compute_t<T>>(p[i]);
}
template <class T>
inline compute_t<T> load_bytes(device const T* p, size_t offset) {
  device const char* const bytes = reinterpret_cast<device const char*>(p) + offset;
  return static_cast<compute_t<T>>(*reinterpret_cast<device const T*>(bytes));
}
template <class T>
inline compute_t<T> load_mixed(device const void* p, size_t offset, int type) {
  // Through T: a value is rounded to the operator's type before anything is computed.
  return static_cast<compute_t<T>>(c10::metal::val_at_offs<T>(
      const_cast<device void*>(p), static_cast<long>(offset), static_cast<c10::metal::ScalarType>(type)));
}

/// Arithmetic results wrap and round in the inputs' type T; comparisons and the like stay as they are.
template <class Out, class T, class R>
inline Out finish(R result) {
  constexpr bool integers = is_integral_v<R> && is_integral_v<T> && !is_same_v<R, bool>;
  constexpr bool reals = is_floating_point_v<R> && is_floating_point_v<T>;
  if constexpr (integers || reals) {
    return c10::metal::cast_to<Out>(static_cast<T>(result));
  } else {
    return c10::metal::cast_to<Out>(result);
  }
}

/// Byte offsets of `n` operands at a thread's place in the grid.
template <uint n>
struct Offsets {
  uint bytes[n];
};

template <uint n>
inline Offsets<n> outer_offsets(constant StridedLayout& layout, uint3 p) {
  Offsets<n> offsets = {};
  uint rest = p.z;
  for (uint d = 2; d < layout.outermost; ++d) {
    const uint quotient = rest / layout.sizes[d];
    const uint position = rest - quotient * layout.sizes[d];
    for (uint i = 0; i < n; ++i) offsets.bytes[i] += position * layout.strides[i][d];
    rest = quotient;
  }
  // What depends on y comes last: the rest is the same for a whole plane.
  for (uint i = 0; i < n; ++i)
    offsets.bytes[i] += rest * layout.strides[i][layout.outermost] + p.y * layout.strides[i][1];
  return offsets;
}

/// Offset along x of operand `i`, whose elements take `size` bytes.
template <uint unit>
inline size_t inner_offset(constant StridedLayout& layout, uint i, uint x, uint size) {
  if constexpr (unit == kAnyStride) {
    return x * layout.strides[i][0];
  } else {
    return (unit >> i & 1) ? size_t(x) * size : 0;
  }
}
template <uint unit, class T, uint n>
inline size_t offset(constant StridedLayout& layout, Offsets<n> outer, uint i, uint x) {
  return size_t(outer.bytes[i]) + inner_offset<unit>(layout, i, x, sizeof(T));
}

/// Offset of operand `i`, whose elements take `size` bytes, at element `index` of the output.
template <uint dense>
inline size_t row_offset(constant RowLayout& layout, uint i, uint index, uint size) {
  if (dense >> i & 1) return size_t(index) * size;
  uint row = index;
  const uint column = layout.columns.split(row);
  return column * layout.strides[i][0] + row * layout.strides[i][1];
}

template <class T>
inline device T& element(device T* p, size_t offset) {
  return *reinterpret_cast<device T*>(reinterpret_cast<device char*>(p) + offset);
}

template <class Op, class Out, class A>
kernel void unary_dense(device Out* out [[buffer(0)]],
                        device const A* a [[buffer(1)]],
                        constant Scalars& scalars [[buffer(2)]],
                        uint i [[thread_position_in_grid]]) {
  out[i] = finish<Out, A>(Op::apply(load(a, i), scalars));
}

template <class Op, class Out, class A, uint unit>
kernel void unary_strided(device Out* out [[buffer(0)]],
                          device const A* a [[buffer(1)]],
                          constant Scalars& scalars [[buffer(2)]],
                          constant StridedLayout& layout [[buffer(3)]],
                          uint3 p [[thread_position_in_grid]]) {
  const auto outer = outer_offsets<2>(layout, p);
  const auto x = load_bytes(a, offset<unit, A>(layout, outer, 1, p.x));
  element(out, offset<unit, Out>(layout, outer, 0, p.x)) = finish<Out, A>(Op::apply(x, scalars));
}

template <class Op, class Out, class A, uint dense>
kernel void unary_rows(device Out* out [[buffer(0)]],
                       device const A* a [[buffer(1)]],
                       constant Scalars& scalars [[buffer(2)]],
                       constant RowLayout& layout [[buffer(3)]],
                       uint i [[thread_position_in_grid]]) {
  out[i] = finish<Out, A>(Op::apply(load_bytes(a, row_offset<dense>(layout, 1, i, sizeof(A))), scalars));
}

template <class Op, class Out, class A>
kernel void unary_mixed(device Out* out [[buffer(0)]],
                        device const void* a [[buffer(1)]],
                        constant Scalars& scalars [[buffer(2)]],
                        constant StridedLayout& layout [[buffer(3)]],
                        uint3 p [[thread_position_in_grid]]) {
  const auto outer = outer_offsets<2>(layout, p);
  const auto x = load_mixed<A>(a, offset<kAnyStride, A>(layout, outer, 1, p.x), layout.types[1]);
  element(out, offset<kAnyStride, Out>(layout, outer, 0, p.x)) = finish<Out, A>(Op::apply(x, scalars));
}

template <class Op, class Out, class A, class B>
kernel void binary_dense(device Out* out [[buffer(0)]],
                         device const A* a [[buffer(1)]],
                         device const B* b [[buffer(2)]],
                         constant Scalars& scalars [[buffer(3)]],
                         uint i [[thread_position_in_grid]]) {
  out[i] = finish<Out, B>(Op::apply(load(a, i), load(b, i), scalars));
}

template <class Op, class Out, class A, class B, uint unit>
kernel void binary_strided(device Out* out [[buffer(0)]],
                           device const A* a [[buffer(1)]],
                           device const B* b [[buffer(2)]],
                           constant Scalars& scalars [[buffer(3)]],
                           constant StridedLayout& layout [[buffer(4)]],
                           uint3 p [[thread_position_in_grid]]) {
  const auto outer = outer_offsets<3>(layout, p);
  const auto x = load_bytes(a, offset<unit, A>(layout, outer, 1, p.x));
  const auto y = load_bytes(b, offset<unit, B>(layout, outer, 2, p.x));
  element(out, offset<unit, Out>(layout, outer, 0, p.x)) = finish<Out, B>(Op::apply(x, y, scalars));
}

template <class Op, class Out, class A, class B, uint dense>
kernel void binary_rows(device Out* out [[buffer(0)]],
                        device const A* a [[buffer(1)]],
                        device const B* b [[buffer(2)]],
                        constant Scalars& scalars [[buffer(3)]],
                        constant RowLayout& layout [[buffer(4)]],
                        uint i [[thread_position_in_grid]]) {
  const auto x = load_bytes(a, row_offset<dense>(layout, 1, i, sizeof(A)));
  const auto y = load_bytes(b, row_offset<dense>(layout, 2, i, sizeof(B)));
  out[i] = finish<Out, B>(Op::apply(x, y, scalars));
}

template <class Op, class Out, class A, class B>
kernel void binary_mixed(device Out* out [[buffer(0)]],
                         device const void* a [[buffer(1)]],
                         device const void* b [[buffer(2)]],
                         constant Scalars& scalars [[buffer(3)]],
                         constant StridedLayout& layout [[buffer(4)]],
                         uint3 p [[thread_position_in_grid]]) {
  const auto outer = outer_offsets<3>(layout, p);
  const auto x = load_mixed<A>(a, offset<kAnyStride, A>(layout, outer, 1, p.x), layout.types[1]);
  const auto y = load_mixed<B>(b, offset<kAnyStride, B>(layout, outer, 2, p.x), layout.types[2]);
  element(out, offset<kAnyStride, Out>(layout, outer, 0, p.x)) = finish<Out, B>(Op::apply(x, y, scalars));
}

template <class Op, class Out, class A, class B, class C>
kernel void ternary_dense(device Out* out [[buffer(0)]],
                          device const A* a [[buffer(1)]],
                          device const B* b [[buffer(2)]],
                          device const C* c [[buffer(3)]],
                          constant Scalars& scalars [[buffer(4)]],
                          uint i [[thread_position_in_grid]]) {
  out[i] = finish<Out, C>(Op::apply(load(a, i), load(b, i), load(c, i), scalars));
}

template <class Op, class Out, class A, class B, class C, uint unit>
kernel void ternary_strided(device Out* out [[buffer(0)]],
                            device const A* a [[buffer(1)]],
                            device const B* b [[buffer(2)]],
                            device const C* c [[buffer(3)]],
                            constant Scalars& scalars [[buffer(4)]],
                            constant StridedLayout& layout [[buffer(5)]],
                            uint3 p [[thread_position_in_grid]]) {
  const auto outer = outer_offsets<4>(layout, p);
  const auto x = load_bytes(a, offset<unit, A>(layout, outer, 1, p.x));
  const auto y = load_bytes(b, offset<unit, B>(layout, outer, 2, p.x));
  const auto z = load_bytes(c, offset<unit, C>(layout, outer, 3, p.x));
  element(out, offset<unit, Out>(layout, outer, 0, p.x)) = finish<Out, C>(Op::apply(x, y, z, scalars));
}

template <class Op, class Out, class A, class B, class C, uint dense>
kernel void ternary_rows(device Out* out [[buffer(0)]],
                         device const A* a [[buffer(1)]],
                         device const B* b [[buffer(2)]],
                         device const C* c [[buffer(3)]],
                         constant Scalars& scalars [[buffer(4)]],
                         constant RowLayout& layout [[buffer(5)]],
                         uint i [[thread_position_in_grid]]) {
  const auto x = load_bytes(a, row_offset<dense>(layout, 1, i, sizeof(A)));
  const auto y = load_bytes(b, row_offset<dense>(layout, 2, i, sizeof(B)));
  const auto z = load_bytes(c, row_offset<dense>(layout, 3, i, sizeof(C)));
  out[i] = finish<Out, C>(Op::apply(x, y, z, scalars));
}

template <class Op, class Out, class A, class B, class C>
kernel void ternary_mixed(device Out* out [[buffer(0)]],
                          device const void* a [[buffer(1)]],
                          device const void* b [[buffer(2)]],
                          device const void* c [[buffer(3)]],
                          constant Scalars& scalars [[buffer(4)]],
                          constant StridedLayout& layout [[buffer(5)]],
                          uint3 p [[thread_position_in_grid]]) {
  const auto outer = outer_offsets<4>(layout, p);
  const auto x = load_mixed<A>(a, offset<kAnyStride, A>(layout, outer, 1, p.x), layout.types[1]);
  const auto y = load_mixed<B>(b, offset<kAnyStride, B>(layout, outer, 2, p.x), layout.types[2]);
  const auto z = load_mixed<C>(c, offset<kAnyStride, C>(layout, outer, 3, p.x), layout.types[3]);
  element(out, offset<kAnyStride, Out>(layout, outer, 0, p.x)) = finish<Out, C>(Op::apply(x, y, z, scalars));
}

/// Short forms for operators that are one expression of x, y, z and the numbers s. T is the first input's type.
#define UNARY(name, expression)                    \
  struct name {                                    \
    template <class T>                             \
    static auto apply(T x, constant Scalars& s) {  \
      return expression;                           \
    }                                              \
  };
#define BINARY(name, expression)                       \
  struct name {                                        \
    template <class T, class U>                        \
    static auto apply(T x, U y, constant Scalars& s) { \
      return expression;                               \
    }                                                  \
  };
#define TERNARY(name, expression)                           \
  struct name {                                             \
    template <class T, class U, class V>                    \
    static auto apply(T x, U y, V z, constant Scalars& s) { \
      return expression;                                    \
    }                                                       \
  };
