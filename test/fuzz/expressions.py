"""Expressions of one thread. Each node says what it is in MSL (`msl`) and what it means (`value`).

Meaning is given for all threads at once: an array with one value a thread, also for inactive ones, where it means nothing.
Every operation is defined exactly: integers wrap, floats are rounded after each operation, and what Metal leaves open
(which NaN, conversions out of range, shifts by too much) is kept out by the form of the expression.
"""

from dataclasses import dataclass, fields

import numpy as np

from test.fuzz.machine import Machine, where
from test.fuzz.types import BFLOAT, BOOL, FLOAT, INT, UINT, AnyType, Struct, Type, vector


class Node:
    """A dataclass whose fields may be nodes, or lists of them."""

    def children(self) -> list["Node"]:
        found = []
        for field in fields(self):
            value = getattr(self, field.name)
            found += [v for v in (value if isinstance(value, list) else [value]) if isinstance(v, Node)]
        return found


class Expression(Node):
    type: AnyType

    def msl(self) -> str:
        raise NotImplementedError

    def value(self, m: Machine) -> np.ndarray:
        raise NotImplementedError


def literal(type: AnyType, number) -> str:
    """A value of the type in MSL. An infinity or NaN has no literal."""
    if isinstance(type, Struct):
        return f"{type.name}{{}}"
    if type.element == BOOL:
        return f"{type.name}({'true' if number else 'false'})"
    if type.is_float:
        return f"{type.name}({float(number)!r}f)"
    suffix = {"uint": "u", "ulong": "ul", "long": "l"}.get(type.element_name, "")
    # The lowest number has no literal: it would be minus a number that is too large.
    if number == np.iinfo(type.dtype).min and number < 0:
        return f"{type.name}(-{abs(number + 1)}{suffix} - 1)"
    return f"{type.name}({number}{suffix})"


@dataclass
class Constant(Expression):
    number: float
    type: AnyType

    def msl(self):
        return literal(self.type, self.number)

    def value(self, m):
        value = self.type.zeros(m.threads)
        if not isinstance(self.type, Struct):
            value[...] = self.type.rounded(np.array([self.number]))[0]
        return value


@dataclass
class Variable(Expression):
    name: str
    type: AnyType

    def msl(self):
        return self.name

    def value(self, m):
        return m.variables[self.name]


@dataclass
class Position(Expression):
    """A built-in: gid, lid, lane, ..."""

    name: str
    type: Type = UINT

    def msl(self):
        return self.name

    def value(self, m):
        return getattr(m, self.name).astype(self.type.dtype)


@dataclass
class FunctionConstant(Expression):
    name: str
    type: Type = INT

    def msl(self):
        return self.name

    def value(self, m):
        return np.full(m.threads, m.constants[self.name], self.type.dtype)


def _quotient(a: np.ndarray, b: np.ndarray, remainder: bool) -> np.ndarray:
    """Towards zero. By zero, and where it would overflow, the divisor counts as one."""
    lowest = np.iinfo(a.dtype).min
    unsafe = (b == 0) | ((a == lowest) & (b == a.dtype.type(-1)) if lowest < 0 else False)
    b = np.where(unsafe, 1, b).astype(a.dtype)
    rest = np.fmod(a, b)
    return rest if remainder else (a - rest) // b


def _bits(a: np.ndarray) -> int:
    return 8 * a.dtype.itemsize


_INTEGER = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "&": np.bitwise_and, "|": np.bitwise_or, "^": np.bitwise_xor,
    "/": lambda a, b: _quotient(a, b, False), "%": lambda a, b: _quotient(a, b, True),
    "<<": lambda a, b: np.left_shift(a, b & a.dtype.type(_bits(a) - 1)),
    ">>": lambda a, b: np.right_shift(a, b & a.dtype.type(_bits(a) - 1)),
}  # fmt: skip


