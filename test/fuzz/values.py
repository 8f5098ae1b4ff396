"""Random expressions."""

from dataclasses import dataclass, field
from random import Random

from test.fuzz.expressions import (
    Arithmetic, Compare, Component, Constant, Construct, Convert, Expression, Field, FloatArithmetic, FunctionConstant, Fused,
    Logic, OfAll, Position, Reinterpret, Select, Swizzle, Variable,
)  # fmt: skip
from test.fuzz.functions import FLOAT_FUNCTIONS, INTEGER_FUNCTIONS, Bits, Call, FloatCall
from test.fuzz.memory import AddressOf, Dereference, Load, Window
from test.fuzz.types import (
    BFLOAT, BOOL, FLOAT, FLOATS, INT, INTEGERS, UINT, AnyType, Parameter, Pointer, Struct, Type, vector,
)  # fmt: skip

POSITIONS = ["gid", "lid", "lane", "group", "lx", "ly", "gx", "group_size", "simdgroup", "lz", "gy"]


@dataclass
class Array:
    """An array that expressions may read. Windows are taken of device arrays alone."""

    type: AnyType
    size: int
    space: str


@dataclass
class Scope:
    """Where an expression or statement stands, and what it can name there."""

    variables: dict[str, AnyType]
    arrays: dict[str, Array] = field(default_factory=dict)
    constants: tuple[str, ...] = ()
    numbers: tuple[Expression, ...] = ()  # loop counters and template numbers: ints that nothing assigns
    in_kernel: bool = True  # positions are at hand
    depth: int = 0
    in_loop: bool = False
    uniform: bool = True  # all threads of the threadgroup come here together
    lockstep: bool = True  # SIMD-group functions may stand here

    def inner(self, **changes) -> "Scope":
        return Scope(**{**self.__dict__, "depth": self.depth + 1, **changes})


