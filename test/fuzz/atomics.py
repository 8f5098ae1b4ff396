"""Atomic operations whose outcome does not depend on the order of threads."""

from dataclasses import dataclass

import numpy as np

from test.fuzz.expressions import Expression, literal
from test.fuzz.memory import Place
from test.fuzz.statements import Statement, line
from test.fuzz.types import FLOAT, INT, UINT, ULONG, Type

CELLS = 8  # of an array of atomics
_FUNCTIONS = {
    "add": np.add, "sub": np.subtract, "min": np.minimum, "max": np.maximum, "and": np.bitwise_and, "or": np.bitwise_or,
    "xor": np.bitwise_xor, "exchange": lambda old, new: new, "compare_exchange": np.add,
}  # fmt: skip
INITIAL = {"and": -1, "min": 1000, "max": -1000}


def functions(type: Type) -> list[str]:
    if type == FLOAT:
        return ["add", "sub"]
    return ["min", "max"] if type == ULONG else list(_FUNCTIONS)


def initial(function: str, type: Type) -> np.ndarray:
    return np.full(CELLS, INITIAL.get(function, 0)).astype(type.dtype)


@dataclass
class Atomic:
    """One function on an array of atomics: sums and extremes would not go together."""

    array: str
    function: str
    type: Type

    def msl(self, index: str, value: str) -> str:
        place = f"&{self.array}[{index} & {CELLS - 1}]"
        if self.function == "exchange":
            return f"atomic_exchange_explicit({place}, {literal(self.type, 77)}, memory_order_relaxed);"
        if self.function == "compare_exchange":
            return f"add_by_exchange({place}, {value});"
        fetch = "" if self.type == ULONG else "fetch_"
        return f"atomic_{fetch}{self.function}_explicit({place}, {value}, memory_order_relaxed);"

    def update(self, cells: np.ndarray, index: tuple, value: np.ndarray) -> None:
        if self.function == "exchange":
            cells[index] = 77
        else:
            _FUNCTIONS[self.function].at(cells, index, value)


def _exact(type: Type, value: np.ndarray) -> np.ndarray:
    """Floats that sum up exactly in any order."""
    return np.where((value >= -32) & (value <= 32), np.trunc(value) + 0.0, 1).astype("f4") if type == FLOAT else value


def _operand_msl(type: Type, expression: Expression) -> str:
    return f"small({expression.msl()})" if type == FLOAT else expression.msl()


@dataclass
class DeviceAtomic(Statement):
    atomic: Atomic
    index: Expression
    expression: Expression

    def msl(self, depth):
        return line(depth, self.atomic.msl(self.index.msl(), _operand_msl(self.atomic.type, self.expression)))

    def run(self, m, mask):
        value = _exact(self.atomic.type, self.expression.value(m))
        index = (self.index.value(m) & (CELLS - 1)).astype(int)
        self.atomic.update(m.outputs[self.atomic.array], index[mask], value[mask])


@dataclass
class ThreadgroupAtomic(Statement):
    """All threads come here: cells are set, some threads update them, each reads one."""

    atomic: Atomic
    condition: Expression
    index: Expression
    expression: Expression
    place: Place
    source: Expression

    def msl(self, depth):
        barrier = line(depth, "threadgroup_barrier(mem_flags::mem_threadgroup);")
        array, type = self.atomic.array, self.atomic.type
        first = literal(type, int(initial(self.atomic.function, type)[0]))
        read = f"atomic_load_explicit(&{array}[{self.source.msl()} & {CELLS - 1}], memory_order_relaxed)"
        return "".join((
            line(depth, f"for (uint i = lid; i < {CELLS}; i += group_size)"),
            line(depth + 1, f"atomic_store_explicit(&{array}[i], {first}, memory_order_relaxed);"), barrier,
            line(depth, f"if ({self.condition.msl()})"),
            line(depth + 1, self.atomic.msl(self.index.msl(), _operand_msl(type, self.expression))), barrier,
            line(depth, f"{self.place.msl()} = {read};"), barrier,
        ))  # fmt: skip

    def run(self, m, mask):
        cells = np.tile(initial(self.atomic.function, self.atomic.type), (m.groups, 1))
        value = _exact(self.atomic.type, self.expression.value(m))
        index = (self.index.value(m) & (CELLS - 1)).astype(int)
        taking_part = mask & self.condition.value(m)
        self.atomic.update(cells, (m.group[taking_part], index[taking_part]), value[taking_part])
        source = (self.source.value(m) & (CELLS - 1)).astype(int)
        self.place.assign(m, cells[m.group, source], mask)


TYPES = (INT, UINT, FLOAT, ULONG)
