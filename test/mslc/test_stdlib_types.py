"""Types, limits, comparisons, geometry, packing and atomics."""

import numpy as np
import pytest

from .elementwise import PRELUDE, Expressions
from .library import CompileError, Library

ASSERTIONS = """
static_assert(is_same_v<int8_t, char> && is_same_v<uint64_t, ulong> && sizeof(long) == 8 && sizeof(size_t) == 8);
static_assert(is_same_v<vec<float, 4>, float4> && sizeof(float3) == 16 && sizeof(packed_float3) == 12);
static_assert(alignof(packed_float4) == 4 && alignof(float4) == 16 && sizeof(packed_half3) == 6);
static_assert(is_floating_point_v<half> && is_floating_point_v<const bfloat> && !is_integral_v<half>);
static_assert(is_integral_v<uchar> && is_integral_v<bool> && is_signed_v<char> && is_unsigned_v<ushort>);
static_assert(is_vector_v<float3> && !is_vector_v<float> && vec_elements<half3>::value == 3 && is_scalar_v<bfloat>);
static_assert(is_same_v<make_unsigned_t<int>, uint> && is_same_v<decay_t<const int&>, int>);
static_assert(is_same_v<conditional_t<true, int, float>, int> && is_same_v<remove_addrspace_t<device int>, int>);
static_assert(conjunction_v<is_integral<int>, is_signed<int>> && disjunction_v<is_integral<half>, is_signed<int>>);
static_assert(is_same_v<common_type_t<int, float>, float> && rank_v<int[2][3]> == 2);
static_assert(is_convertible_v<int, float> && is_base_of_v<true_type, is_same<int, int>>);
static_assert(numeric_limits<int>::max() == INT_MAX && numeric_limits<uchar>::max() == UCHAR_MAX);
static_assert(numeric_limits<long>::lowest() == LONG_MIN && numeric_limits<ulong>::max() == ULONG_MAX);
static_assert(numeric_limits<float>::max() == FLT_MAX && numeric_limits<float>::min() == FLT_MIN);
static_assert(float(M_PI_BF) == 3.140625f && float(M_E_H) == 2.71875f && float(MAXBFLOAT) == 0x1.fep127 && HUGE_VALBF > MAXBFLOAT);
static_assert(is_same_v<matrix<float, 3>, float3x3> && is_same_v<vec<bool, 3>, bool3>);
static_assert(numeric_limits<float>::epsilon() == FLT_EPSILON && numeric_limits<float>::lowest() == -FLT_MAX);
static_assert(float(numeric_limits<half>::max()) == 65504 && float(numeric_limits<half>::epsilon()) == 0x1p-10);
static_assert(float(numeric_limits<bfloat>::max()) == 0x1.fep127 && float(numeric_limits<bfloat>::epsilon()) == 0x1p-7);
static_assert(numeric_limits<float>::infinity() == INFINITY && numeric_limits<half>::has_quiet_NaN);
static_assert(numeric_limits<float2>::infinity().y == INFINITY && numeric_limits<int4>::lowest().w == INT_MIN);
static_assert(is_same_v<decltype(numeric_limits<half3>::max()), half3> && numeric_limits<float3>::digits == 24);
static_assert(numeric_limits<float>::digits == 24 && numeric_limits<float>::max_digits10 == 9);
static_assert(numeric_limits<float>::min_exponent == -125 && numeric_limits<float>::max_exponent10 == 38);
static_assert(numeric_limits<float>::min_exponent10 == -37 && numeric_limits<half>::min_exponent == -13);
static_assert(numeric_limits<int>::digits10 == 9 && numeric_limits<uint>::digits == 32);
static_assert(array<int, 3>{1, 2, 3}[2] == 3 && array<int, 3>{1, 2, 3}.size() == 3);
static_assert(as_type<uint>(1.0f) == 0x3f800000 && as_type<half>(ushort(0x3c00)) == 1.0h);
static_assert(sizeof(atomic_bool) == 4 && sizeof(atomic_ulong) == 8 && sizeof(atomic<float>) == 4);
kernel void k(device float* x) { x[0] = make_uniform(2.0f) * 3; }
"""

