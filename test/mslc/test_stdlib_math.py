"""Metal's mathematical functions against NumPy's in double precision."""

import numpy as np
import pytest

from .elementwise import Expressions

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

SPECIAL = np.array(
    [0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 0.5, -0.5, 1.5, -1.5, 2, -2, 2.5, 3, -3, 1e-45, -1e-45, 1e-40,
     2.0**-126, 3.4e38, -3.4e38, 88.72284, -103.9, 129, -149, -150, 128, 2.0**17, 2.0**17 + 1, 2.0**24, 2.0**30,
     1e30, 1 - 2.0**-24, 1 + 2.0**-23, 2.0**23 - 0.5, 2.0**22 - 0.5],
    np.float32,
)  # fmt: skip


def quarter_turns(x):
    """x modulo 2 as quarters of a turn, and the angle that is left."""
    rest = np.fmod(np.abs(x), 2)
    count = np.rint(2 * rest)
    return np.nan_to_num(count).astype(int) % 4, (rest - count / 2) * np.pi


def sinpi(x):
    count, angle = quarter_turns(x)
    values = [np.sin(angle), np.cos(angle), -np.sin(angle), -np.cos(angle)]
    return np.copysign(1, x) * (np.choose(count, values) + 0.0)


def cospi(x):
    count, angle = quarter_turns(x)
    return np.choose(count, [np.cos(angle), -np.sin(angle), -np.cos(angle), np.sin(angle)]) + 0.0


# Name: reference, and the largest error in units in the last place of a float.
UNARY = {
    "exp": (np.exp, 1),
    "exp2": (np.exp2, 1),
    "exp10": (lambda x: np.power(10.0, x), 1),
    "log": (np.log, 1),
    "log2": (np.log2, 2),
    "log10": (np.log10, 2),
    "sin": (np.sin, 2),
    "cos": (np.cos, 2),
    "tan": (np.tan, 3),
    "asin": (np.arcsin, 1),
    "acos": (np.arccos, 1),
    "atan": (np.arctan, 2),
    "sinh": (np.sinh, 2),
    "cosh": (np.cosh, 2),
    "tanh": (np.tanh, 2),
    "asinh": (np.arcsinh, 1),
    "acosh": (np.arccosh, 1),
    "atanh": (np.arctanh, 1),
    "sinpi": (sinpi, 1),
    "cospi": (cospi, 1),
    "tanpi": (lambda x: sinpi(x) / cospi(x), 2),
    "sqrt": (np.sqrt, 0.5),
    "rsqrt": (lambda x: 1 / np.sqrt(x), 0.5001),
    "floor": (np.floor, 0),
    "ceil": (np.ceil, 0),
    "trunc": (np.trunc, 0),
    "rint": (np.rint, 0),
    "round": (lambda x: np.copysign(np.floor(np.abs(x) + 0.5), x), 0),
    "fabs": (np.abs, 0),
    "fract": (lambda x: np.minimum(x - np.floor(x), 1 - 2.0**-24), 0.5),
    "sign": (lambda x: np.where(np.isnan(x), 0, np.where(x == 0, x, np.sign(x))), 0),
    "saturate": (lambda x: np.where(np.isnan(x), 0, np.clip(x, 0, 1)), 0),
}
BINARY = {
    "pow": (np.power, 1),
    "atan2": (np.arctan2, 2),
    "fmod": (np.fmod, 0),
    "fdim": (lambda x, y: np.where(x <= y, 0, x - y), 0.5),
    "fmin": (np.fmin, 0),
    "fmax": (np.fmax, 0),
    "copysign": (np.copysign, 0),
    "divide": (np.divide, 0.5),
    "step": (lambda edge, x: np.where(x < edge, 0, 1), 0),
}
# What Metal's specification allows, where the library does not promise what a CPU's libm would.
SPECIFICATION = {
    **dict.fromkeys(["exp", "exp2", "exp10", "log", "log2", "log10", "sin", "cos", "sinpi", "cospi"], 4),
    **dict.fromkeys(["asin", "acos", "sinh", "cosh", "asinh", "acosh"], 4),
    **dict.fromkeys(["atan", "atanh", "tanh"], 5),
    **dict.fromkeys(["tan", "tanpi", "atan2"], 6),
    "pow": 16,
}
CORRECTLY_ROUNDED = 0.5001  # by way of double, all but about one in 2^29
EITHER_ZERO = ("fmin", "fmax", "saturate")  # one zero is as good as the other
HALF_ULP = 0.51  # one rounding of a result that float holds to two units


