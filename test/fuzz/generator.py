"""Random kernels. The same seed gives the same kernel."""

from random import Random

import numpy as np

from test.fuzz import atomics
from test.fuzz.atomics import Atomic, DeviceAtomic, ThreadgroupAtomic
from test.fuzz.calls import Function, Invoke, Return, TemplateNumber
from test.fuzz.expressions import Arithmetic, Constant, Convert, Expression, Position, Variable
from test.fuzz.kernel import Input, Kernel, OutputArray, Shared
from test.fuzz.machine import Shape
from test.fuzz.memory import (
    AddressOf, ComponentPlace, ComponentsPlace, Dereference, ElementPlace, FieldPlace, Load, Place, PointerPlace, VariablePlace,
)  # fmt: skip
from test.fuzz.simdgroup import FLOAT_REDUCTIONS, INTEGER_REDUCTIONS, MOVES, First, IsFirst, Move, Reduce, Shuffle, Vote
from test.fuzz.statements import (
    Assign, Block, Case, Declare, DeclareArray, Exchange, For, If, Leave, Output, Statement, Switch, Walk, While,
)  # fmt: skip
from test.fuzz.types import (
    BFLOAT, BOOL, CHAR, FLOAT, HALF, INT, LONG, SHORT, UCHAR, UINT, ULONG, USHORT, AnyType, Parameter, Pointer, Struct, Type,
    vector,
)  # fmt: skip
from test.fuzz.values import Array, Scope, Values

SCALAR_WEIGHTS = {INT: 5, UINT: 4, FLOAT: 5, HALF: 3, BFLOAT: 1, LONG: 2, ULONG: 1, SHORT: 2, USHORT: 2, CHAR: 1, UCHAR: 2}
SIMD_TYPES = (CHAR, UCHAR, SHORT, USHORT, INT, UINT, HALF, FLOAT)
UNIFORMS = 8


