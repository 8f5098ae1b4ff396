"""Functions of the program itself: plain ones, templates and methods."""

from dataclasses import dataclass

import numpy as np

from test.fuzz.expressions import Expression
from test.fuzz.machine import Machine
from test.fuzz.memory import Place
from test.fuzz.statements import Block, Statement, block_msl, line, run_block
from test.fuzz.types import INT, AnyType, Struct, Type

RESULT = "result of this call"


@dataclass
class TemplateNumber(Expression):
    """An integer parameter of a template."""

    name: str
    number: int
    type: Type = INT

    def msl(self):
        return self.name

    def value(self, m):
        return np.full(m.threads, self.number, INT.dtype)


@dataclass
class Return(Statement):
    """Under a condition, or always if that is missing."""

    expression: Expression
    condition: list[Expression]

    def msl(self, depth):
        text = f"return {self.expression.msl()};"
        return line(depth, f"if ({self.condition[0].msl()}) {text}" if self.condition else text)

    def run(self, m, mask):
        if self.condition:
            mask = mask & self.condition[0].value(m)
        m.assign(RESULT, self.expression.value(m), mask)
        m.returned |= mask


@dataclass
class Function:
    """`parameters`: names and types; those in `references` are written back. A method has an `owner`."""

    name: str
    type: AnyType
    parameters: tuple[tuple[str, AnyType], ...]
    references: tuple[str, ...]
    body: Block
    template: str = ""  # "template <class T, int N>"
    arguments: str = ""  # "<uint, 3>"
    owner: Struct | None = None
    is_const: bool = False

    def msl(self) -> str:
        def parameter(name: str, type: AnyType) -> str:
            return f"thread {type.name}& {name}" if name in self.references else f"{type.name} {name}"

        head = f"{self.type.name} {self.name}({', '.join(parameter(*p) for p in self.parameters)})"
        head += " const {" if self.is_const else " {"
        depth = 1 if self.owner else 0
        text = line(depth, self.template) if self.template else ""
        return text + line(depth, head) + block_msl(self.body, depth + 1) + line(depth, "}")

    def run(self, m: Machine, arguments: dict[str, np.ndarray], mask: np.ndarray) -> dict[str, np.ndarray]:
        """The variables at its end, the result among them."""
        with m.call({**arguments, RESULT: self.type.zeros(m.threads)}) as variables:
            run_block(self.body, m, mask)
            return variables


@dataclass
class Invoke(Statement):
    """place = function(arguments), or place = object.function(arguments)."""

    place: Place
    function: Function
    arguments: list[Expression]
    object: str = ""

    def msl(self, depth):
        text = f"{self.function.name}{self.function.arguments}({', '.join(a.msl() for a in self.arguments)})"
        return line(depth, f"{self.place.msl()} = {self.object + '.' if self.object else ''}{text};")

    def run(self, m, mask):
        arguments = {name: argument.value(m) for (name, _), argument in zip(self.function.parameters, self.arguments)}
        owner = self.function.owner
        if owner:
            record = m.variables[self.object]
            arguments.update({name: record[name].copy() for name, _ in owner.fields})
        results = self.function.run(m, arguments, mask)
        for (name, _), argument in zip(self.function.parameters, self.arguments):
            if name in self.function.references:
                m.assign(argument.name, results[name], mask)
        if owner and not self.function.is_const:
            changed = owner.zeros(m.threads)
            for name, _ in owner.fields:
                changed[name] = results[name]
            m.assign(self.object, changed, mask)
        self.place.assign(m, results[RESULT], mask)