@dataclass
class Arithmetic(Expression):
    """Of two integers or vectors of them. Sums and products are done as unsigned: overflow would be undefined."""

    operator: str
    left: Expression
    right: Expression

    @property
    def type(self):
        return self.left.type

    def msl(self):
        left, right, name = self.left.msl(), self.right.msl(), self.type.name
        if self.operator in ("<<", ">>"):
            right = f"({right} & {literal(self.type, self.type.bits - 1)})"
        if self.operator in "+-*<<":
            unsigned = self.type.unsigned.name
            return f"{name}({unsigned}({left}) {self.operator} {unsigned}({right}))"
        return f"{name}({left} {self.operator} {right})"

    def value(self, m):
        return _INTEGER[self.operator](self.left.value(m), self.right.value(m)).astype(self.type.dtype)


_FLOAT = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "least": np.fmin, "greatest": np.fmax}


@dataclass
class FloatArithmetic(Expression):
    operator: str
    left: Expression
    right: Expression

    @property
    def type(self):
        return self.left.type

    def msl(self):
        left, right = self.left.msl(), self.right.msl()
        name = {"*": "times"}.get(self.operator, self.operator)
        return f"({left} {name} {right})" if name in "+-/" else f"{name}({left}, {right})"

    def value(self, m):
        result = self.type.rounded(_FLOAT[self.operator](self.left.value(m), self.right.value(m)))
        return result + self.type.dtype.type(0) if self.operator in ("least", "greatest") else result


