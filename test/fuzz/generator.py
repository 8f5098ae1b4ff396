"""Random kernels. The same seed gives the same kernel."""

from dataclasses import dataclass
from random import Random

import numpy as np

from test.fuzz import program as p
from test.fuzz.machine import Machine, Shape
from test.fuzz.program import BOOL, FLOAT, HALF, INT, LONG, NAMES, SHORT, UCHAR, UINT

PRELUDE = """#include <metal_stdlib>
using namespace metal;

/// 0 if `lane` is not active.
template <class T>
T active_shuffle(T value, ushort lane) {
  const uint active = uint(static_cast<ulong>(simd_ballot(true)));
  const T other = simd_shuffle(value, lane);
  return (active >> lane) & 1 ? other : T(0);
}

"""

INPUTS = {"in_i": (INT, 1024), "in_u": (UINT, 512), "in_f": (FLOAT, 1024), "in_h": (HALF, 256), "in_s": (SHORT, 256),
          "in_c": (UCHAR, 256), "in_l": (LONG, 128)}  # fmt: skip
OUTPUTS = {"out_i": (INT, 3), "out_f": (FLOAT, 2), "out_c": (UCHAR, 4), "out_s": (SHORT, 2)}
VARIABLES = {"a": INT, "b": INT, "c": INT, "v": UINT, "w": UINT, "f": FLOAT, "g": FLOAT, "h": HALF, "l": LONG}
PRIVATE = {"pi": (INT, 8), "pf": (FLOAT, 4), "pc": (UCHAR, 4)}
SHARED = {"ti": INT, "tf": FLOAT}
UNIFORMS = 8
COUNTERS = 8

GROUPS = [(1,), (7,), (32,), (33,), (64,), (96,), (100,), (256,), (1024,), (8, 8), (16, 16), (32, 4), (5, 7), (64, 2, 2),
          (4, 4, 4), (32, 1, 3), (16, 2)]  # fmt: skip


@dataclass
class Scope:
    """Where a statement stands."""

    depth: int = 0
    in_loop: bool = False
    in_switch: bool = False
    uniform: bool = True  # all threads of the threadgroup come here together
    lockstep: bool = True  # SIMD-group functions may stand here
    counters: tuple[str, ...] = ()

    def inner(self, **changes) -> "Scope":
        return Scope(**{**self.__dict__, "depth": self.depth + 1, **changes})