FLOATS = np.array([0, -0.0, 1, -1, np.inf, -np.inf, np.nan, -np.nan, 1e-45, -1e-40, 2.0**-126, 3e38], np.float32)
EXPRESSIONS = {
    **{f"{name}_{type_}": ("bool", [type_], f"{name}(a)")
       for name in ("isnan", "isinf", "isfinite", "isnormal", "signbit") for type_ in ("float", "half")},
    "unordered": ("bool", ["float", "float"], "isunordered(a, b) && !isordered(a, b)"),
    "select": ("float4", ["float4", "float4"], "select(a, b, a < b)"),
    "select_isnan": ("float4", ["float4", "float4"], "select(a, b, isnan(a))"),
    "any_all": ("int", ["float4", "float4"], "any(a < b) + 2 * all(a < b) + 4 * any(isinf(a)) + 8 * all(a == a)"),
    "dot": ("float", ["float4", "float4"], "dot(a, b)"),
    "cross": ("float3", ["float3", "float3"], "cross(a, b)"),
    "length": ("float", ["float3"], "length(a) + distance(a, -a) + length_squared(a)"),
    "normalize": ("float2", ["float2"], "normalize(a)"),
    "reflect": ("float3", ["float3", "float3"], "reflect(a, normalize(b)) + refract(normalize(a), normalize(b), 0.5)"),
    "common": ("float", ["float", "float"], "clamp(a, -0.5, 0.5) + mix(a, b, 0.25) + smoothstep(-1.0, 1.0, a)"),
    "packed_arithmetic": ("float3", ["float3", "float3"],
                          "[&] { packed_float3 p(a), q(b); return 2 * p + p * q - q / 4 + (p - 1) * float3(q); }()"),
    "explicit_geometry": ("float", ["float3"], "precise::length(a) + fast::distance(a, -a) + fast::normalize(a).x"),
    "bfloats": ("int", ["float"], "[&] { bfloat x(a); bool2 m = isnan(bfloat2(x)); return m.y + 2 * isinf(x) + "
                "4 * isfinite(x) + 8 * isnormal(x) + 16 * signbit(x) + 32 * int(select(bfloat(0), x, x == x && x > 0) > 0); }()"),
    "packed_names": ("float3", ["float3", "float3"],
                     "[&] { packed_float3 p(a); p.yz = b.xy; p.zxy = p.bgr; p.rb += 1.0f; return p.xxy + p.xyz; }()"),
    "truths": ("int4", ["float3", "float3"],
               "[&] { auto m = a < b; auto pick = [](bool3 x) { return x.x + 2 * x.y + 4 * x.z; }; "
               "char3 c(1, 2, 3); return int4(pick(a > b), (a == b).y + 2 * (c == char3(2))[1], pick(m && (a < 0)), "
               "pick(bool3(int3(a) >> int3(1))) + 8 * pick(m)); }()"),
    "packed": ("float", ["float3"], "[&] { packed_float3 p(a); p *= 2; return p[0] + p.y + float3(p).z; }()"),
    "colours": ("uint", ["uint"], "pack_float_to_unorm4x8(unpack_unorm4x8_to_float(a))"),
    "signed_pairs": ("uint", ["uint"], "pack_float_to_snorm2x16(unpack_snorm2x16_to_float(a))"),
    "srgb": ("uint", ["uint"], "pack_float_to_srgb_unorm4x8(unpack_unorm4x8_srgb_to_float(a))"),
    "small_colours": ("ushort", ["ushort"], "pack_half_to_unorm565(unpack_unorm565_to_half(a))"),
    "unorm": ("float4", ["uint"], "unpack_unorm4x8_to_float(a)"),
    "snorm": ("float4", ["uint"], "unpack_snorm4x8_to_float(a)"),
}  # fmt: skip

ATOMICS = """
kernel void atomics(device atomic_int* i, device atomic_uint* u, device atomic_float* f, device atomic_ulong* l,
                    device atomic_bool* b, device uint* shared_sum, uint t [[thread_position_in_grid]]) {
  threadgroup atomic_uint total;
  if (t == 0) atomic_store_explicit(&total, 0u, memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  atomic_fetch_add_explicit(&i[0], int(t), memory_order_relaxed);
  atomic_fetch_sub_explicit(&i[1], int(t), memory_order_relaxed);
  atomic_fetch_min_explicit(&i[2], -int(t), memory_order_relaxed);
  atomic_fetch_max_explicit(&u[0], t, memory_order_relaxed);
  atomic_fetch_or_explicit(&u[1], 1u << (t % 32), memory_order_relaxed);
  atomic_fetch_xor_explicit(&u[2], t, memory_order_relaxed);
  atomic_fetch_and_explicit(&u[3], ~(t & 1), memory_order_relaxed);
  atomic_fetch_add_explicit(&f[0], 0.5, memory_order_relaxed);
  float old = atomic_load_explicit(&f[1], memory_order_relaxed);
  while (!atomic_compare_exchange_weak_explicit(&f[1], &old, old + 2, memory_order_relaxed, memory_order_relaxed)) {
  }
  atomic_max_explicit(&l[0], ulong(t) << 33, memory_order_relaxed);
  atomic_min_explicit(&l[1], ulong(t + 1) << 33, memory_order_relaxed);
  if (t == 7) atomic_store_explicit(&b[0], true, memory_order_relaxed);
  atomic_fetch_add_explicit(&total, t, memory_order_relaxed);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (t == 5) *shared_sum = atomic_exchange_explicit(&total, 0u, memory_order_relaxed);
}
"""