class Generator(Values):
    def __init__(self, seed: int):
        super().__init__(Random(seed))
        self.seed = seed
        self.names = 0
        self.budget = self.random.randint(3, 14)  # statements, or compiling would take most of the time
        # Threads that have returned never come to a barrier: a kernel has the one or the other.
        self.has_barriers = self.random.random() < 0.5
        # Every kernel leaves some of the language out, so that others are not always in its company.
        self.features = {name for name in ("vectors", "structs", "functions", "pointers", "atomics", "constants", "simd", "arrays")
                         if self.random.random() < 0.6}  # fmt: skip
        self.structs: list[Struct] = []
        self.functions: list[Function] = []
        self.atomics: dict[str, Atomic] = {}
        self.shared: dict[str, Shared] = {}
        self.shared_atomics: dict[str, Atomic] = {}

    def name(self, stem: str = "n") -> str:
        self.names += 1
        return f"{stem}{self.names}"

    def global_name(self, stem: str) -> str:
        """Many kernels share one source."""
        return f"{self.name(stem)}_{self.seed}"

    # Types

    def random_type(self) -> Type:
        element = self.random.choices(list(SCALAR_WEIGHTS), list(SCALAR_WEIGHTS.values()))[0]
        is_vector = "vectors" in self.features and self.random.random() < 0.4
        return vector(element, self.random.choice([2, 3, 4]) if is_vector else 1)

    def random_struct(self) -> Struct:
        types = [self.random.choice([INT, self.random_type()]) for _ in range(self.random.randint(1, 3))]
        if self.structs and self.random.random() < 0.4:
            types.append(self.structs[0])
        return Struct(self.global_name("S"), tuple((f"m{i}", type) for i, type in enumerate(types)))

    # The whole

    def kernel(self) -> Kernel:
        if "structs" in self.features:
            self.structs = [self.random_struct()]
            if self.random.random() < 0.3:
                self.structs.append(self.random_struct())
        constants = {self.global_name("fc"): self.random.choice([0, 1, 2, 5, -3, 100])} if "constants" in self.features else {}
        self.kernel_scope = Scope({}, constants=tuple(constants))
        shape = self.shape()
        inputs = self.inputs()
        body = self.declarations()
        self.define_functions()
        outputs = self.outputs_in_scope = self.outputs()
        self.scope = self.kernel_scope
        while self.budget > 0:
            body += self.block(self.kernel_scope)
        body += self.results(outputs)
        return Kernel(f"fuzz_{self.seed}", shape, body, inputs, outputs, self.atomics, self.shared, self.shared_atomics,
                      self.structs, self.functions, constants)  # fmt: skip

    def shape(self) -> Shape:
        """A grid of up to some thousand threads, whose last threadgroups are often cut off."""
        kind = self.random.randrange(4)
        if kind == 0:
            group = (self.random.choice([1, 7, 31, 32, 33, 64, 96, 100, 128, 256, 512, 1024]), 1, 1)
        elif kind == 1:
            group = (self.random.randint(1, 1024), 1, 1)
        elif kind == 2:
            group = (*self.random.choice([(8, 8), (16, 16), (32, 4), (5, 7), (16, 2), (64, 3), (1, 32), (3, 40)]), 1)
        else:
            group = self.random.choice([(64, 2, 2), (4, 4, 4), (32, 1, 3), (3, 5, 7), (1, 2, 16), (2, 2, 2)])
        grid = [size * self.random.randint(1, 3) - self.random.choice([0, 0, self.random.randrange(size)]) for size in group]
        # Not too many threads for the reference.
        grid = [g if size > 1 or i == 0 else self.random.choice([1, 1, 2]) for i, (g, size) in enumerate(zip(grid, group))]
        return Shape(tuple(grid), group)

    def inputs(self) -> dict[str, Input]:
        numbers = np.random.default_rng(self.seed)
        inputs = {"u": Input(INT, numbers.integers(0, 20, UNIFORMS).astype("i4"), "constant")}
        types = [INT, UINT, *(self.random_type() for _ in range(self.random.randint(1, 4)))]
        types += [INT] if "pointers" in self.features else []
        types += self.structs[:1] if self.random.random() < 0.5 else []
        for type in types:
            name, size = self.name("in"), 2 ** self.random.randint(6, 10)
            is_constant = isinstance(type, Type) and self.random.random() < 0.15
            space = "constant" if is_constant else "device const"
            inputs[name] = Input(type, random_values(numbers, type, size), space)
            self.kernel_scope.arrays[name] = Array(type, size, space)
        return inputs

    def declarations(self) -> Block:
        self.scope = self.kernel_scope
        types = [INT, UINT, *(self.random_type() for _ in range(self.random.randint(2, 6)))]
        types += [BOOL] if self.random.random() < 0.2 else []
        body: Block = [self.declare("a", INT, self.first_value(INT))]
        for type in [*types, *self.structs]:
            body.append(self.declare(self.name("v"), type, self.first_value(type)))
        if "arrays" in self.features:
            for _ in range(self.random.randint(1, 3)):
                type = self.random.choice([INT, self.random_type(), *self.structs])
                name, size = self.name("p"), self.random.choice([2, 4, 4, 8, 8, 16])
                body.append(DeclareArray(name, type, size))
                self.kernel_scope.arrays[name] = Array(type, size, "thread")
        if "pointers" in self.features:
            for _ in range(self.random.randint(1, 2)):
                arrays = [a for a in self.kernel_scope.arrays.values() if a.space != "constant"]
                array = self.random.choice(arrays)
                type = Pointer(array.space, array.type)
                body.append(self.declare(self.name("q"), type, self.pointer(type, 1)))
        return body

    def declare(self, name: str, type: AnyType, value: Expression) -> Statement:
        self.kernel_scope.variables[name] = type
        return Declare(name, type, value)

    def first_value(self, type: AnyType) -> Expression:
        """Something that differs from thread to thread."""
        loads = [(name, array) for name, array in self.kernel_scope.arrays.items() if array.type == type]
        if loads:
            name, array = self.random.choice(loads)
            return Load(name, type, Position(self.random.choice(["gid", "gid", "lid"])), array.size)
        return self.expression(type, 2)

    def outputs(self) -> dict[str, OutputArray]:
        types = [t for t in self.kernel_scope.variables.values() if not isinstance(t, Pointer) and t != BOOL]
        chosen = {type.name: type for type in self.random.choices(types, k=3)}
        return {self.name("out"): OutputArray(type, self.random.randint(1, 3)) for type in chosen.values()}

    def results(self, outputs: dict[str, OutputArray]) -> Block:
        """All variables go to some output in the end."""
        self.scope = self.kernel_scope
        body: Block = []
        for name, output in outputs.items():
            body.append(Output(name, output.slots - 1, output.slots, True, self.leaf(output.type, 4)))
        total: Expression = Variable("a", INT)
        for name, type in self.kernel_scope.variables.items():
            if isinstance(type, Type) and type.width == 1 and type.element != BFLOAT and name != "a":
                total = Arithmetic("^", Arithmetic("*", total, Constant(31, INT)), Convert(INT, Variable(name, type)))
        for name, array in self.kernel_scope.arrays.items():
            if array.space == "thread" and array.type == INT:
                for i in range(array.size):
                    total = Arithmetic("+", total, Load(name, INT, Constant(i, INT), array.size))
        outputs["out"] = OutputArray(INT, 1)
        return [*body, Output("out", 0, 1, True, total)]

    # Functions

    def define_functions(self) -> None:
        if "functions" not in self.features:
            return
        for _ in range(self.random.randint(1, 2)):
            self.choose((3, self.function), (1, self.template), (2 if self.structs else 0, self.method))

    def function_body(self, scope: Scope, type: AnyType, statements: int) -> Block:
        budget, self.budget = self.budget, statements
        body = self.block(scope)
        self.budget = budget
        outer, self.scope = self.scope, scope
        if self.random.random() < 0.4:
            body.insert(self.random.randrange(len(body) + 1), Return(self.expression(type, 1), [self.condition(1)]))
        body.append(Return(self.expression(type, 1), []))
        self.scope = outer
        return body

    def function_scope(self, variables: dict[str, AnyType], **changes) -> Scope:
        return Scope(dict(variables), constants=self.kernel_scope.constants, in_kernel=False, depth=2, uniform=False,
                     lockstep=False, **changes)  # fmt: skip

    def function(self) -> None:
        known = [t for t in self.kernel_scope.variables.values() if not isinstance(t, Pointer) and t != BOOL]
        parameters = [(self.name("x"), type) for type in self.random.choices(known, k=self.random.randint(1, 3))]
        references = tuple(name for name, _ in parameters if self.random.random() < 0.3)
        pointers = [t for t in self.kernel_scope.variables.values() if isinstance(t, Pointer)]
        if pointers and self.random.random() < 0.6:
            parameters.append((self.name("x"), self.random.choice(pointers)))
        type = self.random.choice(known)
        body = self.function_body(self.function_scope(dict(parameters)), type, self.random.randint(1, 3))
        self.functions.append(Function(self.global_name("f"), type, tuple(parameters), references, body))

    def template(self) -> None:
        """Two instantiations of one text: the same draws with other types."""
        name, draw = self.global_name("g"), self.random.random()
        random, names = self.random, self.names
        number = self.name("N")
        for type in self.random.sample([UINT, USHORT, ULONG, UCHAR], 2):
            self.random, self.names = Random(draw), names + 1
            t, count = Parameter("T", type.dtype), random.randint(1, 4)
            parameters = (("x", t), ("y", t))
            scope = self.function_scope(dict(parameters), numbers=(TemplateNumber(number, count),))
            value = Arithmetic(self.random.choice("+-^"), self.expression_in(scope, t), Convert(t, TemplateNumber(number, count)))
            body = [For("i", TemplateNumber(number, count), 1, [Assign(VariablePlace("x", t), value)]), Return(self.expression_in(scope, t), [])]
            # Outside of the template, its parameters have their own names.
            self.functions.append(Function(name, t, parameters, (), body, f"template <class T, int {number}>", f"<{type.name}, {count}>"))
        self.random = random

    def expression_in(self, scope: Scope, type: AnyType) -> Expression:
        outer, self.scope = self.scope, scope
        value = self.expression(type)
        self.scope = outer
        return value

    def method(self) -> None:
        owner = self.random.choice(self.structs)
        known = [t for t in self.kernel_scope.variables.values() if isinstance(t, Type) and t != BOOL]
        parameters = [(self.name("x"), self.random.choice(known)) for _ in range(self.random.randint(0, 2))]
        type, is_const = self.random.choice(known), self.random.random() < 0.5
        fields = dict(owner.fields)
        scope = self.function_scope({**fields, **dict(parameters)})
        if is_const:
            body = [Return(self.expression_in(scope, type), [])]
        else:
            body = self.function_body(scope, type, 2)
        self.functions.append(Function(self.name("method"), type, tuple(parameters), (), body, owner=owner, is_const=is_const))

    def call(self) -> Statement | None:
        """None if nothing in scope fits."""
        function = self.random.choice(self.functions)
        variables = self.scope.variables
        result = by_dtype(function.type) if isinstance(function.type, Parameter) else function.type
        places = [name for name, t in variables.items() if t == result]
        objects = [name for name, t in variables.items() if t == function.owner]
        if not places or (function.owner and not objects):
            return None
        arguments: list[Expression] = []
        free = dict(variables)
        for name, type in function.parameters:
            type = by_dtype(type) if isinstance(type, Parameter) else type
            if name not in function.references:
                arguments.append(self.expression(type, 2))
                continue
            fitting = [n for n, t in free.items() if t == type]
            if not fitting:
                return None
            arguments.append(Variable(self.random.choice(fitting), type))
            del free[arguments[-1].name]
        place = VariablePlace(self.random.choice(places), result)
        return Invoke(place, function, arguments, self.random.choice(objects) if function.owner else "")

    # Statements

    def block(self, scope: Scope) -> Block:
        outer, self.scope = self.scope, scope
        statements = [self.statement()]
        for _ in range(self.random.randint(0, 3 - scope.depth // 2)):
            if self.budget > 0:
                statements.append(self.statement())
        self.scope = outer
        return statements

    def statement(self) -> Statement:
        s = self.scope
        self.budget -= 1
        choices = [(9, self.assign)]
        if s.depth < 4 and self.budget > 0:
            choices += [(4, self.branch), (2, self.for_loop), (1.5, self.while_loop), (1, self.switch)]
            if any(isinstance(t, Pointer) for t in s.variables.values()) and s.arrays:
                choices.append((2, self.walk))
        if s.in_kernel:
            choices.append((2, self.output))
            if "atomics" in self.features:
                choices.append((1.5, self.atomic))
            if self.functions:
                choices.append((4, lambda: self.call() or self.assign()))
            if s.lockstep and "simd" in self.features:
                choices.append((4, self.simd))
            if not self.has_barriers and s.depth > 0:
                choices.append((0.5, lambda: Leave("return", self.condition())))
            if self.has_barriers and s.uniform:
                choices.append((4, self.exchange))
        if s.in_loop:
            choices.append((1.5, lambda: Leave(self.random.choice(["break", "continue"]), self.condition())))
        return self.choose(*choices)

    def place(self) -> Place:
        """Something to assign to."""
        s, choices = self.scope, []
        name, type = self.random.choice(list(s.variables.items()))
        if isinstance(type, Struct):
            choices.append((3, lambda: FieldPlace(name, type, self.path(type))))
        if type.is_vector:
            components = "".join(self.random.sample("xyzw"[: type.width], self.random.randint(1, type.width)))
            choices.append((2, lambda: ComponentsPlace(name, type, components)))
            choices.append((1, lambda: ComponentPlace(name, type, self.expression(UINT, 2))))
        private = [(n, a) for n, a in s.arrays.items() if a.space == "thread"]
        if private:
            array, a = self.random.choice(private)
            choices.append((1, lambda: ElementPlace(array, a.type, self.index(), a.size)))
        pointers = [(n, t) for n, t in s.variables.items() if isinstance(t, Pointer) and t.space == "thread"]
        if pointers:
            pointer, t = self.random.choice(pointers)
            choices.append((1, lambda: PointerPlace(Dereference(Variable(pointer, t), self.index(), self.half(t)))))
        return self.choose((3, lambda: VariablePlace(name, type)), *choices)

    def path(self, struct: Struct) -> str:
        name, type = self.random.choice(struct.fields)
        return f"{name}.{self.path(type)}" if isinstance(type, Struct) else name

    def assign(self) -> Statement:
        place = self.place()
        if isinstance(place.type, Pointer) and not self.scope.arrays:
            return Assign(place, Variable(place.name, place.type))
        return Assign(place, self.expression(place.type))

    def output(self) -> Statement:
        name, array = self.random.choice(list(self.outputs_in_scope.items()))
        return Output(name, self.random.randrange(array.slots), array.slots, True, self.expression(array.type))

    def atomic(self) -> Statement:
        index = self.choose((1, lambda: self.expression(INT, 1)), (1, self.uniform))
        if self.has_barriers and self.scope.uniform and self.random.random() < 0.5:
            atomic = self.random_atomic(self.shared_atomics, "ta", [INT, UINT])
            place = [n for n, t in self.scope.variables.items() if t == atomic.type]
            if place:
                return ThreadgroupAtomic(atomic, self.condition(), index, self.expression(atomic.type, 1),
                                         VariablePlace(self.random.choice(place), atomic.type), self.expression(UINT, 2))  # fmt: skip
        atomic = self.random_atomic(self.atomics, "at", atomics.TYPES)
        return DeviceAtomic(atomic, index, self.expression(atomic.type, 1))

    def random_atomic(self, known: dict[str, Atomic], stem: str, types) -> Atomic:
        if len(known) < 3 and (not known or self.random.random() < 0.5):
            type = self.random.choice(types)
            name = self.name(stem)
            known[name] = Atomic(name, self.random.choice(atomics.functions(type)), type)
        return self.random.choice(list(known.values()))

    def branch(self) -> Statement:
        uniform = self.scope.in_kernel and self.random.random() < 0.25
        condition = self.uniform_condition() if uniform else self.condition()
        scope = self.scope.inner(uniform=self.scope.uniform and uniform)
        return If(condition, self.block(scope), self.block(scope) if self.random.random() < 0.5 else [])

    def for_loop(self) -> Statement:
        uniform = self.scope.in_kernel and self.random.random() < 0.5
        if uniform:
            limit = self.choose((1, lambda: Constant(self.random.randint(1, 9), INT)),
                                (1, lambda: Arithmetic("&", self.uniform(), Constant(7, INT))))  # fmt: skip
        else:
            limit = Arithmetic("&", self.expression(INT, 1), Constant(7, INT))
        counter = self.name()
        # A divergent break would make the next barrier one that not all threads come to.
        scope = self.scope.inner(uniform=self.scope.uniform and uniform)
        scope.numbers = (*scope.numbers, Variable(counter, INT))
        scope.in_loop = not scope.uniform
        return For(counter, limit, self.random.randint(1, 3), self.block(scope))

    def while_loop(self) -> Statement:
        scope = self.scope.inner(uniform=False, in_loop=True)
        return While(self.name(), self.condition(), self.random.randint(1, 9), self.block(scope), self.random.random() < 0.4)

    def walk(self) -> Statement:
        types = {t for t in self.scope.variables.values() if isinstance(t, Pointer)}
        type = self.random.choice(sorted(types, key=lambda t: t.name))
        half = self.half(type)
        arrays = [n for n, a in self.scope.arrays.items() if a.type == type.target and a.space == type.space]
        # From the first eighth of the array, up to 3 steps of 2: it must stay inside.
        if not arrays or half < 32:
            return self.assign()
        start = AddressOf(self.random.choice(arrays), type, self.index(), half // 4)
        name = self.name("w")
        scope = self.scope.inner(uniform=False, in_loop=True)
        read = Dereference(Variable(name, type), Constant(self.random.randrange(2), INT), half // 4)
        places = [n for n, t in scope.variables.items() if t == type.target]
        body = self.block(scope)
        if places:
            body.insert(0, Assign(VariablePlace(self.random.choice(places), type.target), read))
        if type.target == INT:
            body.append(Assign(VariablePlace("a", INT), Arithmetic("+", Variable("a", INT), read)))
        return Walk(name, start, self.expression(INT, 1), self.random.randint(1, 2), self.random.random() < 0.4, body)

    def switch(self) -> Statement:
        scope = self.scope.inner(uniform=False, in_loop=False, lockstep=False)
        count = self.random.randint(2, 4)
        falls = {i for i in range(count - 1) if self.random.random() < 0.3}
        return Switch(self.expression(self.random.choice([INT, UINT])), [Case(self.block(scope)) for _ in range(count)], falls)

    # Between threads

    def simd(self) -> Statement:
        variables = [(n, t) for n, t in self.scope.variables.items() if isinstance(t, Type) and t.element in SIMD_TYPES]
        name, type = self.random.choice(variables)
        scope = "quad" if self.random.random() < 0.2 else "simd"

        def reduce():
            functions = FLOAT_REDUCTIONS if type.is_float else INTEGER_REDUCTIONS
            return Reduce(self.random.choice(functions), self.expression(type), scope)

        def vote():
            function = self.random.choice(["any", "all", "ballot"] if scope == "simd" else ["any", "all"])
            return Vote(function, self.condition(), scope)

        value = self.choose(
            (3, reduce),
            (2, lambda: Shuffle(self.expression(type), self.source_lane())),
            (2, lambda: Move(self.random.choice(MOVES), self.expression(type), self.random.randrange(32))),
            (2, vote),
            (1, lambda: First(self.expression(type))),
            (0.3, IsFirst),
        )
        names = [n for n, t in self.scope.variables.items() if t == value.type]
        return Assign(VariablePlace(self.random.choice(names), value.type), value) if names else self.assign()

    def source_lane(self) -> Expression:
        lane, number = Position("lane"), Constant(self.random.randint(0, 31), UINT)
        return self.choose(
            (2, lambda: Arithmetic(self.random.choice("^+-"), lane, number)),
            (1, lambda: self.expression(UINT)),
            (1, lambda: number),
            (1, lambda: Convert(UINT, self.uniform())),
        )

    def exchange(self) -> Statement:
        variables = [(n, t) for n, t in self.scope.variables.items() if not isinstance(t, Pointer) and t != BOOL]
        name, type = self.random.choice(variables)
        array = f"t_{type.name}"
        if array not in self.shared:
            self.shared[array] = Shared(type, self.random.random() < 0.3)
        source = self.choose((1, lambda: Arithmetic("+", Position("lid"), self.constant(UINT))),
                             (1, lambda: Arithmetic("-", Position("group_size"), Position("lid"))),
                             (1, lambda: self.expression(UINT)))  # fmt: skip
        lane = self.random.randint(1, 31) if self.random.random() < 0.2 else 0
        return Exchange(VariablePlace(name, type), self.expression(type), source, array, lane)


def by_dtype(type: Type) -> Type:
    return next(t for t in (UINT, USHORT, ULONG, UCHAR) if t.dtype == type.dtype)


def random_values(numbers: np.random.Generator, type: AnyType, size: int) -> np.ndarray:
    """Small numbers, and some of any size."""
    if isinstance(type, Struct):
        values = type.zeros(size)
        for name, t in type.fields:
            values[name] = random_values(numbers, t, size)
        return values
    shape = type.shape(size)
    if type.is_float:
        small = numbers.integers(-40, 41, shape) / numbers.choice([1, 1, 2, 8], shape)
        wide = numbers.standard_normal(shape) * 10.0 ** numbers.integers(-4, 5, shape)
        values = np.where(numbers.random(shape) < 0.7, small, wide)
        special = numbers.choice([np.inf, -np.inf, np.nan, -0.0, 0.0, 1e-40], shape)
        with np.errstate(over="ignore"):
            return type.rounded(np.where(numbers.random(shape) < 0.02, special, values))
    info = np.iinfo(type.dtype)
    wide = numbers.integers(info.min, info.max, shape, dtype=type.dtype, endpoint=True)
    return np.where(numbers.random(shape) < 0.5, numbers.integers(0, 10, shape).astype(type.dtype), wide)


def generate(seed: int) -> Kernel:
    return Generator(seed).kernel()
