"""Programs as trees. Each node says what it is in MSL (`msl`) and what it means (`value`, `run`).

Meaning is given for all threads at once, by NumPy, under a mask: see machine.py. Integers wrap; floats are whole numbers
small enough for every operation on them to be exact, so that contraction cannot change them.
"""

from dataclasses import dataclass

import numpy as np

from test.fuzz.machine import LANES, Machine

INT, UINT, LONG, FLOAT, HALF, BOOL = (np.dtype(t) for t in ("i4", "u4", "i8", "f4", "f2", "?"))
SHORT, UCHAR = np.dtype("i2"), np.dtype("u1")
NAMES = {INT: "int", UINT: "uint", LONG: "long", FLOAT: "float", HALF: "half", BOOL: "bool", SHORT: "short", UCHAR: "uchar"}
FLOAT_LIMIT = {FLOAT: 1000, HALF: 30}


class Expression:
    type: np.dtype

    def msl(self) -> str:
        raise NotImplementedError

    def value(self, m: Machine) -> np.ndarray:
        """One element a thread, also for inactive threads, where it means nothing."""
        raise NotImplementedError


@dataclass
class Constant(Expression):
    number: int
    type: np.dtype

    def msl(self):
        return f"{NAMES[self.type]}({self.number})"

    def value(self, m):
        return np.full(m.threads, self.number).astype(self.type)


@dataclass
class Variable(Expression):
    name: str
    type: np.dtype

    def msl(self):
        return self.name

    def value(self, m):
        return m.variables[self.name]


@dataclass
class Position(Expression):
    """A built-in: gid, lid, lane, ..."""

    name: str
    type: np.dtype = UINT

    def msl(self):
        return self.name

    def value(self, m):
        return getattr(m, self.name).astype(self.type)


@dataclass
class Uniform(Expression):
    """An element of the constant buffer `u`: the same for all threads."""

    index: int
    type: np.dtype = INT

    def msl(self):
        return f"u[{self.index}]"

    def value(self, m):
        return np.full(m.threads, m.uniforms[self.index])


def _wrapped_division(a, b, remainder: bool):
    """Towards zero. By zero, and where it would overflow, the divisor counts as one."""
    lowest = np.iinfo(a.dtype).min
    b = np.where((b == 0) | ((a == lowest) & (b == -1) & (lowest < 0)), 1, b).astype(a.dtype)
    wide_a, wide_b = a.astype(object), b.astype(object)
    quotient = np.array([abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1) for x, y in zip(wide_a, wide_b)], object)
    result = wide_a - quotient * wide_b if remainder else quotient
    return result.astype(a.dtype)


_INTEGER = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "&": np.bitwise_and, "|": np.bitwise_or, "^": np.bitwise_xor,
    "/": lambda a, b: _wrapped_division(a, b, False), "%": lambda a, b: _wrapped_division(a, b, True),
    "<<": lambda a, b: np.left_shift(a, b & (8 * a.itemsize - 1)),
    ">>": lambda a, b: np.right_shift(a, b & (8 * a.itemsize - 1)),
}  # fmt: skip
_UNSIGNED_NAME = {INT: "uint", LONG: "ulong"}


@dataclass
class Arithmetic(Expression):
    """Integers of 32 or 64 bits. Signed ones are added and multiplied as unsigned: overflow would be undefined."""

    operator: str
    left: Expression
    right: Expression

    @property
    def type(self):
        return self.left.type

    def msl(self):
        left, right = self.left.msl(), self.right.msl()
        if self.operator in ("<<", ">>"):
            right = f"({right} & {8 * self.type.itemsize - 1})"
        unsigned = _UNSIGNED_NAME.get(self.type)
        if unsigned and self.operator in "+-*<<":
            return f"{NAMES[self.type]}({unsigned}({left}) {self.operator} {unsigned}({right}))"
        return f"({left} {self.operator} {right})"

    def value(self, m):
        with np.errstate(over="ignore"):
            return _INTEGER[self.operator](self.left.value(m), self.right.value(m)).astype(self.type)