# What Apple's library does not have, so that code for the Mac may define it.
ABSENT = {
    "float_atomic_max": "void f(device atomic_float* x) { atomic_fetch_max_explicit(x, 1.0f, memory_order_relaxed); }",
    "long_atomic_add": "void f(device atomic_ulong* x) { atomic_fetch_add_explicit(x, 1ul, memory_order_relaxed); }",
    "long_simd_sum": "long f(long x) { return simd_sum(x); }",
    "long_simd_shuffle": "ulong f(ulong x) { return simd_shuffle(x, 1); }",
    "mixed_max": "float f(half x, float y) { return max(x, y); }",
    "integer_exp": "float f(int x) { return exp(x); }",
    "small_matrix": "simdgroup_matrix<float, 4, 4> f() { return simdgroup_matrix<float, 4, 4>(1.0f); }",
}


def test_types_traits_and_limits():
    Library(PRELUDE + ASSERTIONS)


@pytest.fixture(scope="module")
def evaluate():
    return Expressions(EXPRESSIONS)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", [np.float32, np.float16], ids=["float", "half"])
def test_classification(dtype, evaluate):
    x = np.concatenate([FLOATS.astype(dtype), np.array([6e-8, 6.1e-5, 65504], dtype)])
    suffix = "float" if dtype == np.float32 else "half"
    normal = np.isfinite(x) & (np.abs(x) >= np.finfo(dtype).tiny)
    references = {"isnan": np.isnan(x), "isinf": np.isinf(x), "isfinite": np.isfinite(x), "isnormal": normal,
                  "signbit": np.signbit(x)}  # fmt: skip
    for name, expected in references.items():
        np.testing.assert_array_equal(evaluate(f"{name}_{suffix}", x), expected, err_msg=name)


def test_classification_of_bfloat(evaluate):
    x = np.concatenate([FLOATS, np.float32([2.0**-133, 2.0**-126, 1.5])])
    x = (x.view(np.uint32) & 0xFFFF0000).view(np.float32)  # as a bfloat holds it
    normal = np.isfinite(x) & (np.abs(x) >= 2.0**-126)
    expected = np.isnan(x) + 2 * np.isinf(x) + 4 * np.isfinite(x) + 8 * normal + 16 * np.signbit(x) + 32 * (x > 0)
    np.testing.assert_array_equal(evaluate("bfloats", x), expected)


def test_components_of_packed_vectors_by_name(evaluate):
    a, b = np.random.default_rng(4).standard_normal((2, 200, 4)).astype(np.float32)
    p = np.stack([a[:, 0], b[:, 0], b[:, 1]], 1)
    p = np.stack([p[:, 1], p[:, 0], p[:, 2]], 1)  # p.z, p.x, p.y = p.z, p.y, p.x
    p[:, [0, 2]] += 1
    np.testing.assert_array_equal(evaluate("packed_names", a, b)[:, :3], p[:, [0, 0, 1]] + p)


def test_comparisons_are_vectors_of_bool_without_a_name(evaluate):
    a, b = np.random.default_rng(5).integers(-3, 4, (2, 200, 4)).astype(np.float32)
    bits = np.array([1, 2, 4])
    a3, b3 = a[:, :3], b[:, :3]
    less = a3 < b3
    shifted = (a3.astype(int) >> 1) != 0
    expected = [(a3 > b3) @ bits, (a[:, 1] == b[:, 1]) + 2, (less & (a3 < 0)) @ bits, shifted @ bits + 8 * (less @ bits)]
    np.testing.assert_array_equal(evaluate("truths", a, b), np.stack(expected, 1))


def test_packed_vectors_in_arithmetic(evaluate):
    x, y = np.random.default_rng(3).standard_normal((2, 200, 4)).astype(np.float32)
    result = evaluate("packed_arithmetic", x, y)[:, :3]
    x, y = x[:, :3].astype(np.float64), y[:, :3].astype(np.float64)
    np.testing.assert_allclose(result, 2 * x + x * y - y / 4 + (x - 1) * y, rtol=1e-5, atol=1e-5)
    norms = np.linalg.norm(x, axis=1)
    values = evaluate("explicit_geometry", np.pad(x, ((0, 0), (0, 1))).astype(np.float32))
    np.testing.assert_allclose(values, 3 * norms + x[:, 0] / norms, rtol=1e-5)


