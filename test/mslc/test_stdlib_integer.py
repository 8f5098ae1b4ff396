"""Metal's integer functions against Python's integers."""

import numpy as np
import pytest

from .elementwise import NUMPY_TYPES, PRELUDE, Expressions
from .library import Library

TYPES = ["char", "uchar", "short", "ushort", "int", "uint", "long", "ulong"]
COUNT = 400


def limits(type_):
    info = np.iinfo(NUMPY_TYPES[type_])
    return int(info.min), int(info.max), info.bits


def saturate(value, type_):
    low, high, _ = limits(type_)
    return min(max(value, low), high)


def wrap(value, type_):
    """`value` modulo 2^bits, as the type holds it."""
    low, high, bits = limits(type_)
    return (value - low) % 2**bits + low


def bits_of(value, type_):
    return format(value % 2 ** limits(type_)[2], f"0{limits(type_)[2]}b")


def rotate(x, amount, type_):
    text = bits_of(x, type_)
    amount %= len(text)
    return wrap(int(text[amount:] + text[:amount], 2), type_)


def median(x, y, z):
    return sorted([x, y, z])[1]


# Name: exact value of the function of Python integers, and of the type.
FUNCTIONS = {
    "popcount": (1, lambda x, t: bits_of(x, t).count("1")),
    "clz": (1, lambda x, t: len(bits_of(x, t)) - len(bits_of(x, t).lstrip("0"))),
    "ctz": (1, lambda x, t: len(bits_of(x, t)) - len(bits_of(x, t).rstrip("0"))),
    "reverse_bits": (1, lambda x, t: wrap(int(bits_of(x, t)[::-1], 2), t)),
    "min": (2, lambda x, y, t: min(x, y)),
    "max": (2, lambda x, y, t: max(x, y)),
    "addsat": (2, lambda x, y, t: saturate(x + y, t)),
    "subsat": (2, lambda x, y, t: saturate(x - y, t)),
    "hadd": (2, lambda x, y, t: (x + y) >> 1),
    "rhadd": (2, lambda x, y, t: (x + y + 1) >> 1),
    "mulhi": (2, lambda x, y, t: (x * y) >> limits(t)[2]),
    "rotate": (2, rotate),
    "clamp": (3, lambda x, y, z, t: min(max(x, y), z)),
    "min3": (3, lambda x, y, z, t: min(x, y, z)),
    "max3": (3, lambda x, y, z, t: max(x, y, z)),
    "median3": (3, lambda x, y, z, t: median(x, y, z)),
    "madhi": (3, lambda x, y, z, t: wrap(((x * y) >> limits(t)[2]) + z, t)),
    "madsat": (3, lambda x, y, z, t: saturate(x * y + z, t)),
}


def operands(type_, count):
    """Random values of all magnitudes, and the ends of the range."""
    low, high, bits = limits(type_)
    random = np.random.default_rng(bits)
    values = [0, 1, low, low + 1, high, high - 1, 2]
    values += [int(v) >> int(s) for v, s in zip(random.integers(low, high, COUNT, NUMPY_TYPES[type_], True),
                                                random.integers(0, bits, COUNT))]  # fmt: skip
    return [[values[(i * step + i // len(values)) % len(values)] for i in range(COUNT)] for step in (1, 3, 5)][:count]


def all_functions(type_):
    """One kernel evaluates all functions: out[k] is the k-th."""
    calls = [f"{name}({', '.join('abc'[:count])})" for name, (count, _) in FUNCTIONS.items()]
    lines = [f"out[{k} * n + i] = {call};" for k, call in enumerate(calls)]
    return (f"kernel void all_{type_}(device {type_}* out, device const {type_}* as, device const {type_}* bs, "
            f"device const {type_}* cs, constant uint& n, uint i [[thread_position_in_grid]]) {{ "
            f"const {type_} a = as[i], b = bs[i], c = cs[i]; {' '.join(lines)} }}\n")  # fmt: skip


@pytest.fixture(scope="module")
def library():
    return Library(PRELUDE + "".join(all_functions(type_) for type_ in TYPES))


@pytest.mark.parametrize("type_", TYPES)
def test_integer_functions(type_, library):
    dtype = NUMPY_TYPES[type_]
    columns = operands(type_, 3)
    out = np.zeros((len(FUNCTIONS), COUNT), dtype)
    inputs = [np.array(column, dtype) for column in columns]
    library.kernel(f"all_{type_}")([out, *inputs, np.array([COUNT], np.uint32)], (COUNT,), (COUNT,))
    for row, (name, (count, exact)) in zip(out, FUNCTIONS.items()):
        expected = [exact(*values[:count], type_) for values in zip(*columns)]
        assert row.tolist() == expected, name


@pytest.fixture(scope="module")
def evaluate():
    table = {
        "mul24": ("int", ["int", "int"], "mul24(a, b)"),
        "mad24": ("uint", ["uint", "uint", "uint"], "mad24(a, b, c)"),
        "vector": ("short4", ["short4", "short4"], "addsat(a, b)"),
        "abs_int": ("int", ["int"], "abs(a)"),
    }
    for signed in ("char", "short", "int", "long"):
        table[f"absdiff_{signed}"] = (f"u{signed}", [signed, signed], "absdiff(a, b)")
    for type_ in ("char", "int", "ulong"):
        table[f"extract_{type_}"] = (type_, [type_, "uint", "uint"], "extract_bits(a, b, c)")
        table[f"insert_{type_}"] = (type_, [type_, "uint", "uint"], f"insert_bits(a, {type_}(-1), b, c)")
    return Expressions(table)


@pytest.mark.parametrize("type_", ["char", "int", "ulong"])
def test_bit_fields(type_, evaluate):
    low, high, bits = limits(type_)
    (values,) = operands(type_, 1)
    offsets = [i % bits for i in range(COUNT)]
    counts = [i * 7 % (bits - offset + 1) for i, offset in enumerate(offsets)]

    def extract(x, offset, count):
        field = (x >> offset) % 2**count
        return field - 2**count if low < 0 and count and field >> (count - 1) else field

    def insert(x, offset, count):
        return wrap(x | (2**count - 1) << offset, type_)

    inputs = np.array(values, NUMPY_TYPES[type_]), np.uint32(offsets), np.uint32(counts)
    for name, exact in [("extract", extract), ("insert", insert)]:
        result = evaluate(f"{name}_{type_}", *inputs)
        assert result.tolist() == [exact(*case) for case in zip(values, offsets, counts)]


@pytest.mark.parametrize("type_", ["char", "short", "int", "long"])
def test_difference_is_unsigned(type_, evaluate):
    x, y = operands(type_, 2)
    result = evaluate(f"absdiff_{type_}", *(np.array(column, NUMPY_TYPES[type_]) for column in (x, y)))
    assert result.tolist() == [abs(a - b) for a, b in zip(x, y)]


def test_other_integer_functions(evaluate):
    assert evaluate("mul24", np.int32([-(2**23), 1000]), np.int32([3, -7])).tolist() == [-(2**23) * 3, -7000]
    assert evaluate("mad24", np.uint32([2**24 - 1]), np.uint32([5]), np.uint32([6])).tolist() == [(2**24 - 1) * 5 + 6]
    assert evaluate("abs_int", np.int32([-5, 5, -(2**31)])).tolist() == [5, 5, -(2**31)]
    pair = np.int16([[32767, -32768, 5, -1]]), np.int16([[1, -1, 6, 1]])
    assert evaluate("vector", *pair).tolist() == [[32767, -32768, 11, 0]]
