"""PyTorch's MSL headers, compiled and run: torch/include/c10/metal."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from .elementwise import Expressions
from .library import Library
from .tool import mslc

INCLUDE = Path(torch.__file__).parent / "include"
KERNELS = Path(__file__).parent / "c10_metal.metal"


def headers(*names):
    """The text of headers, one after another, without their includes of each other."""
    lines = "\n".join((INCLUDE / "c10" / "metal" / f"{name}.h").read_text() for name in names).splitlines()
    return "".join(f"{line}\n" for line in lines if not line.startswith(("#include <c10", "#pragma once")))


def test_every_header_compiles_for_every_type():
    result = mslc("--emit-llvm", "-I", INCLUDE, KERNELS)
    assert result.stderr == "" and result.returncode == 0


special = torch.special


@dataclass
class Function:
    """A function of c10/metal beside PyTorch's own, which is evaluated in float64.

    `error` bounds |got - expected| / max(|expected|, floor). Bounds are about twice what was measured; where one is far
    above float's 6e-8, `because` says what in PyTorch's header is responsible: mslc has to do what the header says.
    `edges` are inputs for which the header does not give what the CPU does, with what it gives.
    """

    reference: Callable
    low: float
    high: float
    error: float
    floor: float = 1e-30
    edges: dict = field(default_factory=dict)
    because: str = ""


NAN, INF = float("nan"), float("inf")
OSCILLATES = "near its zeros the argument's rounding shows: the error is absolute"
ONE_MULTIPLICATION = "pi * x is rounded to float before the sine"
NOT_REDUCED = "x - 3 pi / 4 is rounded to float before the cosine"
UNARY = {
    "erf": Function(special.erf, -6, 6, 2e-7),
    "erfc": Function(special.erfc, -6, 9, 1.5e-7, floor=1, because="it is 1 - erf(x)"),
    "erfinv": Function(special.erfinv, -0.99999, 0.99999, 3e-6),
    "erfcx": Function(special.erfcx, -9, 60, 8e-6, because="exp(x * x) doubles the rounding of x * x"),
    "i0": Function(special.i0, -80, 80, 5e-7),
    "i0e": Function(special.i0e, -100, 100, 5e-7),
    "i1": Function(special.i1, -80, 80, 2e-6),
    "i1e": Function(special.i1e, -100, 100, 2e-6),
    "log_gamma": Function(special.gammaln, -12.3, 60, 4e-6, floor=1,
                          edges={INF: NAN, -INF: NAN, -1e-30: INF, 1e-40: INF, 1e-39: INF},
                          because="it takes log(gamma(x)), an infinity less an infinity in the end; " + OSCILLATES),
    "digamma": Function(special.digamma, -12.3, 60, 6e-5, floor=1, edges={-1e-30: 2.08058e7},
                        because="pi / tan(pi * fract(x)) near the poles"),
    "trigamma": Function(lambda x: special.polygamma(1, x), 0.01, 60, 5e-7),
    "gamma": Function(lambda x: special.gammaln(x).exp(), 0.01, 34, 3e-5, because="exp(log_gamma(x)) from 12 on"),
    "sinc": Function(special.sinc, -30, 30, 2e-7, floor=1, edges={3e38: NAN}, because=ONE_MULTIPLICATION),
    "spherical_bessel_j0": Function(special.spherical_bessel_j0, -30, 30, 3e-7),
    "entr": Function(special.entr, 0, 10, 3e-7),
    "bessel_j0_forward": Function(special.bessel_j0, -50, 50, 5e-7, floor=1, because=OSCILLATES),
    "bessel_j1_forward": Function(special.bessel_j1, -50, 50, 5e-7, floor=1, because=OSCILLATES),
    "bessel_y0_forward": Function(special.bessel_y0, 0.01, 50, 8e-7, floor=1, because=OSCILLATES),
    "bessel_y1_forward": Function(special.bessel_y1, 0.01, 50, 8e-7, floor=1, because=OSCILLATES),
    "modified_bessel_i0_forward": Function(special.modified_bessel_i0, -80, 80, 5e-7),
    "modified_bessel_i1_forward": Function(special.modified_bessel_i1, -80, 80, 2e-6),
    "modified_bessel_k0_forward": Function(special.modified_bessel_k0, 0.01, 80, 1.5e-6),
    "modified_bessel_k1_forward": Function(special.modified_bessel_k1, 0.01, 80, 8e-7),
    "scaled_modified_bessel_k0_forward": Function(special.scaled_modified_bessel_k0, 0.01, 80, 1.5e-6),
    "scaled_modified_bessel_k1_forward": Function(special.scaled_modified_bessel_k1, 0.01, 80, 8e-7),
    "log1p": Function(torch.log1p, -0.999, 50, 3e-7),
    "expm1f": Function(torch.expm1, -20, 80, 3e-4, because="it reduces by ln 2 to 19 bits, once"),
}  # fmt: skip
EDGES = [0.0, -0.0, INF, -INF, NAN, 1, -1, -2, -3, -170, 0.5, -0.5, 1e-30, -1e-30, 1e-40, 1e-39, 1e30, -1e30, 3e38]
# Only where the function is meant to be called.
NO_EDGES_BELOW_ZERO = {"gamma": 0.001, "trigamma": 0}

BINARY = {
    "logaddexp": Function(torch.logaddexp, -20, 20, 3e-7, floor=1),
    "logaddexp2": Function(torch.logaddexp2, -20, 20, 3e-7, floor=1),
    "xlogy": Function(special.xlogy, 0, 20, 3e-7, floor=1),
    "xlog1py": Function(special.xlog1py, 0, 20, 3e-7, floor=1),
    "zeta": Function(special.zeta, 1.05, 20, 2e-6),
    "igamma": Function(special.gammainc, 0.05, 40, 2e-5, floor=1),
    "igammac": Function(special.gammaincc, 0.05, 40, 2e-5, floor=1),
    "hypot": Function(torch.hypot, 0, 1e6, 3e-7),
    "pow": Function(torch.pow, 0.01, 12, 2e-7),
    "remainder": Function(torch.remainder, 0.5, 100, 1e-5, floor=1, because="x - y * floor(x / y) cancels"),
}
POLYNOMIALS = {
    name: getattr(special, name)
    for family in ("chebyshev_polynomial_{}", "shifted_chebyshev_polynomial_{}")
    for name in map(family.format, "tuvw")
} | {"hermite_polynomial_h": special.hermite_polynomial_h, "hermite_polynomial_he": special.hermite_polynomial_he}
COMPLEX_UNARY = {"log1p": torch.log1p, "sinc": special.sinc}
COMPLEX_BINARY = {"mul": torch.mul, "div": torch.div, "pow": torch.pow, "logaddexp": torch.logaddexp}
INTEGER_BINARY = {
    "floor_divide": torch.floor_divide, "remainder": torch.remainder, "fmod": torch.fmod, "pow": torch.pow,
    "max": torch.maximum, "min": torch.minimum,
}  # fmt: skip


INTEGERS = {"int": np.int32, "long": np.int64, "short": np.int16, "char": np.int8, "uchar": np.uint8}
LOW_PRECISION = ("erf", "erfc", "log_gamma", "sinc")


def table_of(group: str) -> dict[str, tuple[str, list[str], str]]:
    """The expressions of one library: few in each, for a kernel's compilation reads its whole library."""
    if group == "unary":
        return {name: ("float", ["float"], f"c10::metal::{name}(a)") for name in UNARY}
    if group in ("half", "bfloat"):
        return {name: ("float", ["float"], f"float(c10::metal::{name}({group}(a)))") for name in LOW_PRECISION}
    if group == "binary":
        table = {name: ("float", ["float", "float"], f"c10::metal::{name}(a, b)") for name in BINARY}
        return table | {"polygamma": ("float", ["float", "long"], "c10::metal::polygamma(b, a)")}
    if group == "polynomials":
        return {name: ("float", ["float", "long"], f"c10::metal::{name}_forward(a, b)") for name in POLYNOMIALS}
    if group == "complex":
        table = {name: ("float2", ["float2"], f"c10::metal::{name}(a)") for name in COMPLEX_UNARY}
        return {**table, **{name: ("float2", ["float2"] * 2, f"c10::metal::{name}(a, b)") for name in COMPLEX_BINARY}}
    if group == "random":
        return {
            "philox": ("uint4", ["uint"], "c10::metal::philox4::rand(1234, a)"),
            "rand": ("float", ["uint"], "c10::metal::rand(1234, a)"),
            "randn": ("float", ["uint"], "c10::metal::randn(1234, a)"),
            "randint64": ("long", ["uint"], "c10::metal::randint64(1234, a, -5, 17)"),
            "normals": ("float2", ["uint"], "c10::metal::box_muller_from_philox(c10::metal::philox4::rand(1234, a).xy)"),
        }
    return {name: (group, [group] * 2, f"c10::metal::{name}(a, b)") for name in INTEGER_BINARY}


