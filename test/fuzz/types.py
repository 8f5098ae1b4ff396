"""MSL's types, and how the reference and memory hold their values.

The reference holds one value a row: a scalar is an element, a vector of n a row of n, a structure an element of a NumPy
record. `bfloat`, which NumPy lacks, is a float32 that is rounded after each operation.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Type:
    """A scalar, or a vector of `width` of them."""

    name: str
    dtype: np.dtype
    width: int = 1

    @property
    def element(self) -> "Type":
        return SCALARS[self.element_name] if self.is_vector else self

    @property
    def element_name(self) -> str:
        return self.name[:-1] if self.width > 1 else self.name

    @property
    def is_vector(self) -> bool:
        return self.width > 1

    @property
    def is_float(self) -> bool:
        return self.dtype.kind == "f"

    @property
    def is_integer(self) -> bool:
        return self.dtype.kind in "iu"

    @property
    def is_signed(self) -> bool:
        return self.dtype.kind == "i"

    @property
    def bits(self) -> int:
        """Of an element."""
        return 16 if self.element_name == "bfloat" else 8 * self.dtype.itemsize

    @property
    def bytes(self) -> int:
        """In memory, as the elements of an array."""
        return self.bits // 8 * self.memory_width

    @property
    def memory_width(self) -> int:
        return 4 if self.width == 3 else self.width

    @property
    def alignment(self) -> int:
        return self.bytes

    @property
    def unsigned(self) -> "Type":
        """The unsigned type that arithmetic is done in: of at least 32 bits if it is a scalar, as C promotes it."""
        if self.is_vector:
            return vector(UNSIGNED[self.bits], self.width)
        return UNSIGNED[max(self.bits, 32)]

    def with_width(self, width: int) -> "Type":
        return vector(self.element, width)

    def shape(self, *leading: int) -> tuple[int, ...]:
        return (*leading, self.width) if self.is_vector else leading

    def zeros(self, *leading: int) -> np.ndarray:
        return np.zeros(self.shape(*leading), self.dtype)

    def rounded(self, value: np.ndarray) -> np.ndarray:
        """What is left of the result of an operation when it is stored in this type. Integers wrap."""
        value = np.asarray(value).astype(self.dtype)
        return bfloat_rounded(value) if self.element_name == "bfloat" else value

    @property
    def memory_dtype(self) -> np.dtype:
        base = np.dtype("u2") if self.element_name == "bfloat" else np.dtype("u1") if self.dtype.kind == "b" else self.dtype
        return np.dtype((base, (self.memory_width,))) if self.is_vector else base

    def to_memory(self, values: np.ndarray) -> np.ndarray:
        """An array of `memory_dtype`. What lies between vectors of three is zero."""
        if self.element_name == "bfloat":
            values = (np.ascontiguousarray(values).view("u4") >> 16).astype("u2")
        memory = np.zeros(len(values), self.memory_dtype)
        if self.is_vector:
            memory[:, : self.width] = values
        else:
            memory[:] = values
        return memory

    def from_memory(self, memory: np.ndarray) -> np.ndarray:
        values = memory[:, : self.width] if self.is_vector else memory
        if self.element_name == "bfloat":
            return np.ascontiguousarray(values.astype("u4") << 16).view("f4")
        return values.astype(self.dtype)


def bfloat_rounded(value: np.ndarray) -> np.ndarray:
    """float32, to the nearest that fits into its upper 16 bits."""
    bits = np.ascontiguousarray(value, "f4").view("u4").astype("u8")
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype("u4").view("f4")
    return np.where(np.isnan(value), np.float32(np.nan), rounded.reshape(np.shape(value)))


def _scalars() -> dict[str, Type]:
    names = {"bool": "?", "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "long": "i8",
             "ulong": "u8", "half": "f2", "bfloat": "f4", "float": "f4"}  # fmt: skip
    return {name: Type(name, np.dtype(dtype)) for name, dtype in names.items()}


SCALARS = _scalars()
BOOL, CHAR, UCHAR, SHORT, USHORT, INT, UINT, LONG, ULONG, HALF, BFLOAT, FLOAT = SCALARS.values()
INTEGERS = (CHAR, UCHAR, SHORT, USHORT, INT, UINT, LONG, ULONG)
FLOATS = (HALF, BFLOAT, FLOAT)
UNSIGNED = {8: UCHAR, 16: USHORT, 32: UINT, 64: ULONG}


def vector(element: Type, width: int) -> Type:
    return element if width == 1 else Type(f"{element.name}{width}", element.dtype, width)


def by_name(name: str) -> Type:
    """The type that MSL calls `name`."""
    if name in SCALARS:
        return SCALARS[name]
    return vector(SCALARS[name[:-1]], int(name[-1]))


@dataclass(frozen=True)
class Struct:
    """A structure. Its fields are scalars and vectors, or structures again."""

    name: str
    fields: tuple[tuple[str, "Type | Struct"], ...]
    width = 1
    is_vector = is_float = is_integer = is_signed = False

    @cached_property
    def dtype(self) -> np.dtype:
        """Of the reference's records."""
        return np.dtype([(name, type.dtype, (type.width,) if type.is_vector else ()) for name, type in self.fields])

    @property
    def element_name(self) -> str:
        return self.name

    @cached_property
    def alignment(self) -> int:
        return max(type.alignment for _, type in self.fields)

    @property
    def bytes(self) -> int:
        return self.memory_dtype.itemsize

    @cached_property
    def memory_dtype(self) -> np.dtype:
        """As C lays it out."""
        end, offsets = 0, []
        for _, type in self.fields:
            offsets.append(-(-end // type.alignment) * type.alignment)
            end = offsets[-1] + type.bytes
        return np.dtype({"names": [name for name, _ in self.fields], "formats": [type.memory_dtype for _, type in self.fields],
                         "offsets": offsets, "itemsize": -(-end // self.alignment) * self.alignment})  # fmt: skip

    def field(self, name: str) -> "Type | Struct":
        return dict(self.fields)[name]

    def shape(self, *leading: int) -> tuple[int, ...]:
        return leading

    def zeros(self, *leading: int) -> np.ndarray:
        return np.zeros(leading, self.dtype)

    def rounded(self, value: np.ndarray) -> np.ndarray:
        return value

    def to_memory(self, values: np.ndarray) -> np.ndarray:
        memory = np.zeros(len(values), self.memory_dtype)
        for name, type in self.fields:
            memory[name] = type.to_memory(values[name])
        return memory

    def from_memory(self, memory: np.ndarray) -> np.ndarray:
        values = self.zeros(len(memory))
        for name, type in self.fields:
            values[name] = type.from_memory(memory[name])
        return values

    def scalars_and_vectors(self) -> list[tuple[int, Type]]:
        """Fields in memory, those of inner structures among them: offsets and types."""
        found = []
        for name, type in self.fields:
            offset = self.memory_dtype.fields[name][1]
            inner = type.scalars_and_vectors() if isinstance(type, Struct) else [(0, type)]
            found += [(offset + o, t) for o, t in inner]
        return found

    def msl(self, methods: str = "") -> str:
        fields = "".join(f"  {type.name} {name};\n" for name, type in self.fields)
        return f"struct {self.name} {{\n{fields}{methods}}};\n"


@dataclass(frozen=True)
class Parameter(Type):
    """A template's type parameter that stands for an unsigned integer."""

    @property
    def unsigned(self) -> Type:
        return self


@dataclass(frozen=True)
class Pointer:
    """To elements of arrays in one address space. The reference holds an array's number and an index: see machine.py."""

    space: str  # "device const", "thread", "threadgroup"
    target: "Type | Struct"
    width = 1
    is_vector = is_float = is_integer = is_signed = False
    dtype = np.dtype("i8")

    @property
    def name(self) -> str:
        return f"{self.space} {self.target.name}*"

    @property
    def element_name(self) -> str:
        return self.name

    def zeros(self, *leading: int) -> np.ndarray:
        return np.zeros(leading, self.dtype)


AnyType = Type | Struct | Pointer


def same(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Which elements of two arrays are equal, NaNs among them; a vector or record counts as one."""
    if a.dtype.names:
        return np.logical_and.reduce([same(a[name], b[name]) for name in a.dtype.names])
    equal = a == b
    if a.dtype.kind == "f":
        equal |= np.isnan(a) & np.isnan(b)
    return equal.reshape(len(a), -1).all(axis=1)
