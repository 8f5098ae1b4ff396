"""What the language means: each kernel computes values that a reference in NumPy predicts."""

import numpy as np
import pytest

from .elementwise import PRELUDE
from .library import DEFAULT_TARGET, Library

THREADS = 64

KERNELS = """
namespace tables {
constant float kOffsets[] = {10, 20, 30};
constexpr constant int kCount = sizeof(kOffsets) / sizeof(float);
template <typename T> constexpr constant T twice_v = T(2);
}

struct Pair {
  static constexpr constant int members = 2;
  float a, b;
  float sum() const { return a + b; }
  float sum() const constant { return a + b; }
  void scale(float by) { a *= by; b *= by; }
  thread float& first() thread { return a; }
  device float& first() device { return a; }
  Pair operator+(Pair other) const { return {a + other.a, b + other.b}; }
};
struct Scaled : Pair {
  float by;
  float scaled() const { return by * sum(); }
};
union Bits { float f; uint u; };

kernel void methods(device float* o, device Pair* d, constant Pair& c, uint i [[thread_position_in_grid]]) {
  threadgroup Pair shared;
  if (i == 0) shared = c;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  Pair mine = c;
  mine.first() += i;
  mine.scale(2);
  d[i].first() += 1;
  d[i].scale(3);
  Scaled s;
  s.a = 1; s.b = i; s.by = 5;
  o[i] = mine.sum() + 100 * d[i].sum() + 10000 * shared.sum() + c.sum() + (mine + d[i]).b + s.scaled() + Pair::members;
}

// Overloads on the address space.
int where(device float*) { return 1; }
int where(threadgroup float*) { return 2; }
int where(constant float*) { return 3; }
int where(thread float*) { return 4; }
void store(thread float& x, float value) { x = value; }
void store(device float& x, float value) { x = 2 * value; }
void store(threadgroup float& x, float value) { x = 3 * value; }

kernel void spaces(device float* o, constant float* c, threadgroup float* dynamic [[threadgroup(0)]],
                   [[thread_position_in_grid]] uint i) {
  float mine;
  thread float* pointer = &mine;
  threadgroup float (&four)[4] = *(threadgroup float (*)[4])dynamic;
  o[4 * i] = where(o) + 10 * where(dynamic) + 100 * where(c) + 1000 * where(pointer);
  store(mine, 1);
  store(o[4 * i + 1], 1);
  if (i == 0) store(four[3], 1);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  o[4 * i + 2] = mine + dynamic[3];
  auto& alias = o[4 * i + 3];
  alias = *pointer + c[1];
}

struct Arguments {
  device float* out [[id(0)]];
  constant float* in [[id(1)]];
  array<device float*, 2> more;
};
kernel void argument_buffer(constant Arguments& arguments [[buffer(0)]], uint i [[thread_position_in_grid]]) {
  arguments.out[i] = arguments.in[i] + arguments.more[0][i] * arguments.more[1][i];
}

template <typename Function> float apply(Function function, float x) { return function(x); }
float negate(float x) { return -x; }
template <float (*function)(float)> float call(float x) { return function(x); }
template <typename... T> float total(T... x) { return (x + ... + 0.0f); }
template <typename T> T kind(T x) {
  if constexpr (is_floating_point_v<T>) return x * 2;
  else return x + 1;
}

kernel void functions(device float* o, uint i [[thread_position_in_grid]]) {
  const float shift = 3;
  auto shifted = [shift](float x) { return x + shift; };
  auto stores = [&](uint at) { o[at] = 7; };
  float (*pointer)(float) = negate;
  auto [a, b] = Pair{1, 2};
  Bits bits;
  bits.f = 1;
  stores(i);
  o[i] += apply(shifted, i) + apply([=](float x) { return x * shift; }, 2) + call<negate>(4) + pointer(1) + total(1, 2, 3)
          + kind(1.5f) + kind(3) + a + b + (bits.u >> 23) + tables::kOffsets[i % tables::kCount] + tables::twice_v<float>;
}

kernel void truths(device int* o, device const float4* x, device bool4* stored, uint i [[thread_position_in_grid]]) {
  bool4 less = x[i] < 2;
  vec<bool, 4> both = (x[i] > vec<float, 4>(0)) & (x[i] < 3);
  bool4 late;
  late = x[i] == 2;
  const bool4 negated = !less;
  stored[i] = less;
  o[8 * i] = less.x + less.y + less.z + less.w;
  o[8 * i + 1] = int4(x[i] < 2).x + int(float4(x[i] >= 2).y) + ((int4)(x[i] != 1)).z;
  o[8 * i + 2] = both.x + 2 * both.y + 4 * both.z + 8 * both.w;
  o[8 * i + 3] = late.x + 2 * late.y + 4 * late.z + 8 * late.w;
  o[8 * i + 4] = negated.x + 2 * negated.w + 4 * any(x[i] > 3) + 8 * all(x[i] > -1);
  o[8 * i + 5] = vec<bool, 2>(true, i > 0).y + bool2(0.5f, 0).x + as_type<int>(char4(bool4(2)));
  o[8 * i + 6] = select(int4(1), int4(2), x[i] < 2).x;
  o[8 * i + 7] = sizeof(bool4) + sizeof(bool3);
}

kernel void wide(device long* o, device const ulong* x, uint i [[thread_position_in_grid]]) {
  long2 pair = long2(x[i], -long(x[i]));
  ulong3 shifted = ulong3(x[i]) >> ulong3(1, 32, 63);
  o[4 * i] = pair.y / 3 + pair.x % 7;
  o[4 * i + 1] = shifted.x ^ shifted.y ^ shifted.z;
  o[4 * i + 2] = mulhi(x[i], x[i]) + long(max(x[i], 5ul));
  o[4 * i + 3] = (x[i] & 0xffffffff) * 0x100000001ul;
}

kernel void built_ins(device uint* o, uint2 g [[thread_position_in_grid]], uint2 grid [[threads_per_grid]],
                      ushort2 t [[thread_position_in_threadgroup]], ushort2 size [[threads_per_threadgroup]],
                      ushort2 whole [[dispatch_threads_per_threadgroup]], uint2 group [[threadgroup_position_in_grid]],
                      uint2 groups [[threadgroups_per_grid]], ushort index [[thread_index_in_threadgroup]],
                      uint lane [[thread_index_in_simdgroup]], ushort simd [[simdgroup_index_in_threadgroup]],
                      uint simds [[simdgroups_per_threadgroup]], uint width [[threads_per_simdgroup]],
                      uint quad_lane [[thread_index_in_quadgroup]], uint quad [[quadgroup_index_in_threadgroup]],
                      uint quads [[quadgroups_per_threadgroup]], ushort whole_simds [[dispatch_simdgroups_per_threadgroup]],
                      uint whole_quads [[dispatch_quadgroups_per_threadgroup]]) {
  const uint values[] = {g.x, g.y, grid.x, grid.y, t.x, t.y, size.x, size.y, whole.x, whole.y, group.x, group.y, groups.x,
                         groups.y, index, lane, simd, simds, width, quad_lane, quad, quads, whole_simds, whole_quads};
  for (uint k = 0; k < 24; ++k) o[24 * (g.y * grid.x + g.x) + k] = values[k];
}
"""