@cache
def library(group: str) -> Expressions:
    prelude = "#include <metal_stdlib>\n" + headers("common", "utils", "expm1f", "igamma", "special_math", "random")
    return Expressions(table_of(group), prelude + "using namespace metal;\n")


def in_float64(function, *arrays):
    return function(*(torch.from_numpy(x).double() if x.dtype == np.float32 else torch.from_numpy(x) for x in arrays)).numpy()


def assert_within(got, expected, function):
    error = np.abs(got - expected) / np.maximum(np.abs(expected), function.floor)
    assert error.max() <= function.error, f"{error.max():.2g} at {error.argmax()}"


@pytest.mark.parametrize("name", UNARY)
def test_functions_agree_with_the_cpu_over_their_domain(name):
    function = UNARY[name]
    x = np.linspace(function.low, function.high, 20001, dtype=np.float32)
    assert_within(library("unary")(name, x), in_float64(function.reference, x), function)


@pytest.mark.parametrize("name", UNARY)
def test_functions_have_the_limits_of_the_cpu(name):
    """Zeros, infinities, NaN, poles, the least and the greatest numbers: as PyTorch has them in float."""
    function = UNARY[name]
    x = np.array([x for x in EDGES if x >= NO_EDGES_BELOW_ZERO.get(name, -INF) or np.isnan(x)], np.float32)
    if name == "gamma":
        x = x[x != INF]
    got, expected = library("unary")(name, x), function.reference(torch.from_numpy(x)).numpy()
    for edge, value in function.edges.items():
        expected[x == np.float32(edge)] = value
    np.testing.assert_allclose(got, expected, rtol=max(1e-5, function.error), atol=1e-6 if function.floor == 1 else 1e-37)
    if name in ("erf", "erfinv", "expm1f", "log1p"):
        zeros = library("unary")(name, np.array([0.0, -0.0], np.float32))
        assert np.signbit(zeros).tolist() == [False, True]


