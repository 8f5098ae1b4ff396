"""Functions of the standard library whose results are exact."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from test.fuzz.expressions import Expression


def _each(function: Callable[..., int]):
    """Applies a function of Python's integers and of the width in bits."""

    def apply(*arrays: np.ndarray) -> np.ndarray:
        bits = 8 * arrays[0].dtype.itemsize
        results = [function(bits, *map(int, values)) for values in zip(*(a.ravel() for a in arrays))]
        mask = 2**bits - 1
        return np.array([r & mask for r in results], f"u{bits // 8}").view(arrays[0].dtype).reshape(arrays[0].shape)

    return apply


def _saturated(combine: Callable[[int, int], int]):
    def apply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        info = np.iinfo(a.dtype)
        return _each(lambda bits, x, y: min(max(combine(x, y), info.min), info.max))(a, b)

    return apply


def _rotate(bits: int, x: int, y: int) -> int:
    x, y = x & (2**bits - 1), y % bits
    return x << y | x >> (bits - y)


def _trailing_zeros(bits: int, x: int) -> int:
    return (x & -x).bit_length() - 1 if x else bits


_UNARY = {
    "popcount": _each(lambda bits, x: bin(x & (2**bits - 1)).count("1")),
    "clz": _each(lambda bits, x: bits - (x & (2**bits - 1)).bit_length()),
    "ctz": _each(_trailing_zeros),
    "reverse_bits": _each(lambda bits, x: int(f"{x & (2**bits - 1):0{bits}b}"[::-1], 2)),
    "~": np.invert,
    "abs": np.abs,
}
_BINARY = {
    "min": np.minimum,
    "max": np.maximum,
    "addsat": _saturated(lambda x, y: x + y),
    "subsat": _saturated(lambda x, y: x - y),
    "absdiff": _each(lambda bits, x, y: abs(x - y)),
    "hadd": _each(lambda bits, x, y: (x + y) >> 1),
    "rhadd": _each(lambda bits, x, y: (x + y + 1) >> 1),
    "mulhi": _each(lambda bits, x, y: x * y >> bits),
    "rotate": _each(_rotate),
}
_TERNARY = {
    "median3": lambda a, b, c: np.sort(np.stack([a, b, c]), axis=0)[1],
    "madhi": _each(lambda bits, x, y, z: (x * y >> bits) + z),
    "madsat": lambda a, b, c: _each(
        lambda bits, x, y, z: min(max(x * y + z, int(np.iinfo(a.dtype).min)), int(np.iinfo(a.dtype).max))
    )(a, b, c),
}
INTEGER_FUNCTIONS = {1: list(_UNARY), 2: list(_BINARY), 3: list(_TERNARY)}
_INTEGER = {**_UNARY, **_BINARY, **_TERNARY}

_FLOAT = {
    "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "rint": np.rint, "fabs": np.abs, "sqrt": np.sqrt,
    "round": lambda v: np.copysign(np.trunc(np.abs(v)) + (np.abs(v) - np.trunc(np.abs(v)) >= 0.5), v),
    "small": lambda v: np.where((v >= -32) & (v <= 32), np.trunc(v) + 0.0, 1),
}  # fmt: skip
FLOAT_FUNCTIONS = list(_FLOAT)


@dataclass
class Call(Expression):
    """Of a function on integers or vectors of them."""

    function: str
    arguments: list[Expression]

    @property
    def type(self):
        return self.arguments[0].type

    def msl(self):
        text = ", ".join(argument.msl() for argument in self.arguments)
        return f"{self.type.name}({self.function}({text}))"

    def value(self, m):
        return _INTEGER[self.function](*(argument.value(m) for argument in self.arguments)).astype(self.type.dtype)


@dataclass
class FloatCall(Expression):
    function: str
    operand: Expression

    @property
    def type(self):
        return self.operand.type

    def msl(self):
        return f"{self.function}({self.operand.msl()})"

    def value(self, m):
        return self.type.rounded(_FLOAT[self.function](self.operand.value(m)))


@dataclass
class Bits(Expression):
    """extract_bits or insert_bits of a field within the type."""

    function: str
    operands: list[Expression]
    offset: int
    count: int

    @property
    def type(self):
        return self.operands[0].type

    def msl(self):
        text = ", ".join(operand.msl() for operand in self.operands)
        return f"{self.function}({text}, {self.offset}u, {self.count}u)"

    def value(self, m):
        mask = (2**self.count - 1) << self.offset

        def extract(bits, x):
            field = (x & mask) >> self.offset
            negative = self.type.is_signed and self.count > 0 and field >> (self.count - 1)
            return field - (negative << self.count)

        def insert(bits, x, y):
            return x & ~mask | y << self.offset & mask

        return _each(extract if len(self.operands) == 1 else insert)(*(operand.value(m) for operand in self.operands))