@pytest.fixture(scope="module")
def library():
    return Library(PRELUDE + KERNELS)


def run(library, name, buffers, **launch):
    library.kernel(name)(buffers, (THREADS,), (THREADS,), **launch)


def test_methods_work_in_every_address_space(library):
    out, pairs = np.zeros(THREADS, np.float32), np.arange(2 * THREADS, dtype=np.float32).reshape(-1, 2)
    a, b = pairs.T.copy()
    i = np.arange(THREADS)
    run(library, "methods", [out, pairs, np.array([1, 2], np.float32)])
    changed = 3 * (a + 1), 3 * b
    expected = 2 * (3 + i) + 100 * sum(changed) + 30000 + 3 + (4 + changed[1]) + 5 * (1 + i) + 2
    np.testing.assert_array_equal(pairs, np.stack(changed, axis=1))
    np.testing.assert_array_equal(out, expected)


def test_address_spaces_choose_overloads(library):
    out = np.zeros((THREADS, 4), np.float32)
    run(library, "spaces", [out, np.array([5, 6], np.float32)], threadgroup_bytes=[16] + [0] * 30)
    np.testing.assert_array_equal(out, [[4321, 2, 4, 7]] * THREADS)


@pytest.mark.skipif(DEFAULT_TARGET.is_emulated, reason="an emulated process does not have the addresses of this one")
def test_structures_of_pointers_are_argument_buffers(library):
    out, x, y, z = np.zeros(THREADS, np.float32), *np.random.default_rng(0).random((3, THREADS)).astype(np.float32)
    run(library, "argument_buffer", [np.array([array.ctypes.data for array in (out, x, y, z)], np.uint64)])
    np.testing.assert_allclose(out, x + y * z, rtol=1e-6)


