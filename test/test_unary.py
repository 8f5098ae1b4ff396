"""Unary operators agree with the CPU: every operator on reals, the common ones on every dtype, stride and special value."""

import math

import pytest
import torch

from test.agreement import FLOATING, INTEGRAL, assert_agrees, assert_close, sample

pytestmark = pytest.mark.usefixtures("no_fallback")

special = torch.special


def any_real():
    return torch.cat([torch.linspace(-7, 7, 113), torch.tensor([0.0, -0.0, 1e-6, -1e-6, 30.0, -30.0])])


def positive():
    return torch.cat([torch.linspace(1e-3, 9, 113), torch.tensor([1e-6, 25.0, 1e4])])


def unit():
    return torch.linspace(-0.99, 0.99, 113)


def probability():
    special_values = torch.tensor([1e-30, 1e-10, 1e-3, 1 - 1e-6, 0.1353, 0.8647, -0.5, 2.0])
    return torch.cat([torch.linspace(0, 1, 113), special_values])


def above_one():
    return torch.linspace(1, 9, 113)


# function -> where it is defined
REAL_DOMAINS = {
    **dict.fromkeys(
        "abs neg sign sgn signbit ceil floor trunc round frac exp exp2 expm1 sin cos tan atan sinh cosh tanh asinh sigmoid "
        "erf erfc sinc square isposinf isneginf isnan isinf isfinite nan_to_num logical_not angle i0 relu".split(),
        any_real,
    ),
    **dict.fromkeys("sqrt rsqrt reciprocal log log2 log10 log1p lgamma digamma".split(), positive),
    **dict.fromkeys("asin acos atanh erfinv".split(), unit),
    "acosh": above_one,
    **dict.fromkeys("special.i0e special.i1 special.i1e special.erfcx special.log_ndtr special.bessel_j0 special.bessel_j1 "
                    "special.modified_bessel_i0 special.modified_bessel_i1 special.spherical_bessel_j0 "
                    "special.airy_ai".split(), any_real),
    "special.ndtri": probability,
    **dict.fromkeys("special.entr special.bessel_y0 special.bessel_y1 special.modified_bessel_k0 special.modified_bessel_k1 "
                    "special.scaled_modified_bessel_k0 special.scaled_modified_bessel_k1".split(), positive),
}  # fmt: skip


def function_named(name):
    return getattr(special, name.removeprefix("special.")) if name.startswith("special.") else getattr(torch, name)


@pytest.mark.parametrize("name", REAL_DOMAINS)
def test_real_numbers(name):
    x = REAL_DOMAINS[name]()
    assert_agrees(function_named(name), x, backward=False, rtol=2e-5, atol=1e-5)


GRADIENTS = "abs exp expm1 sin cos tan atan sinh cosh tanh asinh sigmoid erf sqrt rsqrt reciprocal log log1p square"


@pytest.mark.parametrize("name", GRADIENTS.split())
def test_gradient(name):
    assert_agrees(getattr(torch, name), sample(5, 7).abs() + 0.1, rtol=2e-5, atol=1e-5)


def complex_samples():
    return torch.cat([sample(40, dtype=torch.complex64), torch.tensor([1 + 0j, -1 + 0j, 1j, 2.5 + 0.5j, -3 - 2j])])


@pytest.mark.parametrize(
    "name",
    "neg abs sgn angle conj_physical reciprocal sqrt rsqrt square exp expm1 log log2 log10 log1p sin cos tan asin acos "
    "atan sinh cosh tanh asinh acosh atanh sigmoid isnan logical_not".split(),
)
def test_complex_numbers(name):
    x = complex_samples()
    if name == "atanh":
        x = x[(x.imag != 0) | (x.real.abs() < 1)]
    if name == "log1p":
        x = x[x != -1]
    assert_agrees(getattr(torch, name), x, backward=False, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [*FLOATING, *INTEGRAL, torch.bool])
def test_dtypes(dtype):
    x = sample(37, dtype=dtype)
    functions = [torch.logical_not, torch.sign, torch.exp]
    if dtype != torch.bool:
        functions += [torch.abs, torch.square]
    if not dtype.is_floating_point:
        functions += [torch.bitwise_not]
    for function in functions:
        assert_agrees(function, x, backward=False)


VIEWS = {
    "transposed": lambda x: x.t(),
    "sliced": lambda x: x[::2, 1:],
    "every_third_column": lambda x: x[:, ::3],
    "expanded": lambda x: x[:, :1].expand(-1, 40),
    "permuted": lambda x: x.view(2, 3, 5, 33).permute(3, 1, 0, 2),
    "five_dimensions": lambda x: x.view(2, 3, 5, 11, 3).permute(4, 2, 0, 3, 1)[:, 1:],
    "channels_last": lambda x: x.view(2, 5, 3, 33).to(memory_format=torch.channels_last),
    "empty": lambda x: x[:0],
    "zero_dimensions": lambda x: x[2, 3],
}