_FLOAT = {"+": np.add, "-": np.subtract, "*": np.multiply, "min": np.minimum, "max": np.maximum}


@dataclass
class FloatArithmetic(Expression):
    """Whole numbers, clamped after each operation."""

    operator: str
    left: Expression
    right: Expression

    @property
    def type(self):
        return self.left.type

    def msl(self):
        name, limit = NAMES[self.type], FLOAT_LIMIT[self.type]
        left, right = self.left.msl(), self.right.msl()
        text = f"{self.operator}({left}, {right})" if self.operator in ("min", "max") else f"({left} {self.operator} {right})"
        return f"clamp({text}, {name}({-limit}), {name}({limit}))"

    def value(self, m):
        limit = FLOAT_LIMIT[self.type]
        result = _FLOAT[self.operator](self.left.value(m), self.right.value(m))
        return np.clip(result, -limit, limit).astype(self.type)


@dataclass
class Quotient(Expression):
    """floor(a / b): division is correctly rounded. A divisor of zero counts as one."""

    left: Expression
    right: Expression

    @property
    def type(self):
        return self.left.type

    def msl(self):
        right, name = self.right.msl(), NAMES[self.type]
        return f"floor({self.left.msl()} / ({right} == 0 ? {name}(1) : {right}))"

    def value(self, m):
        right = self.right.value(m)
        return np.floor(self.left.value(m) / np.where(right == 0, 1, right).astype(self.type)).astype(self.type)


@dataclass
class Convert(Expression):
    type: np.dtype
    operand: Expression

    def msl(self):
        text = self.operand.msl()
        if self.type in FLOAT_LIMIT and self.operand.type not in FLOAT_LIMIT:
            mask = 511 if self.type == FLOAT else 15  # what the type holds exactly
            text = f"int({text} & {mask})"
        elif self.type == HALF:
            text = f"clamp({text}, -30.0f, 30.0f)"
        return f"{NAMES[self.type]}({text})"

    def value(self, m):
        value = self.operand.value(m)
        if self.type in FLOAT_LIMIT and self.operand.type not in FLOAT_LIMIT:
            value = value & (511 if self.type == FLOAT else 15)
        elif self.type == HALF:
            value = np.clip(value, -30, 30)
        return value.astype(self.type)


_COMPARE = {"<": np.less, ">": np.greater, "==": np.equal, "!=": np.not_equal, "<=": np.less_equal, ">=": np.greater_equal}


@dataclass
class Compare(Expression):
    operator: str
    left: Expression
    right: Expression
    type: np.dtype = BOOL

    def msl(self):
        return f"({self.left.msl()} {self.operator} {self.right.msl()})"

    def value(self, m):
        return _COMPARE[self.operator](self.left.value(m), self.right.value(m))


@dataclass
class Logic(Expression):
    operator: str
    left: Expression
    right: Expression
    type: np.dtype = BOOL

    def msl(self):
        return f"({self.left.msl()} {self.operator} {self.right.msl()})"

    def value(self, m):
        combine = np.logical_and if self.operator == "&&" else np.logical_or
        return combine(self.left.value(m), self.right.value(m))


@dataclass
class Select(Expression):
    condition: Expression
    yes: Expression
    no: Expression

    @property
    def type(self):
        return self.yes.type

    def msl(self):
        return f"({self.condition.msl()} ? {self.yes.msl()} : {self.no.msl()})"

    def value(self, m):
        return np.where(self.condition.value(m), self.yes.value(m), self.no.value(m))


_UNARY = {
    "popcount": lambda v: np.array([bin(int(x) & (2 ** (8 * v.itemsize) - 1)).count("1") for x in v]),
    "clz": lambda v: np.array([8 * v.itemsize - (int(x) & (2 ** (8 * v.itemsize) - 1)).bit_length() for x in v]),
    "~": np.invert, "floor": np.floor, "abs": np.abs,
}  # fmt: skip


@dataclass
class Unary(Expression):
    function: str
    operand: Expression

    @property
    def type(self):
        return self.operand.type

    def msl(self):
        return f"{self.function}({self.operand.msl()})"

    def value(self, m):
        return _UNARY[self.function](self.operand.value(m)).astype(self.type)