@pytest.mark.parametrize(("type_", "bits"), [("half", 11), ("bfloat", 8)])
@pytest.mark.parametrize("name", LOW_PRECISION)
def test_low_precision_functions_compute_in_float(name, type_, bits):
    function = UNARY[name]
    dtype = torch.float16 if type_ == "half" else torch.bfloat16
    x = torch.linspace(max(function.low, -10), min(function.high, 10), 501).to(dtype).float().numpy()
    rounding = 2.0**-bits if name == "sinc" else 0  # the others return a float
    error = replace(function, error=function.error + rounding)
    expected = in_float64(function.reference, x)
    is_pole = np.isinf(expected)
    got = library(type_)(name, x)
    assert np.isinf(got[is_pole]).all()
    assert_within(got[~is_pole], expected[~is_pole], error)


@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_agree_with_the_cpu(name):
    function = BINARY[name]
    axis = np.linspace(function.low, function.high, 61, dtype=np.float32)
    x, y = (grid.ravel() for grid in np.meshgrid(axis, axis))
    expected = in_float64(function.reference, x, y)
    fits = np.abs(expected) < 3e38
    assert_within(library("binary")(name, x, y)[fits], expected[fits], function)


@pytest.mark.parametrize("name", ["logaddexp", "logaddexp2", "xlogy", "xlog1py", "zeta", "igamma", "igammac", "pow"])
def test_functions_of_two_have_the_limits_of_the_cpu(name):
    values = np.array([0.0, -0.0, 1, -1, 2, 0.5, INF, -INF, NAN], np.float32)
    x, y = (grid.ravel() for grid in np.meshgrid(values, values))
    expected = BINARY[name].reference(torch.from_numpy(x), torch.from_numpy(y)).numpy()
    np.testing.assert_allclose(library("binary")(name, x, y), expected, rtol=1e-5)


