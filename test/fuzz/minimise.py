"""Makes a kernel that goes wrong as small as it gets while it still goes wrong in the same way."""

import copy
import os
import signal
import time
from collections.abc import Callable, Iterator

from test.fuzz.expressions import Arithmetic, Constant, Expression, Node, Variable
from test.fuzz.generator import generate
from test.fuzz.kernel import Kernel, prelude
from test.fuzz.machine import Shape
from test.fuzz.run import check_kernel
from test.fuzz.statements import Statement
from test.fuzz.types import Struct, Type
from test.mslc.library import DEFAULT_TARGET, CompileError, Library, Target

SECONDS_PER_RUN = 20  # a kernel that takes longer does not end
SECONDS = 240


def fault(kernel: Kernel, target: Target) -> str:
    """How a kernel goes wrong: "value", "error", "crash" or "hang"; empty if it does not, or if it is no program."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(SECONDS_PER_RUN)
        os._exit(_outcome(kernel, target))
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return "hang" if os.WTERMSIG(status) == signal.SIGALRM else "crash"
    return ["", "value", "error"][os.WEXITSTATUS(status)]


def _outcome(kernel: Kernel, target: Target) -> int:
    if any(isinstance(n, Arithmetic) and n.operator in "/%" and not isinstance(n.right, Variable) for n in map(get, slots(kernel))):
        return 0  # clang gives a literal zero as divisor no meaning
    try:
        kernel.expected()
    except Exception:
        return 0  # an edit left something out that the rest needs
    try:
        what = check_kernel(Library(prelude() + kernel.msl(), target), kernel)
    except CompileError:
        return 2
    return 1 if what and " wrong in " in what else 2 if what else 0


Slot = tuple[list | Node, int | str]  # a place in the tree: an element of a list, or a field


def slots(kernel: Kernel) -> list[Slot]:
    """All places that hold a node, outer ones first. Equal kernels have them in the same order."""
    found: list[Slot] = []

    def visit(holder, key, value) -> None:
        if isinstance(value, Node):
            found.append((holder, key))
            for name, inner in vars(value).items():
                visit(value, name, inner)
        elif isinstance(value, list):
            for i, inner in enumerate(value):
                visit(value, i, inner)

    for block in [kernel.body, *(function.body for function in kernel.functions)]:
        visit(None, None, block)
    return found


def get(slot: Slot) -> Node:
    holder, key = slot
    return holder[key] if isinstance(holder, list) else getattr(holder, key)


def put(slot: Slot, value: Node) -> None:
    holder, key = slot
    if isinstance(holder, list):
        holder[key] = value
    else:
        setattr(holder, key, value)


def edits(node: Node, slot: Slot) -> Iterator[Callable[[Slot], None]]:
    """Ways to make the tree smaller at one place."""
    holder, key = slot
    if isinstance(node, Statement) and isinstance(holder, list):
        yield lambda s: s[0].pop(s[1])
        blocks = [name for name, value in vars(node).items() if isinstance(value, list) and value and isinstance(value[0], Statement)]
        for name in blocks:

            def unwrap(s: Slot, name: str = name) -> None:
                s[0][s[1] : s[1] + 1] = getattr(s[0][s[1]], name)

            yield unwrap
    if isinstance(node, Expression) and not isinstance(node, Constant):
        for child in range(len(node.children())):
            if getattr(node.children()[child], "type", None) == node.type:
                yield lambda s, child=child: put(s, get(s).children()[child])
        if isinstance(node.type, (Type, Struct)):
            for number in (0, 1) if isinstance(node.type, Type) else (0,):
                yield lambda s, number=number: put(s, Constant(number, get(s).type))


def smaller_shapes(shape: Shape) -> Iterator[Shape]:
    for d in range(3):
        for size in sorted({1, shape.group[d] // 2, shape.group[d] - 1}):
            if 0 < size < shape.group[d]:
                group = tuple(size if i == d else g for i, g in enumerate(shape.group))
                yield Shape(tuple(min(g, t) if i == d else g for i, (g, t) in enumerate(zip(shape.grid, group))), group)
        for size in sorted({1, shape.group[d], shape.grid[d] // 2, shape.grid[d] - 1}):
            if 0 < size < shape.grid[d]:
                yield Shape(tuple(size if i == d else g for i, g in enumerate(shape.grid)), shape.group)


def minimise(seed: int, target: Target = DEFAULT_TARGET) -> Kernel:
    """The kernel of a seed, reduced for at most some minutes."""
    kernel, end = generate(seed), time.monotonic() + SECONDS
    return reduce(kernel, lambda candidate: fault(candidate, target), end)


def reduce(kernel: Kernel, fault_of: Callable[[Kernel], str], end: float = float("inf")) -> Kernel:
    """Applies what leaves the fault as it is until nothing does."""
    how = fault_of(kernel)
    if not how:
        raise ValueError(f"{kernel.name} does what it should")
    changed = True
    while changed:
        changed = False
        for shape in smaller_shapes(kernel.shape):
            candidate = copy.deepcopy(kernel)
            candidate.shape = shape
            if fault_of(candidate) == how:
                kernel, changed = candidate, True
                break
        at = 0
        while at < len(slots(kernel)):
            slot = slots(kernel)[at]
            for edit in edits(get(slot), slot):
                if time.monotonic() > end:
                    return kernel
                candidate = copy.deepcopy(kernel)
                edit(slots(candidate)[at])
                if fault_of(candidate) == how:
                    kernel, changed = candidate, True
                    break
            else:
                at += 1
    return kernel