@dataclass
class Load(Expression):
    """An element of an input, or of a private or threadgroup array; `index` is taken modulo `size`, a power of two."""

    array: str
    type: np.dtype
    index: Expression
    size: int

    def msl(self):
        return f"{self.array}[{self.index.msl()} & {self.size - 1}]"

    def value(self, m):
        index = (self.index.value(m) & (self.size - 1)).astype(np.int64)
        if self.array in m.inputs:
            return m.inputs[self.array][index]
        return m.variables[self.array][np.arange(m.threads), index]


@dataclass
class Window(Expression):
    """An element near the thread's own, if there is one: `j = gid + offset; j < size ? input[j] : 0`."""

    array: str
    type: np.dtype
    offset: Expression
    scale: int
    size: int

    def _index(self) -> str:
        return f"(gid * {self.scale}u + uint({self.offset.msl()}))"

    def msl(self):
        return f"({self._index()} < {self.size}u ? {self.array}[{self._index()}] : {NAMES[self.type]}(0))"

    def value(self, m):
        index = (m.gid * self.scale + self.offset.value(m)) % 2**32
        inside = index < self.size
        return np.where(inside, m.inputs[self.array][np.where(inside, index, 0)], 0).astype(self.type)


# SIMD-group functions stand alone on the right of an assignment: which lanes are active must be plain to see.


@dataclass
class SimdReduce(Expression):
    """sum, product, min, max, and, or, xor, and prefix sums over active lanes."""

    function: str
    operand: Expression

    @property
    def type(self):
        return self.operand.type

    def msl(self):
        text = f"simd_{self.function}({self.operand.msl()})"
        limit = FLOAT_LIMIT.get(self.type)
        return f"clamp({text}, {NAMES[self.type]}({-limit}), {NAMES[self.type]}({limit}))" if limit else text

    def masked_value(self, m, mask):
        info = np.iinfo(self.type) if self.type.kind in "iu" else None
        reduce, identity = {
            "sum": (np.add.reduce, 0), "product": (np.multiply.reduce, 1),
            "min": (np.minimum.reduce, info.max if info else np.inf), "max": (np.maximum.reduce, info.min if info else -np.inf),
            "and": (np.bitwise_and.reduce, -1), "or": (np.bitwise_or.reduce, 0), "xor": (np.bitwise_xor.reduce, 0),
            "prefix_inclusive_sum": (np.add.accumulate, 0), "prefix_exclusive_sum": (np.add.accumulate, 0),
        }[self.function]  # fmt: skip
        identity = np.array(identity).astype(self.type)
        table = m.rows(self.operand.value(m), mask, identity)
        with np.errstate(over="ignore"):
            result = reduce(table, axis=1, dtype=self.type)
            if self.function == "prefix_exclusive_sum":
                result = (result - table).astype(self.type)
        if limit := FLOAT_LIMIT.get(self.type):
            result = np.clip(result, -limit, limit)
        return m.spread(result)


@dataclass
class SimdShuffle(Expression):
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
        return m.shuffle(self.operand.value(m), (self.source.value(m) & (LANES - 1)).astype(np.int64), mask)


@dataclass
class SimdVote(Expression):
    """any, all, ballot; first: the value of the lowest active lane."""

    function: str
    operand: Expression

    @property
    def type(self):
        return {"any": INT, "all": INT, "ballot": UINT}.get(self.function, self.operand.type)

    def msl(self):
        text = self.operand.msl()
        if self.function == "ballot":
            return f"uint(static_cast<ulong>(simd_ballot({text})))"
        return f"simd_broadcast_first({text})" if self.function == "first" else f"int(simd_{self.function}({text}))"

    def masked_value(self, m, mask):
        value = self.operand.value(m)
        if self.function == "first":
            first = np.argmax(m.rows(mask, mask, False), axis=1)
            return m.spread(m.rows(value, mask, 0)[np.arange(len(first)), first])
        votes = m.rows(value, mask, self.function == "all")
        if self.function == "ballot":
            return m.spread((votes.astype(np.uint64) << np.arange(LANES, dtype=np.uint64)).sum(axis=1)).astype(UINT)
        return m.spread(votes.all(axis=1) if self.function == "all" else votes.any(axis=1)).astype(INT)


