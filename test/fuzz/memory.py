"""Arrays, pointers into them, and places that can be assigned to."""

from dataclasses import dataclass

import numpy as np

from test.fuzz.expressions import Expression, Node
from test.fuzz.machine import Machine
from test.fuzz.types import AnyType, Pointer, Struct, Type


@dataclass
class Load(Expression):
    """An element of an array; `index` is taken modulo `size`, a power of two."""

    array: str
    type: AnyType
    index: Expression
    size: int

    def msl(self):
        return f"{self.array}[{self.index.msl()} & {self.size - 1}]"

    def value(self, m):
        index = self.index.value(m)
        return m.load(m.address(self.array, index & index.dtype.type(self.size - 1)))


@dataclass
class Window(Expression):
    """An element near the thread's own, if there is one: `j = gid * scale + offset; j < size ? input[j] : 0`."""

    array: str
    type: Type
    offset: Expression
    scale: int
    size: int

    def msl(self):
        index = f"(gid * {self.scale}u + uint({self.offset.msl()}))"
        return f"({index} < {self.size}u ? {self.array}[{index}] : {self.type.name}(0))"

    def value(self, m):
        index = (m.gid * self.scale + self.offset.value(m).astype(np.int64)) % 2**32
        inside = index < self.size
        value = m.load(m.address(self.array, np.where(inside, index, 0)))
        value[~inside] = 0
        return value


@dataclass
class AddressOf(Expression):
    """Of an element in the first `half` of an array, so that as many more lie behind it."""

    array: str
    type: Pointer
    index: Expression
    half: int

    def msl(self):
        return f"(&{self.array}[{self.index.msl()} & {self.half - 1}])"

    def value(self, m):
        index = self.index.value(m)
        return m.address(self.array, index & index.dtype.type(self.half - 1))


@dataclass
class Dereference(Expression):
    """pointer[offset], with the offset below `half`."""

    pointer: Expression
    offset: Expression
    half: int

    @property
    def type(self):
        return self.pointer.type.target

    def msl(self):
        return f"{self.pointer.msl()}[{self.offset.msl()} & {self.half - 1}]"

    def address(self, m: Machine) -> np.ndarray:
        offset = self.offset.value(m)
        return self.pointer.value(m) + (offset & offset.dtype.type(self.half - 1)).astype(np.int64)

    def value(self, m):
        return m.load(self.address(m))


class Place(Node):
    """What can stand on the left of an assignment."""

    type: AnyType

    def msl(self) -> str:
        raise NotImplementedError

    def assign(self, m: Machine, value: np.ndarray, mask: np.ndarray) -> None:
        raise NotImplementedError


@dataclass
class VariablePlace(Place):
    name: str
    type: AnyType

    def msl(self):
        return self.name

    def assign(self, m, value, mask):
        m.assign(self.name, value, mask)


@dataclass
class ComponentsPlace(Place):
    """v.zx: components by name, each once."""

    name: str
    vector: Type
    components: str

    @property
    def type(self):
        return self.vector.with_width(len(self.components))

    def msl(self):
        return f"{self.name}.{self.components}"

    def assign(self, m, value, mask):
        vector = m.variables[self.name].copy()
        for i, component in enumerate(self.components):
            vector[:, "xyzw".index(component)] = value[:, i] if self.type.is_vector else value
        m.assign(self.name, vector, mask)


@dataclass
class ComponentPlace(Place):
    """v[i]: a component by number, modulo the width."""

    name: str
    vector: Type
    index: Expression

    @property
    def type(self):
        return self.vector.element

    def msl(self):
        return f"{self.name}[{self.index.msl()} % {self.vector.width}u]"

    def assign(self, m, value, mask):
        vector = m.variables[self.name].copy()
        vector[np.arange(m.threads), (self.index.value(m) % self.vector.width).astype(int)] = value
        m.assign(self.name, vector, mask)


@dataclass
class FieldPlace(Place):
    name: str
    struct: Struct
    path: str  # "a" or "inner.b"

    @property
    def type(self):
        type = self.struct
        for name in self.path.split("."):
            type = type.field(name)
        return type

    def msl(self):
        return f"{self.name}.{self.path}"

    def assign(self, m, value, mask):
        record = m.variables[self.name].copy()
        field = record
        for name in self.path.split("."):
            field = field[name]
        field[mask] = value[mask]
        m.assign(self.name, record, mask)


@dataclass
class ElementPlace(Place):
    """An element of a private array, `index` modulo `size`."""

    array: str
    type: AnyType
    index: Expression
    size: int

    def msl(self):
        return f"{self.array}[{self.index.msl()} & {self.size - 1}]"

    def assign(self, m, value, mask):
        index = self.index.value(m)
        m.store(m.address(self.array, index & index.dtype.type(self.size - 1)), value, mask)


@dataclass
class PointerPlace(Place):
    target: Dereference

    @property
    def type(self):
        return self.target.type

    def msl(self):
        return self.target.msl()

    def assign(self, m, value, mask):
        m.store(self.target.address(m), value, mask)