@pytest.mark.parametrize("name", POLYNOMIALS)
def test_polynomials_of_every_degree_agree_with_the_cpu(name):
    low, high = (0, 1) if name.startswith("shifted") else (-1, 1)
    x, degree = (grid.ravel() for grid in np.meshgrid(np.linspace(low, high, 101, dtype=np.float32), np.arange(-1, 12)))
    got = library("polynomials")(name, x, degree.astype(np.int64))
    expected = in_float64(POLYNOMIALS[name], x, degree.astype(np.float64))
    np.testing.assert_allclose(got, expected, rtol=2e-4, atol=2e-4 * np.abs(expected).max())


def test_polygamma_of_every_order_agrees_with_the_cpu():
    x = np.linspace(0.1, 30, 201, dtype=np.float32)
    for order in range(6):
        expected = special.polygamma(order, torch.from_numpy(x).double()).numpy()
        np.testing.assert_allclose(library("binary")("polygamma", x, np.full(x.shape, order)), expected, rtol=2e-5, atol=1e-6)


def complex_points():
    """As floats of shape (n, 2), and as complex128."""
    axis = np.linspace(-3, 3, 25, dtype=np.float32) + np.float32(0.01)
    points = np.stack([grid.ravel() for grid in np.meshgrid(axis, axis)], axis=1)
    return points, torch.from_numpy(points.view(np.complex64)[:, 0]).to(torch.complex128)


@pytest.mark.parametrize("name", [*COMPLEX_UNARY, *COMPLEX_BINARY])
def test_complex_functions_agree_with_the_cpu(name):
    x, z = complex_points()
    y, w = np.ascontiguousarray(x[::-1] * np.float32(0.7)), z.flip(0) * float(np.float32(0.7))
    if name in COMPLEX_UNARY:
        got, expected = library("complex")(name, x), COMPLEX_UNARY[name](z)
    else:
        got, expected = library("complex")(name, x, y), COMPLEX_BINARY[name](z, w)
    error = np.abs(got[:, 0] + 1j * got[:, 1].astype(np.float64) - expected.numpy()) / np.maximum(np.abs(expected.numpy()), 1)
    assert error.max() < 3e-6


@pytest.mark.parametrize("type_", INTEGERS)
@pytest.mark.parametrize("name", INTEGER_BINARY)
def test_integer_functions_agree_with_the_cpu(name, type_):
    random = np.random.default_rng(0)
    dtype = INTEGERS[type_]
    low = 0 if type_ == "uchar" else -100
    x, y = (random.integers(low, 101, 2000).astype(dtype) for _ in range(2))
    y[y == 0] = 3
    if name == "pow":
        y = np.abs(y) % 9  # int64 results wrap alike
    expected = INTEGER_BINARY[name](torch.from_numpy(x), torch.from_numpy(y.astype(dtype))).numpy()
    assert (library(type_)(name, x, y) == expected).all()


def test_philox_multiplies_in_64_bits():
    def philox(counter, key):
        """Philox 4x32 (Salmon et al., 2011), with the nine rounds that the header makes."""
        for _ in range(9):
            high0, low0 = divmod(0xD2511F53 * counter[0], 2**32)
            high1, low1 = divmod(0xCD9E8D57 * counter[2], 2**32)
            counter = [high1 ^ counter[1] ^ key[0], low1, high0 ^ counter[3] ^ key[1], low0]
            key = [(key[0] + 0x9E3779B9) % 2**32, (key[1] + 0xBB67AE85) % 2**32]
        return counter

    result = library("random")("philox", np.arange(50, dtype=np.uint32))
    assert result.tolist() == [philox([0, 0, 0, i], [0, 1234]) for i in range(50)]