@pytest.mark.parametrize("name", VIEWS)
def test_views(name):
    metal, cpu = (VIEWS[name](sample(30, 33).to(device)) for device in ("metal", "cpu"))
    assert torch.exp(metal).stride() == torch.exp(cpu).stride()
    assert_close(torch.exp(metal), torch.exp(cpu))
    assert_close(torch.exp(metal, out=torch.empty(0, device="metal")), torch.exp(cpu))


def test_in_place_on_a_view_leaves_the_rest():
    metal, cpu = sample(6, 8).to("metal"), sample(6, 8)
    for x in (metal, cpu):
        x[1::2, ::3].exp_()
        x.t()[2].neg_()
    assert_close(metal, cpu)


def test_out_of_another_dtype_and_stride():
    x = sample(6, 8)
    out = torch.empty(8, 6, dtype=torch.float64).t()
    wide = torch.empty(8, 12, device="metal").t()[::2]
    assert_close(torch.exp(x.to("metal"), out=wide), torch.exp(x, out=out).float())
    assert_close(torch.exp(x.long().to("metal"), out=torch.empty(0, device="metal").half()), x.long().exp().half())


def test_special_values():
    x = torch.tensor([math.nan, math.inf, -math.inf, 0.0, -0.0])
    for name in "exp log sqrt rsqrt tanh sigmoid sign abs floor round erf log1p expm1 atan isnan isfinite".split():
        assert_agrees(getattr(torch, name), x, backward=False)
    assert_agrees(lambda t: torch.nan_to_num(t, 1.0, 2.0, -2.0), x, backward=False)
    assert_close(torch.nan_to_num(x.half().to("metal")), torch.nan_to_num(x.half()))
    pairs = torch.complex(x[:, None].expand(5, 5).contiguous(), x.expand(5, 5).contiguous())
    assert_agrees(lambda t: torch.nan_to_num(t, 1.0, 2.0, -2.0), pairs, backward=False)
    assert_agrees(torch.nan_to_num, pairs, backward=False)


@pytest.mark.parametrize("dtype", FLOATING)
def test_mantissa_and_exponent(dtype):
    x = torch.cat([any_real(), torch.tensor([math.nan, math.inf, -math.inf, 1e-40, 3e38])]).to(dtype)
    mantissa, exponent = torch.frexp(x.to("metal"))
    assert_close((mantissa, exponent), tuple(torch.frexp(x)), rtol=0, atol=0)
    in_place = x.to("metal")
    torch.frexp(in_place, out=(in_place, torch.empty(0, dtype=torch.int32, device="metal")))
    assert_close(in_place, torch.frexp(x)[0], rtol=0, atol=0)
    assert_agrees(lambda t: torch.frexp(t.view(11, -1).t())[0], torch.linspace(-4, 4, 121, dtype=torch.float32))


def test_airy_far_out():
    x = torch.tensor([-90.0, -20.0, -2.09, 2.09, 8.4, 12.0, 110.0, math.inf, -math.inf, math.nan])
    assert_agrees(special.airy_ai, x, backward=False, rtol=1e-4, atol=1e-6)


def test_functions_with_numbers():
    x = any_real()
    assert_agrees(lambda t: torch.round(t, decimals=1), x, backward=False)
    assert_agrees(lambda t: torch.round(t * 100, decimals=-2), x, backward=False)
    assert_agrees(lambda t: torch.logit(t, 1e-3), torch.rand(50), rtol=1e-4, atol=1e-5)
    for order in (1, 2, 3):
        assert_agrees(lambda t: torch.polygamma(order, t), torch.linspace(0.5, 9, 40), backward=False, rtol=1e-4, atol=1e-5)


def test_no_dimension_limit_below_sixteen():
    x = sample(2**12).view([2] * 12).permute(*range(0, 12, 2), *range(1, 12, 2))
    assert_agrees(torch.exp, x[..., :1].expand([2] * 12), backward=False)


def test_float64_runs_on_the_host():
    x = torch.randn(7, dtype=torch.float64)
    assert_close(torch.exp(x.to("metal")), torch.exp(x))


@pytest.mark.parametrize("function", [torch.floor, torch.erf, torch.digamma])
def test_complex_numbers_are_refused_where_undefined(function):
    with pytest.raises(NotImplementedError):
        function(torch.ones(2, dtype=torch.complex64, device="metal"))


def test_negation_of_bool_is_refused():
    with pytest.raises(RuntimeError, match="bool tensor is not supported"):
        -torch.ones(2, dtype=torch.bool, device="metal")


def test_digamma_is_exact_left_of_zero():
    """The angle of the reflection's tangent must not be rounded: near a pole that would be all of the result."""
    x = -torch.linspace(0.013, 29.99, 5003)
    exact = torch.digamma(x.double())
    error = (torch.digamma(x.to("metal")).cpu() - exact).abs()
    assert (error <= 2e-6 * exact.abs() + 2e-6).all()