def test_functions_lambdas_and_templates(library):
    out, i = np.zeros(THREADS, np.float32), np.arange(THREADS)
    run(library, "functions", [out])
    offsets = np.array([10, 20, 30])[i % 3]
    np.testing.assert_array_equal(out, 7 + (i + 3) + 6 - 4 - 1 + 6 + 3 + 4 + 3 + 127 + offsets + 2)


def test_vectors_of_bool_hold_0_and_1(library):
    x = np.random.default_rng(1).integers(-1, 5, (THREADS, 4)).astype(np.float32)
    out, stored = np.zeros((THREADS, 8), np.int32), np.full((THREADS, 4), 99, np.uint8)
    run(library, "truths", [out, x, stored])
    weights = np.array([1, 2, 4, 8])
    less, both = x < 2, (x > 0) & (x < 3)
    np.testing.assert_array_equal(stored, less)
    np.testing.assert_array_equal(out[:, 0], less.sum(1))
    np.testing.assert_array_equal(out[:, 1], less[:, 0].astype(int) + (x[:, 1] >= 2) + (x[:, 2] != 1))
    np.testing.assert_array_equal(out[:, 2], both @ weights)
    np.testing.assert_array_equal(out[:, 3], (x == 2) @ weights)
    np.testing.assert_array_equal(out[:, 4], ~less[:, 0] + 2 * ~less[:, 3] + 4 * (x > 3).any(1) + 8 * (x > -1).all(1))
    np.testing.assert_array_equal(out[:, 5], (np.arange(THREADS) > 0) + 1 + 0x01010101)
    np.testing.assert_array_equal(out[:, 6], 1 + less[:, 0])
    np.testing.assert_array_equal(out[:, 7], 8)


def test_integers_of_64_bits(library):
    x = np.random.default_rng(2).integers(1, 2**62, THREADS).astype(np.uint64)
    out = np.zeros((THREADS, 4), np.int64)
    run(library, "wide", [out, x])
    for row, value in zip(out.tolist(), x.tolist()):
        expected = [-(value // 3) + value % 7, value >> 1 ^ value >> 32 ^ value >> 63, (value * value >> 64) + max(value, 5),
                    (value & 0xFFFFFFFF) * 0x100000001]  # fmt: skip
        assert [entry % 2**64 for entry in row] == [entry % 2**64 for entry in expected]


def test_built_ins_of_a_grid_with_partial_groups(library):
    width, height, group = 50, 3, (20, 2)
    out = np.zeros((height, width, 24), np.uint32)
    library.kernel("built_ins")([out], (width, height), group)
    for y in range(height):
        for x in range(width):
            at, inside = (x // 20, y // 2), (x % 20, y % 2)
            size = min(20, width - 20 * at[0]), min(2, height - 2 * at[1])
            index, threads = inside[1] * size[0] + inside[0], size[0] * size[1]
            expected = [x, y, width, height, *inside, *size, *group, *at, 3, 2, index, index % 32, index // 32,
                        -(-threads // 32), 32, index % 4, index // 4, -(-threads // 4), 2, 10]  # fmt: skip
            assert out[y, x].tolist() == expected