def _fused(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """a * b + c of float32, rounded once: the sum in double is rounded to odd, so that rounding again does no harm."""
    product, c = a.astype("f8") * b.astype("f8"), c.astype("f8")
    total = product + c
    rest = total - product
    error = (product - (total - rest)) + (c - rest)
    bits = np.ascontiguousarray(total).view("i8")
    even = (bits & 1) == 0
    away = (error > 0) == (total > 0)
    odd = (bits + np.where(away, 1, -1)).view("f8")
    return np.where(np.isfinite(total) & (error != 0) & even, odd, total).astype("f4")


@dataclass
class Fused(Expression):
    """fma of floats."""

    a: Expression
    b: Expression
    c: Expression

    @property
    def type(self):
        return self.a.type

    def msl(self):
        return f"fma({self.a.msl()}, {self.b.msl()}, {self.c.msl()})"

    def value(self, m):
        return _fused(self.a.value(m), self.b.value(m), self.c.value(m))


@dataclass
class Convert(Expression):
    """Between numbers of any kind, and vectors of the same width."""

    type: Type
    operand: Expression

    def _loses_bits(self) -> bool:
        """Whether a number might be rounded twice, to float and on to the type."""
        return self.type.element == BFLOAT and self.operand.type.is_integer and self.operand.type.bits > 16

    def msl(self):
        text, source, name = self.operand.msl(), self.operand.type, self.type.name
        if source.is_float and self.type.is_integer:
            return f"whole<{self.type.element_name}>({vector(FLOAT, source.width).name}({text}))"
        if self._loses_bits():
            text = f"({text} & {literal(source, 0xFFFF)})"
        return f"{name}({text})"

    def value(self, m):
        value, target = self.operand.value(m), self.type
        if self.operand.type.is_float and target.is_integer:
            end = 2.0 ** (target.bits - target.is_signed)
            wide = value.astype("f8")
            return np.where((wide < end) & (wide >= (-end if target.is_signed else 0)), wide, 0).astype(target.dtype)
        if self._loses_bits():
            value = value & value.dtype.type(0xFFFF)
        return target.rounded(value)


@dataclass
class Reinterpret(Expression):
    """as_type: the same bits."""

    type: Type
    operand: Expression

    def msl(self):
        text = f"clean({self.operand.msl()})" if self.operand.type.is_float else self.operand.msl()
        return f"as_type<{self.type.name}>({text})"

    def value(self, m):
        value = self.operand.value(m)
        if self.operand.type.is_float:
            value = np.where(np.isnan(value), 0, value).astype(value.dtype)
        memory = np.ascontiguousarray(self.operand.type.to_memory(value))
        base, shape = self.type.memory_dtype.subdtype or (self.type.memory_dtype, ())
        return self.type.from_memory(memory.view(base).reshape(m.threads, *shape))


_COMPARE = {"<": np.less, ">": np.greater, "==": np.equal, "!=": np.not_equal, "<=": np.less_equal, ">=": np.greater_equal}


@dataclass
class Compare(Expression):
    """Of vectors, component by component."""

    operator: str
    left: Expression
    right: Expression

    @property
    def type(self):
        return BOOL.with_width(self.left.type.width)

    def msl(self):
        text = f"({self.left.msl()} {self.operator} {self.right.msl()})"
        return f"{self.type.name}{text}" if self.type.is_vector else text

    def value(self, m):
        return _COMPARE[self.operator](self.left.value(m), self.right.value(m))


@dataclass
class Logic(Expression):
    operator: str
    left: Expression
    right: Expression
    type: Type = BOOL

    def msl(self):
        return f"({self.left.msl()} {self.operator} {self.right.msl()})"

    def value(self, m):
        combine = np.logical_and if self.operator == "&&" else np.logical_or
        return combine(self.left.value(m), self.right.value(m))


@dataclass
class OfAll(Expression):
    """any() or all() components of a bool vector."""

    function: str
    operand: Expression
    type: Type = BOOL

    def msl(self):
        return f"{self.function}({self.operand.msl()})"

    def value(self, m):
        value = self.operand.value(m)
        return value.any(axis=1) if self.function == "any" else value.all(axis=1)


@dataclass
class Select(Expression):
    """By one bool for the whole value, or one a component."""

    condition: Expression
    yes: Expression
    no: Expression

    @property
    def type(self):
        return self.yes.type

    def msl(self):
        condition, yes, no = self.condition.msl(), self.yes.msl(), self.no.msl()
        if isinstance(self.type, Struct):
            return f"chosen({condition}, {yes}, {no})"
        return f"select({no}, {yes}, {condition})" if self.condition.type.is_vector else f"({condition} ? {yes} : {no})"

    def value(self, m):
        condition, yes, no = self.condition.value(m), self.yes.value(m), self.no.value(m)
        return np.where(condition, yes, no) if self.condition.type.is_vector else where(condition, yes, no)


@dataclass
class Swizzle(Expression):
    """Components by name."""

    operand: Expression
    components: str

    @property
    def type(self):
        return self.operand.type.with_width(len(self.components))

    def msl(self):
        return f"{self.operand.msl()}.{self.components}"

    def value(self, m):
        columns = ["xyzw".index(c) for c in self.components]
        return self.operand.value(m)[:, columns if len(columns) > 1 else columns[0]]


@dataclass
class Component(Expression):
    """A component by number, modulo the width."""

    operand: Expression
    index: Expression

    @property
    def type(self):
        return self.operand.type.element

    def msl(self):
        return f"{self.operand.msl()}[{self.index.msl()} % {self.operand.type.width}u]"

    def value(self, m):
        value = self.operand.value(m)
        return value[np.arange(m.threads), (self.index.value(m) % value.shape[1]).astype(int)]


@dataclass
class Construct(Expression):
    """A vector of scalars and vectors, or of one scalar; a structure of its fields."""

    type: AnyType
    parts: list[Expression]

    def msl(self):
        text = ", ".join(part.msl() for part in self.parts)
        return f"{self.type.name}{{{text}}}" if isinstance(self.type, Struct) else f"{self.type.name}({text})"

    def value(self, m):
        result = self.type.zeros(m.threads)
        if isinstance(self.type, Struct):
            for (name, _), part in zip(self.type.fields, self.parts):
                result[name] = part.value(m)
            return result
        columns = np.concatenate([part.value(m).reshape(m.threads, -1) for part in self.parts], axis=1)
        result[...] = columns
        return result


@dataclass
class Field(Expression):
    operand: Expression
    name: str

    @property
    def type(self):
        return self.operand.type.field(self.name)

    def msl(self):
        return f"{self.operand.msl()}.{self.name}"

    def value(self, m):
        return self.operand.value(m)[self.name]