class Values:
    """Draws expressions of a type from a scope."""

    def __init__(self, random: Random):
        self.random = random
        self.scope = self.kernel_scope = Scope({})

    def choose(self, *weighted):
        """One of (weight, function) pairs, called."""
        functions = [function for _, function in weighted]
        return self.random.choices(functions, [weight for weight, _ in weighted])[0]()

    def expression(self, type: AnyType, depth: int = 0) -> Expression:
        if isinstance(type, Struct):
            return self.structure(type, depth)
        if isinstance(type, Pointer):
            return self.pointer(type, depth)
        if type == BOOL:
            return self.condition(depth + 1)
        if depth > 2 or self.random.random() < 0.3:
            return self.leaf(type, depth)
        if isinstance(type, Parameter):
            return Arithmetic(self.random.choice("+-&|^"), self.expression(type, depth + 1), self.expression(type, depth + 1))
        if type.element == BOOL:
            return Compare(self.random.choice(["<", "==", ">="]), *self._two(vector(INT, type.width), depth + 1))
        if type.is_vector and self.random.random() < 0.4:
            return self.vector_expression(type, depth)
        return self.float_expression(type, depth) if type.is_float else self.integer_expression(type, depth)

    def _two(self, type: AnyType, depth: int) -> tuple[Expression, Expression]:
        return self.expression(type, depth), self.expression(type, depth)

    # Leaves

    def sources(self, type: AnyType) -> list[Expression]:
        """What can be read without further arithmetic."""
        found: list[Expression] = []
        for name, t in self.scope.variables.items():
            variable = Variable(name, t)
            if t == type:
                found += [variable, variable, variable]
            elif isinstance(t, Struct):
                found += self._fields(variable, type)
            elif t.is_vector and type == t.element:
                found.append(Swizzle(variable, self.random.choice("xyzw"[: t.width])))
                found.append(Component(variable, Constant(self.random.randrange(t.width), UINT)))
            elif t.is_vector and type.is_vector and t.element == type.element:
                found.append(Swizzle(variable, "".join(self.random.choices("xyzw"[: t.width], k=type.width))))
        if type == INT:
            found += self.scope.numbers
            found += [FunctionConstant(name) for name in self.scope.constants]
        if self.scope.in_kernel and type == UINT:
            found += [Position(name) for name in self.random.sample(POSITIONS, 3)]
        if self.scope.in_kernel and type == INT:
            found.append(self.uniform())
        return found

    def _fields(self, operand: Expression, type: AnyType) -> list[Expression]:
        found = []
        for name, t in operand.type.fields:
            if t == type:
                found.append(Field(operand, name))
            elif isinstance(t, Struct):
                found += self._fields(Field(operand, name), type)
        return found

    def uniform(self) -> Expression:
        return Load("u", INT, Constant(self.random.randrange(8), INT), 8)

    def leaf(self, type: AnyType, depth: int = 3) -> Expression:
        sources = self.sources(type)
        if sources and self.random.random() < 0.75:
            return self.random.choice(sources)
        loads = self.loads(type)
        if loads and depth <= 3 and self.random.random() < 0.3:
            return self.load(type, loads, 3)
        if type.is_vector and self.random.random() < 0.7:
            return Construct(type, [self.leaf(type.element, 4)])
        return self.constant(type)

    def constant(self, type: AnyType) -> Expression:
        if isinstance(type, Struct):
            return Construct(type, [self.constant(t) for _, t in type.fields])
        if type.is_vector:
            return Construct(type, [self.constant(type.element) for _ in range(type.width)])
        if type == BOOL:
            return Constant(self.random.randrange(2), BOOL)
        if type.is_float:
            return Constant(self.random.choice([0, 1, -1, 2, 3, 0.5, -0.25, 7, 100, -9, 1.5]), type)
        numbers = [0, 1, 2, 3, 7, 9, 31, 100] + ([-1, -5] if type.is_signed else [])
        if not isinstance(type, Parameter):
            numbers += [2 ** (type.bits - 1) - 1, -(2 ** (type.bits - 1)) if type.is_signed else 2**type.bits - 1]
        return Constant(self.random.choice(numbers), type)

    # Memory

    def loads(self, type: AnyType) -> list:
        """Ways to read a value of the type from memory: functions of nothing."""
        found = []
        for name, array in self.scope.arrays.items():
            if array.type == type:
                found.append(lambda name=name, array=array: self.element(name, array))
        for name, t in self.scope.variables.items():
            if isinstance(t, Pointer) and t.target == type:
                found.append(lambda name=name, t=t: Dereference(Variable(name, t), self.index(), self.half(t)))
        return found

    def half(self, type: Pointer) -> int:
        """Half of the smallest array that such a pointer may point into: offsets stay below it."""
        sizes = [a.size for a in self.kernel_scope.arrays.values() if a.type == type.target and a.space == type.space]
        return min(sizes) // 2

    def index(self) -> Expression:
        return self.expression(self.random.choice([INT, UINT]), 2)

    def element(self, name: str, array: Array) -> Expression:
        if array.space == "device const" and self.scope.in_kernel and isinstance(array.type, Type) and self.random.random() < 0.4:
            offset = self.choose((1, lambda: self.constant(INT)), (1, self.uniform))
            return Window(name, array.type, offset, self.random.choice([1, 1, 1, 2, 3, 4]), array.size)
        return Load(name, array.type, self.index(), array.size)

    def load(self, type: AnyType, loads: list, depth: int) -> Expression:
        return self.random.choice(loads)()

    def pointer(self, type: Pointer, depth: int) -> Expression:
        arrays = [(n, a) for n, a in self.scope.arrays.items() if a.type == type.target and a.space == type.space]
        variables = [name for name, t in self.scope.variables.items() if t == type]
        choices = []
        if arrays:
            name, _ = self.random.choice(arrays)
            choices.append((3, lambda: AddressOf(name, type, self.index(), self.half(type))))
        if variables:
            choices.append((1, lambda: Variable(self.random.choice(variables), type)))
        if depth < 2:
            choices.append((1, lambda: Select(self.condition(2), *self._two(type, depth + 1))))
        return self.choose(*choices)

    def structure(self, type: Struct, depth: int) -> Expression:
        sources, loads = self.sources(type), self.loads(type)
        choices = [(1, lambda: Construct(type, [self.expression(t, depth + 2) for _, t in type.fields]))]
        if sources:
            choices.append((2, lambda: self.random.choice(sources)))
        if loads:
            choices.append((2, lambda: self.load(type, loads, depth)))
        if depth < 1:
            choices.append((1, lambda: Select(self.condition(2), *self._two(type, depth + 1))))
        return self.choose(*choices)

    # Operations

    def integer_expression(self, type: Type, depth: int) -> Expression:
        def two():
            return self._two(type, depth + 1)

        def divide():
            # Clang gives a literal zero as divisor no meaning at all.
            variables = [Variable(name, t) for name, t in self.scope.variables.items() if t == type]
            if not variables:
                return Arithmetic("-", *two())
            return Arithmetic(self.random.choice("/%"), self.expression(type, depth + 1), self.random.choice(variables))

        def call():
            count = self.random.choice([1, 1, 2, 2, 2, 3])
            function = self.random.choice(INTEGER_FUNCTIONS[count])
            if function == "abs" and not type.is_signed:
                function = "popcount"
            if function == "~":
                return Call("~", [self.expression(type, depth + 1)])
            return Call(function, [self.expression(type, depth + 1) for _ in range(count)])

        choices = [
            (10, lambda: Arithmetic(self.random.choice("+-*&|^+-"), *two())),
            (2, lambda: Arithmetic(self.random.choice(["<<", ">>"]), *two())),
            (1, divide),
            (1, lambda: self.select(type, depth)),
            (2, call),
            (0.5, lambda: self.bit_field(type, depth)),
            (3, lambda: self.other_type(type, depth)),
        ]
        if loads := self.loads(type):
            choices.append((4, lambda: self.load(type, loads, depth)))
        return self.choose(*choices)

    def bit_field(self, type: Type, depth: int) -> Expression:
        offset = self.random.randrange(type.bits)
        count = self.random.randint(0, type.bits - offset)
        operands = [self.expression(type, depth + 1) for _ in range(self.random.choice([1, 2]))]
        return Bits("extract_bits" if len(operands) == 1 else "insert_bits", operands, offset, count)

    def select(self, type: Type, depth: int) -> Expression:
        # The ternary operator chooses whole values; select(), components.
        if type.is_vector and type.element != BFLOAT and self.random.random() < 0.5:
            compared = vector(self.random.choice([INT, UINT, FLOAT, type.element]), type.width)
            condition = Compare(self.random.choice(["<", ">", "==", "!="]), *self._two(compared, depth + 1))
            return Select(condition, *self._two(type, depth + 1))
        return Select(self.condition(depth + 1), *self._two(type, depth + 1))

    def float_expression(self, type: Type, depth: int) -> Expression:
        operators = ["+", "-", "*", "/"] if type.element == BFLOAT else ["+", "-", "*", "/", "least", "greatest"]
        choices = [
            (6, lambda: FloatArithmetic(self.random.choice(operators), *self._two(type, depth + 1))),
            (1, lambda: self.select(type, depth)),
            (3, lambda: self.other_type(type, depth)),
        ]
        if type.element != BFLOAT:
            choices.append((2, lambda: FloatCall(self.random.choice(FLOAT_FUNCTIONS), self.expression(type, depth + 1))))
        if type.element == FLOAT:
            choices.append((1, lambda: Fused(*(self.expression(type, depth + 1) for _ in range(3)))))
        if loads := self.loads(type):
            choices.append((3, lambda: self.load(type, loads, depth)))
        return self.choose(*choices)

    def other_type(self, type: Type, depth: int) -> Expression:
        """From another type: converted, or its bits."""
        if self.random.random() < 0.25:
            options = []
            for element in (*INTEGERS, *FLOATS):
                for width in (1, 2, 4):
                    t = vector(element, width)
                    if t != type and type.width != 3 and t.bits * t.width == type.bits * type.width:
                        options.append(t)
            # bfloat keeps no NaN's bits, and has no function that looks for them.
            options = [t for t in options if t.element != BFLOAT and type.element != BFLOAT]
            if options:
                return Reinterpret(type, self.expression(self.random.choice(options), max(depth, 1) + 1))
        elements = [t for t in (*INTEGERS, *FLOATS) if t != type.element]
        known = {t.element for t in self.scope.variables.values() if isinstance(t, Type) and t.width == type.width}
        likely = [t for t in elements if t in known]
        source = self.random.choice(likely if likely and self.random.random() < 0.7 else elements)
        return Convert(type, self.expression(vector(source, type.width), max(depth, 1) + 1))

    def vector_expression(self, type: Type, depth: int) -> Expression:
        def parts():
            widths = self.random.choice({2: [[1, 1]], 3: [[1, 2], [2, 1], [1, 1, 1]], 4: [[2, 2], [1, 3], [1, 1, 2], [3, 1]]}[type.width])
            return Construct(type, [self.expression(vector(type.element, w), depth + 2) for w in widths])

        def swizzle():
            source = vector(type.element, self.random.choice([2, 3, 4]))
            return Swizzle(self.named(source), "".join(self.random.choices("xyzw"[: source.width], k=type.width)))

        return self.choose((2, parts), (2, swizzle), (1, lambda: Construct(type, [self.expression(type.element, depth + 1)])))

    def named(self, type: Type) -> Expression:
        """An expression that a dot may follow."""
        variables = [Variable(name, t) for name, t in self.scope.variables.items() if t == type]
        return self.random.choice(variables) if variables else Construct(type, [self.leaf(type.element, 4)])

    # Conditions

    def condition(self, depth: int = 0) -> Expression:
        types = [t for t in self.scope.variables.values() if isinstance(t, Type) and t.element != BOOL]
        type = self.random.choice([INT, UINT, *types])
        operator = self.random.choice(["<", ">", "==", "!=", "<=", ">="])
        compare = Compare(operator, *self._two(type, depth + 1))
        if type.is_vector:
            compare = OfAll(self.random.choice(["any", "all"]), compare)
        if depth < 2 and self.random.random() < 0.2:
            return Logic(self.random.choice(["&&", "||"]), compare, self.condition(depth + 1))
        return compare

    def uniform_condition(self) -> Expression:
        return Compare(self.random.choice("<>"), self.uniform(), self.constant(INT))
