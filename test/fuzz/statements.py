"""Statements. Each says what it is in MSL (`msl`) and runs for all threads of a mask at once (`run`)."""

from dataclasses import dataclass

import numpy as np

from test.fuzz.expressions import Expression, Node
from test.fuzz.machine import Machine
from test.fuzz.memory import AddressOf, Place
from test.fuzz.simdgroup import AcrossLanes
from test.fuzz.types import INT, AnyType

Block = list["Statement"]


def block_msl(block: Block, depth: int) -> str:
    return "".join(statement.msl(depth) for statement in block)


def run_block(block: Block, m: Machine, mask: np.ndarray) -> None:
    for statement in block:
        active = m.active(mask)
        if active.any():
            statement.run(m, active)


def line(depth: int, text: str) -> str:
    return "  " * depth + text + "\n"


class Statement(Node):
    def msl(self, depth: int) -> str:
        raise NotImplementedError

    def run(self, m: Machine, mask: np.ndarray) -> None:
        raise NotImplementedError


@dataclass
class Declare(Statement):
    name: str
    type: AnyType
    expression: Expression

    def msl(self, depth):
        return line(depth, f"{self.type.name} {self.name} = {self.expression.msl()};")

    def run(self, m, mask):
        m.variables[self.name] = self.expression.value(m)


@dataclass
class DeclareArray(Statement):
    """A private array of zeros."""

    name: str
    type: AnyType
    size: int

    def msl(self, depth):
        return line(depth, f"{self.type.name} {self.name}[{self.size}] = {{}};")

    def run(self, m, mask):
        m.private[self.name] = self.type.zeros(m.threads, self.size)


@dataclass
class Assign(Statement):
    place: Place
    expression: Expression

    def msl(self, depth):
        return line(depth, f"{self.place.msl()} = {self.expression.msl()};")

    def run(self, m, mask):
        across_lanes = isinstance(self.expression, AcrossLanes)
        value = self.expression.masked_value(m, mask) if across_lanes else self.expression.value(m)
        self.place.assign(m, value, mask)


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
    """for (int i = 0; i < limit; i += step): the limit is computed anew each time."""

    counter: str
    limit: Expression
    step: int
    body: Block

    def msl(self, depth):
        head = f"for (int {self.counter} = 0; {self.counter} < {self.limit.msl()}; {self.counter} += {self.step}) {{"
        return line(depth, head) + block_msl(self.body, depth + 1) + line(depth, "}")

    def run(self, m, mask):
        flow = m.enter_loop()
        m.variables[self.counter] = np.zeros(m.threads, INT.dtype)
        while True:
            flow.continued[:] = False
            flow.broken |= mask & ~(m.variables[self.counter] < self.limit.value(m))
            active = m.active(mask)
            if not active.any():
                break
            run_block(self.body, m, active)
            flow.continued[:] = False
            m.assign(self.counter, m.variables[self.counter] + INT.dtype.type(self.step), m.active(mask))
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
        m.variables[self.counter] = np.zeros(m.threads, INT.dtype)
        first = True
        while True:
            flow.continued[:] = False
            if not (first and self.at_end):
                flow.broken |= m.active(mask) & ~self.condition.value(m)
            first = False
            m.assign(self.counter, m.variables[self.counter] + INT.dtype.type(1), m.active(mask))
            flow.broken |= m.active(mask) & (m.variables[self.counter] > self.bound)
            active = m.active(mask)
            if not active.any():
                break
            run_block(self.body, m, active)
        m.leave_loop()


@dataclass
class Walk(Statement):
    """A pointer goes over `count` elements, forwards or back; the body reads what it points to."""

    name: str
    start: AddressOf
    count: Expression
    step: int
    backwards: bool
    body: Block

    def msl(self, depth):
        type, name = self.start.type.name, self.name
        first, last, step = (f"{name}_end", f"{name}_start", "-=") if self.backwards else (f"{name}_start", f"{name}_end", "+=")
        return "".join((
            line(depth, f"{{ {type} const {name}_start = {self.start.msl()};"),
            line(depth + 1, f"{type} const {name}_end = {name}_start + ({self.count.msl()} & 3) * {self.step};"),
            line(depth + 1, f"for ({type} {name} = {first}; {name} != {last}; {name} {step} {self.step}) {{"),
            block_msl(self.body, depth + 2), line(depth + 1, "}"), line(depth, "}"),
        ))  # fmt: skip

    def run(self, m, mask):
        start = self.start.value(m)
        end = start + (self.count.value(m) & 3) * self.step
        first, last, step = (end, start, -self.step) if self.backwards else (start, end, self.step)
        flow = m.enter_loop()
        m.variables[self.name] = first
        while True:
            flow.continued[:] = False
            flow.broken |= mask & (m.variables[self.name] == last)
            active = m.active(mask)
            if not active.any():
                break
            run_block(self.body, m, active)
            flow.continued[:] = False
            m.assign(self.name, m.variables[self.name] + step, m.active(mask))
        m.leave_loop()


@dataclass
class Switch(Statement):
    """Cases 0, 1, ...; those named in `falls` run into the next. The last is the default."""

    selector: Expression
    cases: list["Case"]
    falls: set[int]

    def msl(self, depth):
        text = line(depth, f"switch ({self.selector.msl()} & 3) {{")
        for i, case in enumerate(self.cases):
            label = "default" if i == len(self.cases) - 1 else f"case {i}"
            text += line(depth, f"{label}: {{") + block_msl(case.body, depth + 1)
            text += line(depth, "}" if i in self.falls else "} break;")
        return text + line(depth, "}")

    def run(self, m, mask):
        selector = self.selector.value(m) & 3
        falling = np.zeros(m.threads, bool)
        for i, case in enumerate(self.cases):
            chosen = selector >= i if i == len(self.cases) - 1 else selector == i
            entering = mask & (chosen | falling)
            run_block(case.body, m, entering)
            falling = entering if i in self.falls else np.zeros(m.threads, bool)


@dataclass
class Case(Node):
    body: Block


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
    """Each thread writes its own element of a threadgroup array, all wait, each reads another's, all wait.

    With `lane`, it reads that of another lane of its SIMD-group, whose threads alone wait.
    """

    place: Place
    expression: Expression
    source: Expression
    array: str
    lane: int = 0

    def msl(self, depth):
        barrier = f"{'simdgroup' if self.lane else 'threadgroup'}_barrier(mem_flags::mem_threadgroup);"
        source = f"uint({self.source.msl()}) % group_size"
        if self.lane:
            source = f"(lid ^ {self.lane}u) < group_size ? lid ^ {self.lane}u : lid"
        return "".join(line(depth, text) for text in (
            f"{self.array}[lid] = {self.expression.msl()};", barrier,
            f"{self.place.msl()} = {self.array}[{source}];", barrier,
        ))  # fmt: skip

    def run(self, m, mask):
        table = m.shared[self.array]
        table[m.group, m.lid] = self.expression.value(m)
        source = self.source.value(m).astype(np.int64) % 2**32 % m.group_size
        if self.lane:
            source = np.where((m.lid ^ self.lane) < m.group_size, m.lid ^ self.lane, m.lid)
        self.place.assign(m, table[m.group, source], mask)