class Generator:
    def __init__(self, seed: int):
        self.random = Random(seed)
        self.name = f"fuzz_{seed}"
        self.names = 0
        self.budget = self.random.randint(4, 20)  # statements, or compiling would take most of the time
        self.scope = Scope()
        # Threads that have returned never come to a barrier: a kernel has the one or the other.
        self.has_barriers = self.random.random() < 0.5

    def choose(self, *weighted):
        """One of (weight, function) pairs, called."""
        functions = [function for _, function in weighted]
        return self.random.choices(functions, [weight for weight, _ in weighted])[0]()

    def new_name(self) -> str:
        self.names += 1
        return f"n{self.names}"

    # Expressions

    def expression(self, type: np.dtype, depth: int = 0) -> p.Expression:
        if depth > 2 or self.random.random() < 0.3:
            return self.leaf(type)
        if type in (FLOAT, HALF):
            return self.float_expression(type, depth)
        return self.integer_expression(type, depth)

    def leaf(self, type: np.dtype) -> p.Expression:
        variables = [name for name, t in VARIABLES.items() if t == type] + (list(self.scope.counters) if type == INT else [])
        leaves = [(4, lambda: p.Variable(self.random.choice(variables), type)), (1, lambda: self.constant(type))]
        if type == UINT:
            leaves.append((2, lambda: p.Position(self.random.choice(["gid", "lid", "lane", "group", "lx", "ly", "gx"]))))
        if type == INT:
            leaves.append((1, lambda: p.Uniform(self.random.randrange(UNIFORMS))))
            leaves.append((1, lambda: p.Convert(INT, p.Position(self.random.choice(["gid", "lid", "lane"])))))
        return self.choose(*leaves)

    def constant(self, type: np.dtype) -> p.Constant:
        if type in (FLOAT, HALF):
            return p.Constant(self.random.randint(-9, 9), type)
        numbers = [0, 1, 2, 3, 7, 9, 31, 100, 1000] + ([] if type == UINT else [-1, -5])
        return p.Constant(self.random.choice(numbers), type)

    def other_type(self, type: np.dtype) -> p.Expression:
        sources = {INT: [UINT, LONG, FLOAT, HALF], UINT: [INT, LONG], LONG: [INT, UINT], FLOAT: [INT, HALF], HALF: [INT, FLOAT]}
        return p.Convert(type, self.expression(self.random.choice(sources[type]), 2))

    def integer_expression(self, type: np.dtype, depth: int) -> p.Expression:
        def operands():
            return self.expression(type, depth + 1), self.expression(type, depth + 1)

        def divide():
            # Clang gives a literal zero as divisor no meaning at all.
            divisor = p.Variable(self.random.choice([name for name, t in VARIABLES.items() if t == type]), type)
            return p.Arithmetic(self.random.choice("/%"), self.expression(type, depth + 1), divisor)

        choices = [
            (10, lambda: p.Arithmetic(self.random.choice(["+", "-", "*", "&", "|", "^", "+", "-"]), *operands())),
            (2, lambda: p.Arithmetic(self.random.choice(["<<", ">>"]), *operands())),
            (1, divide),
            (1, lambda: p.Select(self.condition(depth + 1), *operands())),
            (1, lambda: p.Unary(self.random.choice(["~", "popcount", "clz"]), self.expression(type, depth + 1))),
            (2, lambda: self.other_type(type)),
        ]
        if type != LONG:
            choices.append((4, lambda: self.load(type, depth)))
        return self.choose(*choices)

    def float_expression(self, type: np.dtype, depth: int) -> p.Expression:
        def operands():
            return self.expression(type, depth + 1), self.expression(type, depth + 1)

        return self.choose(
            (6, lambda: p.FloatArithmetic(self.random.choice(["+", "-", "*", "min", "max"]), *operands())),
            (1, lambda: p.Quotient(*operands())),
            (1, lambda: p.Select(self.condition(depth + 1), *operands())),
            (1, lambda: p.Unary(self.random.choice(["floor", "abs"]), self.expression(type, depth + 1))),
            (2, lambda: self.other_type(type)),
            (3, lambda: self.load(type, depth)),
        )

    def load(self, type: np.dtype, depth: int) -> p.Expression:
        """Of an array of the type, or of a narrower one converted to it."""
        arrays = {INT: ["in_i", "in_s", "in_c", "pi", "pc"], UINT: ["in_u"], FLOAT: ["in_f", "pf"], HALF: ["in_h"]}[type]
        name = self.random.choice(arrays)
        if name in PRIVATE:
            element, size = PRIVATE[name]
            load = p.Load(name, element, self.expression(self.random.choice([INT, UINT]), depth + 1), size)
        else:
            element, size = INPUTS[name]
            if self.random.random() < 0.4:
                offset = self.choose((1, lambda: self.constant(INT)), (1, lambda: p.Uniform(self.random.randrange(UNIFORMS))))
                load = p.Window(name, element, offset, self.random.choice([1, 1, 1, 2, 3, 4]), size)
            else:
                load = p.Load(name, element, self.expression(self.random.choice([INT, UINT]), depth + 1), size)
        return load if element == type else p.Convert(type, load)

    def condition(self, depth: int = 0) -> p.Expression:
        type = self.random.choice([INT, INT, UINT, FLOAT, HALF, LONG])
        compare = p.Compare(self.random.choice(["<", ">", "==", "!=", "<=", ">="]), self.expression(type, depth + 1), self.expression(type, depth + 1))
        if depth < 2 and self.random.random() < 0.2:
            return p.Logic(self.random.choice(["&&", "||"]), compare, self.condition(depth + 1))
        return compare

    def uniform_condition(self) -> p.Expression:
        return p.Compare(self.random.choice("<>"), p.Uniform(self.random.randrange(UNIFORMS)), self.constant(INT))

    # Statements

    def block(self, scope: Scope) -> p.Block:
        outer, self.scope = self.scope, scope
        statements = [self.statement()]
        for _ in range(self.random.randint(0, 3 - scope.depth // 2)):
            if self.budget > 0:
                statements.append(self.statement())
        self.scope = outer
        return statements

    def statement(self) -> p.Statement:
        s = self.scope
        self.budget -= 1
        choices = [(8, self.assign), (2, self.store), (2, self.output), (0.5, self.atomic)]
        if s.depth < 4 and self.budget > 0:
            choices += [(4, self.branch), (2, self.for_loop), (1.5, self.while_loop), (1, self.switch)]
        if s.lockstep:
            choices.append((2.5, self.simd))
        if s.in_loop:
            choices.append((1.5, lambda: p.Leave(self.random.choice(["break", "continue"]), self.condition())))
        if not self.has_barriers and s.depth > 0:
            choices.append((0.5, lambda: p.Leave("return", self.condition())))
        if self.has_barriers and s.uniform:
            choices.append((3, self.exchange))
        return self.choose(*choices)

    def assign(self) -> p.Statement:
        name = self.random.choice(list(VARIABLES))
        return p.Assign(name, self.expression(VARIABLES[name]))

    def store(self) -> p.Statement:
        name, (type, size) = self.random.choice(list(PRIVATE.items()))
        value = p.Convert(UCHAR, self.expression(INT)) if type == UCHAR else self.expression(type)
        return p.Store(name, self.expression(self.random.choice([INT, UINT])), size, value)

    def output(self) -> p.Statement:
        name, (type, slots) = self.random.choice(list(OUTPUTS.items()))
        value = p.Convert(type, self.expression(INT)) if type in (UCHAR, SHORT) else self.expression(type)
        return p.Output(name, self.random.randrange(slots), slots, name in ("out_i", "out_c"), value)

    def atomic(self) -> p.Statement:
        index = self.choose((1, lambda: self.expression(INT)), (1, lambda: p.Uniform(self.random.randrange(UNIFORMS))))
        return p.AtomicAdd(index, self.expression(INT))

    def branch(self) -> p.Statement:
        uniform = self.random.random() < 0.25
        condition = self.uniform_condition() if uniform else self.condition()
        scope = self.scope.inner(uniform=self.scope.uniform and uniform)
        return p.If(condition, self.block(scope), self.block(scope) if self.random.random() < 0.5 else [])

    def for_loop(self) -> p.Statement:
        uniform = self.random.random() < 0.4
        limit = self.choose((1, lambda: p.Constant(self.random.randint(1, 9), INT)),
                            (1, lambda: p.Arithmetic("&", p.Uniform(self.random.randrange(UNIFORMS)), p.Constant(7, INT))))  # fmt: skip
        if not uniform:
            limit = p.Arithmetic("&", self.expression(INT, 1), p.Constant(7, INT))
        counter = self.new_name()
        # A divergent break would make the next barrier one that not all threads come to.
        scope = self.scope.inner(uniform=self.scope.uniform and uniform, counters=(*self.scope.counters, counter))
        scope.in_loop, scope.in_switch = not scope.uniform, False
        return p.For(counter, limit, self.random.randint(1, 3), self.block(scope))

    def while_loop(self) -> p.Statement:
        scope = self.scope.inner(uniform=False, in_loop=True, in_switch=False)
        return p.While(self.new_name(), self.condition(), self.random.randint(1, 9), self.block(scope), self.random.random() < 0.4)

    def switch(self) -> p.Statement:
        scope = self.scope.inner(uniform=False, in_loop=False, in_switch=True, lockstep=False)
        count = self.random.randint(2, 4)
        falls = {i for i in range(count - 1) if self.random.random() < 0.3}
        return p.Switch(self.expression(self.random.choice([INT, UINT])), [self.block(scope) for _ in range(count)], falls)

    def simd(self) -> p.Statement:
        def reduce():
            name = self.random.choice([n for n, t in VARIABLES.items() if t != LONG])
            functions = ["sum", "min", "max", "prefix_inclusive_sum", "prefix_exclusive_sum"]
            if VARIABLES[name] in (INT, UINT):
                functions += ["product", "and", "or", "xor"]
            return p.Assign(name, p.SimdReduce(self.random.choice(functions), self.expression(VARIABLES[name])))

        def shuffle():
            name = self.random.choice([n for n, t in VARIABLES.items() if t != LONG])
            return p.Assign(name, p.SimdShuffle(self.expression(VARIABLES[name]), self.source_lane()))

        def vote():
            name, function = self.random.choice([("a", "any"), ("b", "all"), ("v", "ballot")])
            return p.Assign(name, p.SimdVote(function, self.condition()))

        def first():
            name = self.random.choice([n for n, t in VARIABLES.items() if t != LONG])
            return p.Assign(name, p.SimdVote("first", self.expression(VARIABLES[name])))

        return self.choose((3, reduce), (3, shuffle), (2, vote), (1, first))

    def source_lane(self) -> p.Expression:
        lane, number = p.Position("lane"), p.Constant(self.random.randint(0, 31), UINT)
        return self.choose(
            (2, lambda: p.Arithmetic(self.random.choice("^+-"), lane, number)),
            (1, lambda: self.expression(UINT)),
            (1, lambda: number),
            (1, lambda: p.Convert(UINT, p.Uniform(self.random.randrange(UNIFORMS)))),
        )

    def exchange(self) -> p.Statement:
        array, type = self.random.choice(list(SHARED.items()))
        name = self.random.choice([n for n, t in VARIABLES.items() if t == type])
        source = self.choose((1, lambda: p.Arithmetic("+", p.Position("lid"), self.constant(UINT))), (1, lambda: self.expression(UINT)))
        return p.Exchange(name, self.expression(type), source, array)


class Kernel:
    """A random kernel with the grid and the data that it runs on."""

    def __init__(self, seed: int):
        generator = Generator(seed)
        self.seed, self.name = seed, generator.name
        self.body = []
        while generator.budget > 0:
            self.body += generator.block(Scope())
        self.has_barriers = generator.has_barriers
        numbers = np.random.default_rng(seed)
        self.shape = self._shape(generator.random)
        self.uniforms = numbers.integers(-20, 20, UNIFORMS, dtype=INT)
        self.uniforms[0] = generator.random.choice([-3, 0, 1, 5, 2**31 - 1, -(2**31)])
        self.inputs = {name: self._input(numbers, type, size) for name, (type, size) in INPUTS.items()}
        threads = self.shape.threads
        self.outputs = {name: np.full(threads * slots, 77, type) for name, (type, slots) in OUTPUTS.items()}
        self.outputs["counters"] = np.zeros(COUNTERS, INT)

    @staticmethod
    def _shape(random: Random) -> Shape:
        group = random.choice(GROUPS)
        group = (*group, *[1] * (3 - len(group)))
        grid = [size * random.randint(1, 3) - random.choice([0, 0, random.randrange(size)]) for size in group]
        # Not too many threads for the reference.
        grid = [g if size > 1 or i == 0 else random.choice([1, 1, 2]) for i, (g, size) in enumerate(zip(grid, group))]
        return Shape(tuple(grid), group)

    @staticmethod
    def _input(numbers: np.random.Generator, type: np.dtype, size: int) -> np.ndarray:
        if type.kind == "f":
            return numbers.integers(-20, 21, size).astype(type)
        info = np.iinfo(type)
        wide = numbers.integers(info.min, info.max, size, dtype=type, endpoint=True)
        small = numbers.integers(0, 10, size).astype(type)
        return np.where(numbers.random(size) < 0.5, small, wide)

    def msl(self) -> str:
        arrays = [f"device const {NAMES[type]}* {name}" for name, (type, _) in INPUTS.items()]
        arrays += ["constant int* u"]
        arrays += [f"device {NAMES[type]}* {name}" for name, (type, _) in OUTPUTS.items()] + ["device atomic_int* counters"]
        parameters = [f"{array} [[buffer({i})]]" for i, array in enumerate(arrays)]
        parameters += [
            "uint3 grid_position [[thread_position_in_grid]]", "uint3 local_position [[thread_position_in_threadgroup]]",
            "uint3 grid_size [[threads_per_grid]]", "uint3 group_position [[threadgroup_position_in_grid]]",
            "uint3 group_count [[threadgroups_per_grid]]", "uint3 local_size [[threads_per_threadgroup]]",
            "uint lid [[thread_index_in_threadgroup]]", "uint lane [[thread_index_in_simdgroup]]",
        ]  # fmt: skip
        lines = ["const uint gx = grid_position.x, lx = local_position.x, ly = local_position.y;"]
        if self.shape.grid[1] == self.shape.grid[2] == 1:
            lines += ["const uint gid = gx, threads = grid_size.x, group = group_position.x;"]
        else:
            lines += ["const uint gid = (grid_position.z * grid_size.y + grid_position.y) * grid_size.x + gx;",
                      "const uint threads = grid_size.x * grid_size.y * grid_size.z;",
                      "const uint group = (group_position.z * group_count.y + group_position.y) * group_count.x + group_position.x;"]  # fmt: skip
        lines += ["const uint group_size = local_size.x * local_size.y * local_size.z;"]
        lines += [f"{NAMES[type]} {name} = {self._initial(name).msl()};" for name, type in VARIABLES.items()]
        lines += [f"{NAMES[type]} {name}[{size}] = {{}};" for name, (type, size) in PRIVATE.items()]
        if self.has_barriers:
            lines += [f"threadgroup {NAMES[type]} {name}[1024];" for name, type in SHARED.items()]
        head = f"kernel void {self.name}(\n    " + ",\n    ".join(parameters) + ") {\n"
        text = head + "".join(p.line(1, text) for text in lines) + p.block_msl(self.body, 1)
        return text + "".join(statement.msl(1) for statement in self._results()) + "}\n\n"

    @staticmethod
    def _initial(name: str) -> p.Expression:
        """Variables start with what differs from thread to thread."""
        gid = p.Position("gid")
        return {
            "a": p.Load("in_i", INT, gid, 1024), "v": p.Load("in_u", UINT, gid, 512), "w": p.Position("lid"),
            "f": p.Load("in_f", FLOAT, gid, 1024), "h": p.Load("in_h", HALF, gid, 256), "l": p.Load("in_l", LONG, gid, 128),
        }.get(name) or p.Convert(VARIABLES[name], gid if VARIABLES[name] == INT else p.Convert(INT, gid))  # fmt: skip

    @staticmethod
    def _results() -> p.Block:
        total = p.Variable("a", INT)
        for name in ("b", "c"):
            total = p.Arithmetic("^", total, p.Variable(name, INT))
        for name in ("v", "w", "l"):
            total = p.Arithmetic("+", total, p.Convert(INT, p.Variable(name, VARIABLES[name])))
        for i in range(PRIVATE["pi"][1]):
            total = p.Arithmetic("+", total, p.Load("pi", INT, p.Constant(i, INT), PRIVATE["pi"][1]))
        floats = p.FloatArithmetic("+", p.Variable("f", FLOAT), p.Convert(FLOAT, p.Variable("h", HALF)))
        slots = OUTPUTS["out_i"][1]
        return [p.Output("out_i", slots - 1, slots, True, total), p.Output("out_f", 0, OUTPUTS["out_f"][1], False, floats)]

    def expected(self) -> dict[str, np.ndarray]:
        """What the reference says the outputs are."""
        m = Machine(self.shape, self.inputs, self.uniforms)
        m.outputs = {name: array.copy() for name, array in self.outputs.items()}
        for name, type in VARIABLES.items():
            m.assign(name, self._initial(name).value(m).astype(type), m.everyone())
        for name, (type, size) in PRIVATE.items():
            m.variables[name] = np.zeros((m.threads, size), type)
        p.run_block(self.body + self._results(), m, m.everyone())
        return m.outputs

    def buffers(self) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
        """Arguments of a run, and the outputs among them."""
        outputs = {name: array.copy() for name, array in self.outputs.items()}
        return [*self.inputs.values(), self.uniforms, *outputs.values()], outputs