Block = list["Statement"]


def block_msl(block: Block, depth: int) -> str:
    return "".join(statement.msl(depth) for statement in block)


def run_block(block: Block, m: Machine, mask: np.ndarray) -> None:
    for statement in block:
        active = m.active(mask)
        if active.any():
            statement.run(m, active)


class Statement:
    def msl(self, depth: int) -> str:
        raise NotImplementedError

    def run(self, m: Machine, mask: np.ndarray) -> None:
        raise NotImplementedError


def line(depth: int, text: str) -> str:
    return "  " * depth + text + "\n"


def masked_value(expression: Expression, m: Machine, mask: np.ndarray) -> np.ndarray:
    across_lanes = getattr(expression, "masked_value", None)
    return across_lanes(m, mask) if across_lanes else expression.value(m)


@dataclass
class Assign(Statement):
    name: str
    expression: Expression

    def msl(self, depth):
        return line(depth, f"{self.name} = {self.expression.msl()};")

    def run(self, m, mask):
        m.assign(self.name, masked_value(self.expression, m, mask), mask)


@dataclass
class Store(Statement):
    """To an element of a private array."""

    array: str
    index: Expression
    size: int
    expression: Expression

    def msl(self, depth):
        return line(depth, f"{self.array}[{self.index.msl()} & {self.size - 1}] = {self.expression.msl()};")

    def run(self, m, mask):
        index = (self.index.value(m) & (self.size - 1)).astype(np.int64)
        value = self.expression.value(m)
        m.variables[self.array][np.flatnonzero(mask), index[mask]] = value[mask]


@dataclass
class Output(Statement):
    """To one of the thread's own slots of an output: slots lie side by side, or a whole grid apart."""

    array: str
    slot: int
    slots: int
    interleaved: bool
    expression: Expression

    def msl(self, depth):
        place = f"gid * {self.slots}u + {self.slot}u" if self.interleaved else f"gid + {self.slot}u * threads"
        return line(depth, f"{self.array}[{place}] = {self.expression.msl()};")

    def run(self, m, mask):
        index = m.gid * self.slots + self.slot if self.interleaved else m.gid + self.slot * m.threads
        m.outputs[self.array][index[mask]] = self.expression.value(m)[mask]


@dataclass
class AtomicAdd(Statement):
    """To one of 8 counters of all threads."""

    index: Expression
    expression: Expression

    def msl(self, depth):
        return line(depth, f"atomic_fetch_add_explicit(&counters[{self.index.msl()} & 7], {self.expression.msl()}, memory_order_relaxed);")

    def run(self, m, mask):
        with np.errstate(over="ignore"):
            np.add.at(m.outputs["counters"], self.index.value(m)[mask] & 7, self.expression.value(m)[mask])


@dataclass
class If(Statement):
    condition: Expression
    yes: Block
    no: Block

    def msl(self, depth):
        text = line(depth, f"if ({self.condition.msl()}) {{") + block_msl(self.yes, depth + 1)
        if self.no:
            text += line(depth, "} else {") + block_msl(self.no, depth + 1)
        return text + line(depth, "}")

    def run(self, m, mask):
        condition = self.condition.value(m)
        run_block(self.yes, m, mask & condition)
        run_block(self.no, m, mask & ~condition)


@dataclass
class For(Statement):
    """for (int i = start; i < limit; i += step): the limit is computed anew each time."""

    counter: str
    limit: Expression
    step: int
    body: Block

    def msl(self, depth):
        head = f"for (int {self.counter} = 0; {self.counter} < {self.limit.msl()}; {self.counter} += {self.step}) {{"
        return line(depth, head) + block_msl(self.body, depth + 1) + line(depth, "}")

    def run(self, m, mask):
        flow = m.enter_loop()
        m.assign(self.counter, np.zeros(m.threads, INT), mask)
        while True:
            flow.continued[:] = False
            flow.broken |= mask & ~(m.variables[self.counter] < self.limit.value(m))
            active = m.active(mask)
            if not active.any():
                break
            run_block(self.body, m, active)
            flow.continued[:] = False
            m.assign(self.counter, m.variables[self.counter] + INT.type(self.step), m.active(mask))
        m.leave_loop()


