"""Functions that look across the lanes of a SIMD-group or quad.

They stand alone on the right of an assignment: which lanes are active must be plain to see. The meaning takes the mask.
"""

from dataclasses import dataclass

import numpy as np

from test.fuzz.expressions import Expression
from test.fuzz.machine import LANES, Machine
from test.fuzz.types import BOOL, INT, UINT, Type

QUAD = 4


class AcrossLanes(Expression):
    def masked_value(self, m: Machine, mask: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def value(self, m):
        raise TypeError("which lanes are active?")


def _quads(table: np.ndarray) -> np.ndarray:
    """Rows of 4 lanes, of rows of 32."""
    return table.reshape(-1, QUAD, *table.shape[2:])


_REDUCTIONS = {
    "sum": np.add, "product": np.multiply, "min": np.minimum, "max": np.maximum, "and": np.bitwise_and,
    "or": np.bitwise_or, "xor": np.bitwise_xor, "prefix_inclusive_sum": np.add, "prefix_exclusive_sum": np.add,
    "prefix_inclusive_product": np.multiply, "prefix_exclusive_product": np.multiply,
}  # fmt: skip
FLOAT_REDUCTIONS = [name for name in _REDUCTIONS if name not in ("and", "or", "xor")]
INTEGER_REDUCTIONS = list(_REDUCTIONS)


def _identity(function: str, type: Type):
    if function in ("min", "max"):
        lowest, highest = (-np.inf, np.inf) if type.is_float else (np.iinfo(type.dtype).min, np.iinfo(type.dtype).max)
        return highest if function == "min" else lowest
    return {"product": 1, "and": -1}.get(function.rpartition("_")[2], 0)


@dataclass
class Reduce(AcrossLanes):
    """sum, product, min, max, and, or, xor, and prefix sums and products, over active lanes. Those of floats are exact."""

    function: str
    operand: Expression
    scope: str = "simd"

    @property
    def type(self):
        return self.operand.type

    def msl(self):
        text = self.operand.msl()
        if self.type.is_float:
            text = f"{'factor' if 'product' in self.function else 'small'}({text})"
        return f"{self.scope}_{self.function}({text})"

    def _exact(self, value: np.ndarray) -> np.ndarray:
        if not self.type.is_float:
            return value
        if "product" in self.function:
            return np.where(value > 8, 2, np.where(value < -8, -1, 1)).astype(value.dtype)
        return np.where((value >= -32) & (value <= 32), np.trunc(value) + 0.0, 1).astype(value.dtype)

    def masked_value(self, m, mask):
        combine = _REDUCTIONS[self.function]
        identity = np.array(_identity(self.function, self.type)).astype(self.type.dtype)
        table = m.rows(self._exact(self.operand.value(m)), mask, identity)
        rows = _quads(table) if self.scope == "quad" else table
        if self.function.startswith("prefix"):
            if "exclusive" in self.function:
                rows = np.concatenate([np.full_like(rows[:, :1], identity), rows[:, :-1]], axis=1)
            result = combine.accumulate(rows, axis=1, dtype=self.type.dtype)
        else:
            result = np.broadcast_to(combine.reduce(rows, axis=1, dtype=self.type.dtype, keepdims=True), rows.shape)
        return m.spread(result.reshape(table.shape)) + self.type.dtype.type(0)


@dataclass
class Shuffle(AcrossLanes):
    """Another lane's value, 0 if that lane is not active."""

    operand: Expression
    source: Expression

    @property
    def type(self):
        return self.operand.type

    def msl(self):
        # The whole of it in one function, so that the vote sees the lanes that the shuffle sees.
        return f"active_shuffle({self.operand.msl()}, ushort({self.source.msl()} & {LANES - 1}))"

    def masked_value(self, m, mask):
        return m.shuffle(self.operand.value(m), (self.source.value(m) & (LANES - 1)).astype(int), mask)


# Where a lane's value comes from, in MSL and as it is; beyond the end, a lane keeps its own.
_MOVES = {
    "simd_shuffle_xor": ("lane ^ {n}u", lambda lane, n: lane ^ n),
    "simd_shuffle_up": ("lane >= {n}u ? lane - {n}u : lane", lambda lane, n: np.where(lane >= n, lane - n, lane)),
    "simd_shuffle_down": ("lane + {n}u < 32u ? lane + {n}u : lane", lambda lane, n: np.where(lane + n < LANES, lane + n, lane)),
    "simd_shuffle_rotate_up": ("(lane - {n}u) % 32u", lambda lane, n: (lane - n) % LANES),
    "simd_shuffle_rotate_down": ("(lane + {n}u) % 32u", lambda lane, n: (lane + n) % LANES),
    "simd_broadcast": ("{n}u", lambda lane, n: np.full_like(lane, n)),
    "quad_shuffle_xor": ("lane ^ {n}u", lambda lane, n: lane ^ n),
    "quad_shuffle_rotate_up": ("(lane & ~3u) | ((lane - {n}u) & 3u)", lambda lane, n: lane & ~3 | lane - n & 3),
    "quad_shuffle_rotate_down": ("(lane & ~3u) | ((lane + {n}u) & 3u)", lambda lane, n: lane & ~3 | lane + n & 3),
    "quad_broadcast": ("(lane & ~3u) | {n}u", lambda lane, n: lane & ~3 | n),
}
MOVES = list(_MOVES)


@dataclass
class Move(AcrossLanes):
    """A shuffle by a fixed distance, 0 if the source is not active."""

    function: str
    operand: Expression
    distance: int

    @property
    def type(self):
        return self.operand.type

    def _distance(self) -> int:
        return self.distance % (QUAD if self.function.startswith("quad") else LANES)

    def msl(self):
        source = _MOVES[self.function][0].format(n=self._distance())
        return f"if_active({self.function}({self.operand.msl()}, {self._distance()}), {source})"

    def masked_value(self, m, mask):
        return m.shuffle(self.operand.value(m), _MOVES[self.function][1](m.lane, self._distance()), mask)


@dataclass
class Vote(AcrossLanes):
    """any, all, ballot."""

    function: str
    operand: Expression
    scope: str = "simd"

    @property
    def type(self):
        return UINT if self.function == "ballot" else INT

    def msl(self):
        text = f"{self.scope}_{self.function}({self.operand.msl()})"
        return f"uint(static_cast<ulong>({text}))" if self.function == "ballot" else f"int({text})"

    def masked_value(self, m, mask):
        votes = m.rows(self.operand.value(m), mask, self.function == "all")
        rows = _quads(votes) if self.scope == "quad" else votes
        if self.function == "ballot":
            result = (rows.astype("u8") << np.arange(rows.shape[1], dtype="u8")).sum(axis=1, keepdims=True).astype("u4")
        else:
            result = (rows.all if self.function == "all" else rows.any)(axis=1, keepdims=True).astype("i4")
        return m.spread(np.broadcast_to(result, rows.shape).reshape(votes.shape))


@dataclass
class First(AcrossLanes):
    """The value of the lowest active lane."""

    operand: Expression

    @property
    def type(self):
        return self.operand.type

    def msl(self):
        return f"simd_broadcast_first({self.operand.msl()})"

    def masked_value(self, m, mask):
        first = np.argmax(m.rows(mask, mask, False), axis=1)
        return m.rows(self.operand.value(m), mask, 0)[m.row, first[m.row]]


@dataclass
class IsFirst(AcrossLanes):
    type: Type = BOOL

    def msl(self):
        return "simd_is_first()"

    def masked_value(self, m, mask):
        return m.lane == np.argmax(m.rows(mask, mask, False), axis=1)[m.row]