def test_random_numbers_are_derived_from_philox():
    index = np.arange(20000, dtype=np.uint32)
    raw = library("random")("philox", index)
    uniform = (raw & 0x7FFFFFFF).astype(np.float64) * np.float64(np.float32(4.6566127342e-10))
    np.testing.assert_allclose(library("random")("rand", index), uniform[:, 0], rtol=2e-7)
    assert 0 <= library("random")("rand", index).min() and library("random")("rand", index).max() < 1
    np.testing.assert_allclose(library("random")("randint64", index), -5 + (uniform[:, 0] * 22).astype(np.int64), atol=0)
    u1, u2 = 1 - uniform[:, 0].astype(np.float32).astype(float), 1 - uniform[:, 1].astype(np.float32).astype(float)
    np.testing.assert_allclose(library("random")("randn", index), np.sqrt(-2 * np.log(u1)) * np.cos(2 * np.pi * u2), atol=2e-6)
    radius, angle = np.sqrt(-2 * np.log(np.maximum(uniform[:, 0], 2.0**-23))), 2 * np.pi * uniform[:, 1]
    expected = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    np.testing.assert_allclose(library("random")("normals", index), expected, atol=2e-6)


ATOMIC_TYPES = {"float": "f4", "half": "f2", "int": "i4", "long": "i8", "short": "i2", "char": "i1", "uchar": "u1"}
GROUP_KERNELS = """
template <typename T>
kernel void add(device void* sums, device const T* x, device const int* to, uint i [[thread_position_in_grid]]) {
  c10::metal::AtomicType<T>::atomic_add(static_cast<device c10::metal::AtomicType_t<T>*>(sums), to[i], x[i]);
}
template <typename T>
kernel void largest(device void* sums, device const T* x, device const int* to, uint i [[thread_position_in_grid]]) {
  c10::metal::AtomicType<T>::atomic_binary_op(static_cast<device c10::metal::AtomicType_t<T>*>(sums), to[i], x[i],
                                              [](T a, T b) -> T { return a > b ? a : b; });
}
#define ADD(T) template [[host_name("add_" #T)]] kernel void add<T>(device void*, device const T*, device const int*, uint);
#define LARGEST(T) \\
  template [[host_name("largest_" #T)]] kernel void largest<T>(device void*, device const T*, device const int*, uint);
ADD(float) ADD(half) ADD(int) ADD(long) ADD(short) ADD(char) ADD(uchar) ADD(bool) ADD(half2) ADD(float2)
LARGEST(float) LARGEST(half) LARGEST(int) LARGEST(short) LARGEST(char)

template <typename T>
kernel void reduce(device const T* x, device float* out, uint t [[thread_index_in_threadgroup]],
                   uint n [[threads_per_threadgroup]]) {
  threadgroup c10::metal::opmath_t<T> sums[32], products[32];
  threadgroup T largest[32], smallest[32], candidates[32];
  threadgroup uint indices[32];
  const T value = x[t];
  const auto sum = c10::metal::threadgroup_sum<T>(sums, value, t, n);
  const auto product = c10::metal::threadgroup_prod<T>(products, t < 3 ? value : T(1), t, n);
  const T high = c10::metal::threadgroup_max(largest, value, t, n);
  const T low = c10::metal::threadgroup_min(smallest, value, t, n);
  const uint where_high = c10::metal::threadgroup_argmax(candidates, indices, value, t, t, n);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  const uint where_low = c10::metal::threadgroup_argmin(candidates, indices, value, t, t, n);
  if (t) return;
  const float results[] = {float(sum), float(product), float(high), float(low), float(where_high), float(where_low)};
  for (int i = 0; i < 6; ++i) out[i] = results[i];
}
#define REDUCE(T) template [[host_name("reduce_" #T)]] kernel void reduce<T>(device const T*, device float*, uint, uint);
REDUCE(float) REDUCE(half) REDUCE(int) REDUCE(short) REDUCE(char)

kernel void welford(device const float* x, device float* out, uint t [[thread_index_in_threadgroup]],
                    uint n [[threads_per_threadgroup]]) {
  threadgroup float values[1024];
  threadgroup float3 parts[1024];
  values[t] = x[t];
  parts[t] = float3(x[t], 0, 1);
  const float3 whole = c10::metal::threadgroup_welford_reduce(values, n);
  const float3 combined = c10::metal::threadgroup_welford_combine(parts, n);
  for (int i = 0; i < 3 && t == 0; ++i) {
    out[i] = whole[i];
    out[3 + i] = combined[i];
  }
}
"""


