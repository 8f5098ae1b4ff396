"""Binary operators agree with the CPU: dtypes, promotion, broadcasting, numbers, integer corner cases, gradients."""

import functools
import itertools
import math

import pytest
import torch

from test.agreement import FLOATING, INTEGRAL, assert_agrees, assert_close, sample

pytestmark = pytest.mark.usefixtures("no_fallback")

REAL = "add sub mul div pow atan2 hypot copysign maximum minimum fmax fmin fmod remainder logaddexp logaddexp2 xlogy"
COMPARISONS = "eq ne lt le gt ge logical_and logical_or logical_xor"


def operands(dtype=torch.float32):
    x, y = sample(6, 50, dtype=dtype), sample(6, 50, dtype=dtype, seed=1)
    return (x, y) if not dtype.is_floating_point else (x, y.abs() + 0.1)


@pytest.mark.parametrize("name", (REAL + " " + COMPARISONS).split())
def test_real_numbers(name):
    x, y = operands()
    if name in ("pow", "xlogy"):
        x = x.abs() + 0.1
    differentiable = name in "add sub mul div pow atan2 hypot maximum minimum logaddexp xlogy".split()
    assert_agrees(getattr(torch, name), x, y, backward=differentiable, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", FLOATING)
def test_nextafter_is_the_neighbour_in_the_dtype(dtype):
    x = torch.tensor([0, -0.0, 1, -1, 2, math.inf, -math.inf, math.nan, 6e-8], dtype=dtype)
    for towards in (math.inf, -math.inf, 0, math.nan):
        y = torch.full_like(x, towards)
        expected = torch.nextafter(x, y)
        torch.testing.assert_close(torch.nextafter(x.to("metal"), y.to("metal")).cpu(), expected, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("name", "igamma igammac special.zeta special.xlog1py nextafter heaviside".split())
def test_special_functions(name):
    x, y = (t.abs() + 1.1 for t in operands())
    function = getattr(torch.special, name[8:]) if name.startswith("special.") else getattr(torch, name)
    assert_agrees(function, x, y, backward=False, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [f"{s}chebyshev_polynomial_{k}" for s in ("", "shifted_") for k in "tuvw"]
                         + ["hermite_polynomial_h", "hermite_polynomial_he", "laguerre_polynomial_l",
                            "legendre_polynomial_p"])  # fmt: skip
def test_polynomials(name):
    x, n = torch.linspace(-1, 1, 21).repeat(6), torch.arange(6.0).repeat_interleave(21)
    assert_agrees(getattr(torch.special, name), x, n, backward=False, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", "add sub mul div pow eq ne".split())
def test_complex_numbers(name):
    x, y = operands(torch.complex64)
    assert_agrees(getattr(torch, name), x, y, rtol=1e-4, atol=1e-4, backward=name in ("add", "sub", "mul", "div"))


@pytest.mark.parametrize("dtype", [*FLOATING, *INTEGRAL, torch.bool])
def test_dtypes(dtype):
    x, y = operands(dtype)
    functions = [torch.add, torch.mul, torch.eq, torch.maximum, torch.logical_and]
    if dtype != torch.bool:
        functions += [torch.sub, torch.lt]
    if not dtype.is_floating_point:
        functions += [torch.bitwise_and, torch.bitwise_or, torch.bitwise_xor]
    for function in functions:
        assert_agrees(function, x, y, backward=False)


@pytest.mark.parametrize("dtype", INTEGRAL)
def test_integer_arithmetic(dtype):
    x = torch.arange(-20 if dtype.is_signed else 0, 20).to(dtype).repeat_interleave(9)
    divisors = [-7, -3, -1, 1, 2, 3, 5, 6, 7] if dtype.is_signed else [1, 2, 3, 4, 5, 6, 7, 8, 9]
    y = torch.tensor(divisors, dtype=dtype).repeat(len(x) // 9)
    for function in (torch.floor_divide, torch.remainder, torch.fmod, torch.gcd, torch.lcm):
        assert_agrees(function, x, y)
    assert_agrees(lambda a, b: torch.div(a, b, rounding_mode="trunc"), x, y)
    assert_agrees(lambda a, b: torch.pow(a, b % 4), x, y)
    assert_agrees(torch.bitwise_left_shift, x, y)
    assert_agrees(torch.bitwise_right_shift, x, y)
    far = torch.full_like(x, 100)
    assert_agrees(torch.bitwise_left_shift, x, far)
    assert_agrees(torch.bitwise_right_shift, x, far)


def test_division_of_extreme_integers_does_not_trap():
    x = torch.tensor([torch.iinfo(torch.int32).min, 5, 0], dtype=torch.int32, device="metal")
    (x // torch.tensor([-1, 0, 0], dtype=torch.int32, device="metal")).cpu()
    assert (x % torch.tensor([-1, 3, 3], dtype=torch.int32, device="metal")).tolist() == [0, 2, 0]


def test_rounding_modes_of_reals():
    x = torch.tensor([7.0, -7.0, 7.0, -7.0, 0.3, -0.3, 1e30, 5.0, -5.0, math.inf, math.nan])
    y = torch.tensor([2.0, 2.0, -2.0, -2.0, 0.1, 0.1, 3.0, 0.0, 0.0, 2.0, 2.0])
    for mode in ("floor", "trunc"):
        assert_agrees(lambda a, b: torch.div(a, b, rounding_mode=mode), x, y, backward=False)
    assert_agrees(torch.remainder, x, y, backward=False)
    assert_agrees(lambda a: a % math.inf, x, backward=False)


def test_nan_and_infinity():
    values = torch.tensor([math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0])
    x, y = values.repeat_interleave(6), values.repeat(6)
    for name in "add mul div maximum minimum fmax fmin eq lt le pow fmod atan2 hypot copysign".split():
        assert_agrees(getattr(torch, name), x, y, backward=False)


PROMOTED = [torch.bool, torch.uint8, torch.int64, torch.float16, torch.float32, torch.complex64]


@pytest.mark.parametrize("pair", list(itertools.combinations(PROMOTED, 2)), ids=str)
def test_type_promotion(pair):
    x, y = (sample(4, 9, dtype=dtype) for dtype in pair)
    assert_agrees(torch.add, x, y.t().reshape(4, 9), backward=False)
    assert_agrees(torch.eq, y, x, backward=False)


def test_true_division_of_integers_is_real():
    assert_agrees(torch.div, torch.arange(1, 9), torch.arange(2, 10, dtype=torch.int32))


def test_numbers():
    x = sample(4, 9)
    for function in (
        lambda t: t + 2, lambda t: 2 - t, lambda t: t * 0.5, lambda t: 1 / (t + 9), lambda t: t - 1.5, lambda t: t > 0,
        lambda t: t == 1, lambda t: t.abs() ** 0.5, lambda t: t**2, lambda t: t**3, lambda t: t**-1, lambda t: t**-2.0,
        lambda t: t.abs() ** 1.7, lambda t: 2**t, lambda t: torch.add(t, t, alpha=3), lambda t: torch.sub(t, 1, alpha=2),
        lambda t: torch.rsub(t, 3, alpha=2), lambda t: t // 0.3, lambda t: t % 0.7, lambda t: t + torch.tensor(2.0),
    ):  # fmt: skip
        assert_agrees(function, x, backward=False, rtol=1e-5, atol=1e-6)
    n = torch.arange(-5, 6)
    for function in (lambda t: t + 2, lambda t: t * 2.5, lambda t: t / 2, lambda t: t**2, lambda t: t & 3,
                     lambda t: t << 1, lambda t: t > 1, lambda t: t + True, lambda t: t * (1 + 2j)):  # fmt: skip
        assert_agrees(function, n, backward=False)


def test_big_integers_keep_all_bits():
    x = torch.tensor([2**60 + 1, -(2**61) - 3])
    assert_agrees(lambda t: t + (2**59 + 7), x)
    assert_agrees(lambda t: torch.clamp(t, -(2**60) - 1, 2**60 + 3), x)


SHAPES = [
    ((5, 40), (40,)), ((5, 40), (5, 1)), ((5, 1), (1, 40)), ((3, 1, 33), (4, 1)), ((2, 3, 4, 5), (3, 1, 5)),
    ((7,), ()), ((), (7,)), ((0, 4), (4,)), ((1,), (5, 1)),
]  # fmt: skip


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_broadcasting(shapes):
    x, y = (sample(*shape, seed=i) for i, shape in enumerate(shapes))
    assert_agrees(torch.add, x, y)
    assert_agrees(torch.mul, y, x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.complex64], ids=str)
@pytest.mark.parametrize("columns", [2, 3, 31, 33, 127, 129])
def test_rows_that_are_no_whole_simdgroups(columns, dtype):
    x, row, column = sample(50, columns, dtype=dtype), sample(columns, dtype=dtype), sample(50, 1, dtype=dtype)
    agrees = functools.partial(assert_agrees, backward=dtype == torch.float32)  # sums of bfloat16 are another matter
    agrees(lambda x, y: x - y, x, row)
    agrees(lambda x, y: y * x, x, column)
    agrees(lambda x, y: x[:, :-1] + y[:, 1:], x, x)
    agrees(lambda x: x.t() * x.t().contiguous(), x)
    agrees(lambda x: x[:, ::2].neg(), x)
    agrees(lambda x, y, z: torch.where(x > 0, y, z) if not x.is_complex() else y + z, x, row, column)
    agrees(lambda x, y, z: torch.addcmul(x, y, z), x, row, column)


def test_strided_operands():
    base = sample(12, 15)
    metal = base.to("metal")
    for view in (lambda x: (x[::2, ::3], x[1::2, 1::3]), lambda x: (x.t(), x.view(15, 12)),
                 lambda x: (x.view(3, 4, 15).transpose(0, 2), x.view(15, 4, 3)), lambda x: (x[:, :1].expand(-1, 15), x)):  # fmt: skip
        a, b = view(metal)
        assert_close(a * b, torch.mul(*view(base)))


def test_in_place_and_out():
    metal, cpu = sample(6, 8).to("metal"), sample(6, 8)
    for x in (metal, cpu):
        x[::2].add_(x[1::2])
        x.t()[1:3].mul_(2)
        torch.add(x[0], x[1], out=x[2])
        x[3] -= 1
    assert_close(metal, cpu)
    with pytest.raises(RuntimeError, match="can't be cast"):
        torch.arange(3, device="metal").add_(1.5)
    with pytest.raises(RuntimeError, match="must match the size"):
        metal + torch.ones(5, device="metal")
    with pytest.raises(RuntimeError, match="same device"):
        metal + torch.ones(6, 8)


def test_out_takes_the_common_type_then_its_own():
    x, y = sample(5, dtype=torch.int8), sample(5, dtype=torch.int8, seed=1)
    results = [torch.add(a * 30, b * 30, out=torch.empty(5, dtype=torch.int32, device=a.device))
               for a, b in ((x.to("metal"), y.to("metal")), (x, y))]  # fmt: skip
    assert_close(*results)


def test_bool_arithmetic_is_refused():
    t = torch.ones(3, dtype=torch.bool, device="metal")
    with pytest.raises(RuntimeError, match="not supported"):
        t - t
    with pytest.raises(NotImplementedError):
        t // t
    with pytest.raises(NotImplementedError):
        torch.lt(torch.ones(2, dtype=torch.complex64, device="metal"), 1)


def test_complex_from_parts():
    assert_agrees(torch.complex, sample(9), sample(9, seed=1))
    assert_agrees(torch.polar, sample(9).abs(), sample(9, seed=1))


@pytest.mark.parametrize("dtype", [torch.int8, torch.int64, torch.float32])
def test_add_relu(dtype):
    aten, x, y = torch.ops.aten, sample(7, 40, dtype=dtype), sample(7, 40, dtype=dtype, seed=1)

    def sums(x, y):
        in_place = x.clone()
        aten._add_relu_.Tensor(in_place, y, alpha=2)
        aten._add_relu_.Scalar(in_place, -1)
        out = torch.empty(0, dtype=x.dtype, device=x.device)
        return aten._add_relu.Tensor(x.t(), y.t()), aten._add_relu.Scalar(x, 1, 2), in_place, aten._add_relu.out(x, y, out=out)

    assert_agrees(sums, x, y, backward=False)


def test_remainder_of_a_number():
    for dtype in (torch.int32, torch.float32):
        assert_agrees(lambda x: torch.remainder(7, x), sample(20, dtype=dtype).abs() + 1, backward=False)
        assert_agrees(lambda x: torch.remainder(-7.5, x.t()), sample(4, 5, dtype=dtype).abs() + 1, backward=False)