def expressions():
    table = {}
    for type_ in ("float", "half"):
        for name in UNARY:
            table[f"{name}_{type_}"] = (type_, [type_], f"{name}(a)")
        for name in BINARY:
            table[f"{name}_{type_}"] = (type_, [type_, type_], f"{name}(a, b)")
    table["pow_of_integers"] = ("float", ["float", "float"], "pow(a, b)")
    table["powr"] = ("float", ["float", "float"], "powr(a, b)")
    table["nextafter_float"] = ("float", ["float", "float"], "nextafter(a, b)")
    table["nextafter_half"] = ("half", ["half", "half"], "nextafter(a, b)")
    table["ldexp"] = ("float", ["float", "int"], "ldexp(a, b)")
    table["frexp"] = ("float2", ["float"], "[&] { int e; float m = frexp(a, e); return float2(m, e); }()")
    table["modf"] = ("float2", ["float"], "[&] { float i; float f = modf(a, i); return float2(f, i); }()")
    table["sincos"] = ("float2", ["float"], "[&] { float c; float s = sincos(a, c); return float2(s, c); }()")
    table["ilogb"] = ("int", ["float"], "ilogb(a)")
    table["fma"] = ("float", ["float", "float", "float"], "fma(a, b, c)")
    table["median3"] = ("float", ["float", "float", "float"], "median3(a, b, c)")
    table["precise"] = ("float", ["float"], "precise::sin(a) - sin(a) + (fast::exp(a) - exp(a))")
    table["vectors"] = ("float4", ["float4", "float4"], "pow(exp(sin(a)), b)")
    table["elements"] = ("float4", ["float4", "float4"],
                         "float4(pow(exp(sin(a.x)), b.x), pow(exp(sin(a.y)), b.y), pow(exp(sin(a.z)), b.z), "
                         "pow(exp(sin(a.w)), b.w))")
    return table  # fmt: skip


@pytest.fixture(scope="module")
def evaluate():
    return Expressions(expressions())


def float_inputs():
    every = np.arange(0, 2**32, 12289, dtype=np.uint64).astype(np.uint32).view(np.float32)
    random = np.random.default_rng(0)
    near_one = random.standard_normal(60000).astype(np.float32)
    return np.concatenate([SPECIAL, every, near_one, 3 * near_one, np.tanh(near_one)])


def half_inputs():
    return np.arange(2**16, dtype=np.uint16).view(np.float16)


def pairs(dtype):
    random = np.random.default_rng(1)
    count = 60000
    special = SPECIAL.astype(dtype)
    every = half_inputs() if dtype == np.float16 else float_inputs()
    left = [np.repeat(special, len(special)), random.choice(every, count), np.exp(5 * random.standard_normal(count)),
            1 + 1e-3 * random.standard_normal(count), random.integers(-40, 40, count)]
    right = [np.tile(special, len(special)), random.choice(every, count), 8 * random.standard_normal(count),
             3e4 * random.standard_normal(count), random.integers(-20, 20, count)]
    return np.concatenate(left).astype(dtype), np.concatenate(right).astype(dtype)  # fmt: skip


def check(result, exact, ulp, signs_of_zeros=True):
    """`result` is within `ulp` of the doubles `exact`; infinities, NaN and the signs of zeros agree."""
    info = np.finfo(result.dtype)
    rounded = exact.astype(result.dtype)
    assert (np.isnan(result) == np.isnan(rounded)).all()
    if signs_of_zeros:
        zeros = (result == 0) & (rounded == 0)
        assert (np.signbit(result) == np.signbit(rounded))[zeros].all()
    infinite = np.isinf(rounded) | np.isinf(result)
    differs = infinite & (result != rounded)
    # One that is the largest finite value where the other overflows is a rounding error too.
    assert (np.abs(exact[differs]) >= float(info.max)).all() and np.isfinite(exact[differs]).all()
    finite = np.isfinite(rounded) & np.isfinite(result)
    exponents = np.floor(np.log2(np.maximum(np.abs(exact[finite]), float(info.tiny))))
    errors = np.abs(result[finite].astype(np.float64) - exact[finite]) / 2.0 ** (exponents - info.nmant)
    assert errors.max() <= ulp, f"{errors.max()} ulp"


def test_bounds_are_within_the_specification():
    for name, (_, ulp) in {**UNARY, **BINARY}.items():
        assert ulp <= SPECIFICATION.get(name, CORRECTLY_ROUNDED), name


@pytest.mark.parametrize("name", UNARY)
def test_function_of_a_float(name, evaluate):
    reference, ulp = UNARY[name]
    x = float_inputs()
    check(evaluate(f"{name}_float", x), reference(x.astype(np.float64)), ulp, name not in EITHER_ZERO)