@cache
def group_library() -> Library:
    prelude = "#include <metal_stdlib>\n" + headers("common", "utils", "atomic", "reduction_utils")
    return Library(prelude + "using namespace metal;\n" + GROUP_KERNELS)


@pytest.mark.parametrize("first", [0, 1, 3])
@pytest.mark.parametrize("type_", ATOMIC_TYPES)
def test_atomic_additions_of_every_type_lose_nothing(type_, first):
    """Types narrower than 32 bits are added within a word, wherever in it the buffer starts."""
    random = np.random.default_rng(0)
    memory = np.zeros(44, ATOMIC_TYPES[type_])
    x = random.integers(0, 3, 1000).astype(memory.dtype)
    to = random.integers(0, 32, 1000).astype(np.int32)
    group_library().kernel(f"add_{type_}")([memory[first:], x, to], (1000,), (256,))
    expected = np.zeros_like(memory)
    np.add.at(expected, to + first, x)
    assert (memory == expected).all()


@pytest.mark.parametrize("type_", ["float", "half", "int", "short", "char"])
def test_atomic_operations_of_a_users_own(type_):
    random = np.random.default_rng(0)
    memory = np.zeros(32, ATOMIC_TYPES[type_])
    x = random.integers(0, 100, 1000).astype(memory.dtype)
    to = random.integers(0, 32, 1000).astype(np.int32)
    group_library().kernel(f"largest_{type_}")([memory, x, to], (1000,), (256,))
    expected = np.zeros_like(memory)
    np.maximum.at(expected, to, x)
    assert (memory == expected).all()


def test_atomic_additions_of_bools_and_complex_numbers():
    to = (np.arange(1000) % 7).astype(np.int32)
    flags, some = np.zeros(8, bool), np.arange(1000) % 14 == 3
    group_library().kernel("add_bool")([flags, some, to], (1000,), (256,))
    assert flags.tolist() == [False] * 3 + [True] + [False] * 4
    for name, dtype in (("add_half2", "f2"), ("add_float2", "f4")):
        sums, x = np.zeros((8, 2), dtype), np.stack([np.ones(1000), np.arange(1000) % 2], axis=1).astype(dtype)
        group_library().kernel(name)([sums, x, to], (1000,), (256,))
        expected = np.zeros_like(sums)
        np.add.at(expected, to, x)
        assert (sums == expected).all()


@pytest.mark.parametrize("threads", [1, 2, 31, 32, 33, 100, 1024])
@pytest.mark.parametrize("type_", ["float", "half", "int", "short", "char"])
def test_threadgroup_reductions_of_every_size(type_, threads):
    x = np.random.default_rng(threads).integers(-9, 10, threads).astype(ATOMIC_TYPES[type_])
    x[threads // 2], x[threads // 3] = 11, -12  # one of each
    out = np.zeros(6, np.float32)
    group_library().kernel(f"reduce_{type_}")([x, out], (threads,), (threads,))
    expected = [x.sum(dtype=np.int64) if type_ != "half" else x.astype(float).sum(), x[:3].astype(float).prod(),
                x.max(), x.min(), x.argmax(), x.argmin()]  # fmt: skip
    assert out.tolist() == expected


@pytest.mark.parametrize("threads", [1, 32, 45, 1024])
def test_welford_gives_mean_and_squares(threads):
    x = np.random.default_rng(0).normal(3, 2, threads).astype(np.float32)
    out = np.zeros(6, np.float32)
    group_library().kernel("welford")([x, out], (threads,), (threads,))
    expected = [x.mean(dtype=float), ((x - x.mean(dtype=float)) ** 2).sum(), threads]
    np.testing.assert_allclose(out, expected * 2, rtol=2e-5, atol=1e-6)