def test_conditions(evaluate):
    x, y = (grid.reshape(-1, 4) for grid in (np.repeat(FLOATS, len(FLOATS)), np.tile(FLOATS, len(FLOATS))))
    np.testing.assert_array_equal(evaluate("unordered", x.ravel(), y.ravel()), (np.isnan(x) | np.isnan(y)).ravel())
    np.testing.assert_array_equal(evaluate("select", x, y), np.where(x < y, y, x))
    np.testing.assert_array_equal(evaluate("select_isnan", x, y), np.where(np.isnan(x), y, x))
    expected = (x < y).any(1) + 2 * (x < y).all(1) + 4 * np.isinf(x).any(1) + 8 * (x == x).all(1)
    np.testing.assert_array_equal(evaluate("any_all", x, y), expected)


def test_geometry(evaluate):
    x, y = np.random.default_rng(0).standard_normal((2, 500, 4)).astype(np.float32)
    x3, y3 = x[:, :3].astype(np.float64), y[:, :3].astype(np.float64)
    norms = np.linalg.norm(x3, axis=1)

    def unit(v):
        return v / np.linalg.norm(v, axis=1, keepdims=True)

    def refract(v, n, eta):
        cosine = (v * n).sum(1, keepdims=True)
        k = 1 - eta**2 * (1 - cosine**2)
        return np.where(k < 0, 0, eta * v - (eta * cosine + np.sqrt(np.abs(k))) * n)

    n = unit(y3)
    reflected = x3 - 2 * (n * x3).sum(1, keepdims=True) * n + refract(unit(x3), n, 0.5)
    np.testing.assert_allclose(evaluate("dot", x, y), (x.astype(np.float64) * y).sum(1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(evaluate("cross", x, y)[:, :3], np.cross(x3, y3), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(evaluate("length", x), 3 * norms + norms**2, rtol=1e-6)
    np.testing.assert_allclose(evaluate("normalize", x[:, :2]), unit(x3[:, :2]), rtol=1e-6)
    np.testing.assert_allclose(evaluate("reflect", x, y)[:, :3], reflected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(evaluate("packed", x), 2 * x3.sum(1), rtol=1e-5, atol=1e-6)


def test_common_functions(evaluate):
    x, y = np.random.default_rng(1).standard_normal((2, 500)).astype(np.float32)
    t = np.clip((x.astype(np.float64) + 1) / 2, 0, 1)
    expected = np.clip(x, -0.5, 0.5) + (x + (y - x) * 0.25) + t * t * (3 - 2 * t)
    np.testing.assert_allclose(evaluate("common", x, y), expected, rtol=1e-5, atol=1e-6)


def test_packing(evaluate):
    words = np.random.default_rng(2).integers(0, 2**32, 2000, np.uint32)
    bytes_ = words.view(np.uint8).reshape(-1, 4)
    for name in ("colours", "srgb"):
        np.testing.assert_array_equal(evaluate(name, words), words, err_msg=name)
    pairs = words[(words.view(np.int16).reshape(-1, 2) != -(2**15)).all(1)]  # -2^15 and -2^15 + 1 are both -1
    np.testing.assert_array_equal(evaluate("signed_pairs", pairs), pairs)
    np.testing.assert_array_equal(evaluate("small_colours", words.astype(np.uint16)), words.astype(np.uint16))
    np.testing.assert_array_equal(evaluate("unorm", words), bytes_ / np.float32(255))
    np.testing.assert_array_equal(evaluate("snorm", words), np.maximum(bytes_.view(np.int8) / np.float32(127), -1))


def test_atomics():
    count = 96
    t = np.arange(count)
    integers, unsigned = np.zeros(3, np.int32), np.array([0, 0, 0, 0xFF], np.uint32)
    floats, longs = np.zeros(2, np.float32), np.array([0, 2**64 - 1], np.uint64)
    flag, shared = np.zeros(4, np.uint8), np.zeros(1, np.uint32)
    buffers = [integers, unsigned, floats, longs, flag, shared]
    Library(PRELUDE + ATOMICS).kernel("atomics")(buffers, (count,), (count,))
    assert integers.tolist() == [t.sum(), -t.sum(), -(count - 1)]
    assert unsigned.tolist() == [count - 1, 2**32 - 1, np.bitwise_xor.reduce(t), 0xFE]
    assert floats.tolist() == [count / 2, 2 * count]
    assert longs.tolist() == [(count - 1) << 33, 1 << 33]
    assert flag[0] == 1 and shared[0] == t.sum()


@pytest.mark.parametrize("name", ABSENT)
def test_what_metal_lacks_is_absent(name):
    with pytest.raises(CompileError):
        Library(PRELUDE + ABSENT[name])