@pytest.mark.parametrize("name", [name for name in UNARY if name != "fract"])
def test_function_of_every_half(name, evaluate):
    reference, ulp = UNARY[name]
    x = half_inputs()
    check(evaluate(f"{name}_half", x), reference(x.astype(np.float64)), min(ulp, HALF_ULP),
          name not in EITHER_ZERO)


def test_fraction_of_every_half_is_below_one(evaluate):
    x = half_inputs()[np.isfinite(half_inputs())]
    assert (evaluate("fract_half", x) == np.minimum(x - np.floor(x), np.float16(1 - 2.0**-11))).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float16], ids=["float", "half"])
@pytest.mark.parametrize("name", BINARY)
def test_function_of_two(name, dtype, evaluate):
    reference, ulp = BINARY[name]
    x, y = pairs(dtype)
    type_ = "float" if dtype == np.float32 else "half"
    result = evaluate(f"{name}_{type_}", x, y)
    exact = reference(x.astype(np.float64), y.astype(np.float64))
    check(result, exact, ulp if dtype == np.float32 else min(ulp, HALF_ULP), name not in EITHER_ZERO)


def test_powers_that_a_float_holds_are_exact(evaluate):
    x, y = (grid.ravel().astype(np.float32) for grid in np.meshgrid(np.arange(-200, 201), np.arange(-8, 25)))
    exact = x.astype(np.float64) ** y
    held = exact.astype(np.float32) == exact
    assert held.sum() > 2000
    assert (evaluate("pow_of_integers", x, y) == exact)[held].all()


def test_powr_is_undefined_where_its_logarithm_is(evaluate):
    inf, nan = np.inf, np.nan
    cases = [(2, 3, 8), (0, 2, 0), (0, -1, inf), (inf, -1, 0), (3, 0, 1), (-1, 2, nan), (0, 0, nan), (inf, 0, nan),
             (1, inf, nan), (nan, 1, nan), (2, nan, nan)]  # fmt: skip
    x, y, expected = np.array(cases, np.float32).T
    np.testing.assert_array_equal(evaluate("powr", x, y), expected)


@pytest.mark.parametrize("type_", ["float", "half"])
def test_nextafter(type_, evaluate):
    x, y = pairs(np.float32 if type_ == "float" else np.float16)
    result, expected = evaluate(f"nextafter_{type_}", x, y), np.nextafter(x, y)
    np.testing.assert_array_equal(result, expected)
    moved = (x != y) & ~np.isnan(expected)  # NumPy's nextafter(0, -0) is 0 for some types
    assert (np.signbit(result) == np.signbit(expected))[moved].all()


def test_scaling_rounds_once(evaluate):
    x = float_inputs()
    exponents = np.random.default_rng(2).integers(-320, 320, len(x)).astype(np.int32)
    expected = np.ldexp(x.astype(np.float64), exponents).astype(np.float32)
    np.testing.assert_array_equal(evaluate("ldexp", x, exponents), expected)


def test_parts(evaluate):
    x = float_inputs()
    finite = x[np.isfinite(x)]
    mantissas, exponents = np.frexp(finite)
    np.testing.assert_array_equal(evaluate("frexp", finite), np.stack([mantissas, exponents], axis=1))
    fractions, integers = np.modf(x)
    np.testing.assert_array_equal(evaluate("modf", x), np.stack([fractions, integers], axis=1))
    regular = finite[finite != 0]
    np.testing.assert_array_equal(evaluate("ilogb", regular), np.frexp(regular)[1] - 1)
    np.testing.assert_array_equal(evaluate("ilogb", np.float32([0, np.inf])), [-(2**31), 2**31 - 1])


def test_sincos_is_sin_and_cos(evaluate):
    x = float_inputs()
    expected = np.stack([evaluate("sin_float", x), evaluate("cos_float", x)], axis=1)
    np.testing.assert_array_equal(evaluate("sincos", x), expected)


def test_fma_rounds_once_and_median_is_the_middle(evaluate):
    x, y, z = np.random.default_rng(3).standard_normal((3, 10000)).astype(np.float32)
    exact = x.astype(np.longdouble) * y + z
    check(evaluate("fma", x, y, z), exact.astype(np.float64), 0.5001)
    np.testing.assert_array_equal(evaluate("median3", x, y, z), np.median([x, y, z], axis=0))


def test_fast_and_precise_are_the_same(evaluate):
    assert (evaluate("precise", np.linspace(-50, 50, 1000, dtype=np.float32)) == 0).all()


def test_vectors_are_functions_of_their_elements(evaluate):
    x, y = np.random.default_rng(4).standard_normal((2, 1000, 4)).astype(np.float32)
    np.testing.assert_array_equal(evaluate("vectors", x, y), evaluate("elements", x, y))