@dataclass
class While(Statement):
    """A loop of at most `bound` iterations; `at_end` makes it a do-while."""

    counter: str
    condition: Expression
    bound: int
    body: Block
    at_end: bool

    def msl(self, depth):
        stop = line(depth + 2, f"if (++{self.counter} > {self.bound}) break;")
        head = "do {" if self.at_end else f"while ({self.condition.msl()}) {{"
        tail = f"}} while ({self.condition.msl()});" if self.at_end else "}"
        body = line(depth + 1, head) + stop + block_msl(self.body, depth + 2) + line(depth + 1, tail)
        return line(depth, f"{{ int {self.counter} = 0;") + body + line(depth, "}")

    def run(self, m, mask):
        flow = m.enter_loop()
        m.assign(self.counter, np.zeros(m.threads, INT), mask)
        first = True
        while True:
            flow.continued[:] = False
            if not (first and self.at_end):
                flow.broken |= m.active(mask) & ~self.condition.value(m)
            first = False
            m.assign(self.counter, m.variables[self.counter] + INT.type(1), m.active(mask))
            flow.broken |= m.active(mask) & (m.variables[self.counter] > self.bound)
            active = m.active(mask)
            if not active.any():
                break
            run_block(self.body, m, active)
        m.leave_loop()


@dataclass
class Switch(Statement):
    """Cases 0, 1, ...; those named in `falls` run into the next. The last is the default."""

    selector: Expression
    cases: list[Block]
    falls: set[int]

    def msl(self, depth):
        text = line(depth, f"switch ({self.selector.msl()} & 3) {{")
        for i, case in enumerate(self.cases):
            label = "default" if i == len(self.cases) - 1 else f"case {i}"
            text += line(depth, f"{label}: {{") + block_msl(case, depth + 1)
            text += line(depth, "}" if i in self.falls else "} break;")
        return text + line(depth, "}")

    def run(self, m, mask):
        selector = self.selector.value(m) & 3
        falling = np.zeros(m.threads, bool)
        for i, case in enumerate(self.cases):
            chosen = selector >= i if i == len(self.cases) - 1 else selector == i
            entering = mask & (chosen | falling)
            run_block(case, m, entering)
            falling = entering if i in self.falls else np.zeros(m.threads, bool)


@dataclass
class Leave(Statement):
    """break, continue or return, under a condition."""

    how: str
    condition: Expression

    def msl(self, depth):
        return line(depth, f"if ({self.condition.msl()}) {self.how};")

    def run(self, m, mask):
        leaving = mask & self.condition.value(m)
        if self.how == "return":
            m.returned |= leaving
        elif self.how == "break":
            m.flows[-1].broken |= leaving
        else:
            m.flows[-1].continued |= leaving


@dataclass
class Exchange(Statement):
    """Each thread writes its own element of a threadgroup array, all wait, each reads another's, all wait."""

    name: str
    expression: Expression
    source: Expression
    array: str

    def msl(self, depth):
        barrier = "threadgroup_barrier(mem_flags::mem_threadgroup);"
        return "".join(line(depth, text) for text in (
            f"{self.array}[lid] = {self.expression.msl()};", barrier,
            f"{self.name} = {self.array}[uint({self.source.msl()}) % group_size];", barrier,
        ))  # fmt: skip

    def run(self, m, mask):
        table = np.zeros((int(m.group.max()) + 1, 1024), self.expression.type)
        table[m.group, m.lid] = self.expression.value(m)
        source = self.source.value(m).astype(np.int64) % 2**32 % m.group_size
        m.assign(self.name, table[m.group, source], mask)


