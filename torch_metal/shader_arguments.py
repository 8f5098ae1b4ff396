"""Python's numbers as the bytes that a kernel takes."""

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass

_FLOAT = struct.Struct("<f")
LIMIT = 4096  #: bytes that setBytes takes


@dataclass(frozen=True, slots=True)
class Scalar:
    """A scalar type of MSL. ``pack`` makes bytes of a number; OverflowError or struct.error if it does not fit."""

    name: str
    cast: str
    size: int
    pack: Callable[[int | float], bytes]
    is_float: bool = False

    def takes(self, kind: type) -> bool:
        """Whether numbers of exactly that type need no further checks but that they fit."""
        return kind is int or kind is float and self.is_float


def _float(number: float) -> bytes:
    try:
        return _FLOAT.pack(number)
    except OverflowError:  # rounds to infinity, unless it is an int beyond even that
        return _FLOAT.pack(math.copysign(math.inf, float(number)))


def _half(number: float) -> bytes:
    (single,) = struct.unpack("<f", _float(number))
    try:
        return struct.pack("<e", single)
    except OverflowError:
        return struct.pack("<e", math.copysign(math.inf, single))


def _bfloat(number: float) -> bytes:
    (bits,) = struct.unpack("<I", _float(number))
    if math.isnan(number):
        return struct.pack("<H", 0x7FC0)
    return struct.pack("<H", (bits + 0x7FFF + (bits >> 16 & 1)) >> 16)  # to nearest, ties to even


def _bool(number: int) -> bytes:
    if number not in (0, 1):
        raise OverflowError
    return bytes((number,))


SCALARS = {
    scalar.name: scalar
    for scalar in (
        Scalar("float", "fp32", 4, _float, is_float=True),
        Scalar("half", "fp16", 2, _half, is_float=True),
        Scalar("bfloat", "bf16", 2, _bfloat, is_float=True),
        Scalar("char", "int8", 1, struct.Struct("<b").pack),
        Scalar("uchar", "uint8", 1, struct.Struct("<B").pack),
        Scalar("short", "int16", 2, struct.Struct("<h").pack),
        Scalar("ushort", "uint16", 2, struct.Struct("<H").pack),
        Scalar("int", "int32", 4, struct.Struct("<i").pack),
        Scalar("uint", "uint32", 4, struct.Struct("<I").pack),
        Scalar("long", "int64", 8, struct.Struct("<q").pack),
        Scalar("ulong", "uint64", 8, struct.Struct("<Q").pack),
        Scalar("bool", "bool", 1, _bool),
    )
}
CASTS = {scalar.cast: scalar for scalar in SCALARS.values()}


def _scalar_of(type_name: str) -> tuple[Scalar | None, int]:
    """The scalar of a type ("float3") and how many there are; None for a structure."""
    if type_name[-1] in "234":
        return SCALARS[type_name[:-1]], int(type_name[-1])
    return SCALARS.get(type_name), 1


def _scalar_of_value(value: int | float) -> Scalar:
    if isinstance(value, bool):
        return SCALARS["bool"]
    return SCALARS["long" if isinstance(value, int) else "float"]


def _fitting(value: int | float, scalar: Scalar, what: str) -> bytes:
    try:
        return scalar.pack(value)
    except (OverflowError, struct.error):
        raise OverflowError(f"{what}: {value!r} does not fit into {scalar.name}") from None


def _pack_number(value: object, scalar: Scalar | None, what: str) -> bytes:
    if not isinstance(value, (int, float)):
        raise TypeError(f"{what}: a kernel takes tensors, numbers, and lists of numbers; not {type(value).__name__}")
    scalar = scalar or _scalar_of_value(value)
    if isinstance(value, float) and not scalar.is_float:
        raise TypeError(f"{what}: {value!r} is not a whole number, as {scalar.name} needs")
    return _fitting(value, scalar, what)


def _pack(value: object, scalar: Scalar | None, what: str) -> bytes:
    if isinstance(value, (list, tuple)):
        return b"".join([_pack_number(item, scalar, what) for item in value])
    return _pack_number(value, scalar, what)


def _pad_vectors_of_three(data: bytes, size: int) -> bytes:
    """Vectors of three take the room of four."""
    return b"".join(data[at : at + 3 * size] + bytes(size) for at in range(0, len(data), 3 * size))


def _bytes(count: int) -> str:
    return f"{count} byte" if count == 1 else f"{count} bytes"


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument of a kernel: ``what`` starts the messages of errors, ``size`` is that of an element in bytes."""

    what: str
    scalar: Scalar | None = None
    width: int = 1
    size: int = 0

    @classmethod
    def of(cls, what: str, type_name: str, size: int) -> "Parameter":
        return cls(what, *_scalar_of(type_name), size)

    def pack(self, value: object, cast: str | None = None) -> bytes:
        """A number, or a list of numbers, as bytes of the parameter's own type. ``cast`` ("int32", "fp16", ...)
        overrides that type. Of a structure's fields nothing is known: without a cast, ints are 64 bits there, floats
        32, bools 8.

        Raises TypeError for what is not a number, OverflowError for one that does not fit, RuntimeError for too few or
        too many.
        """
        scalar = self.scalar
        if not cast and self.width == 1 and scalar and scalar.takes(type(value)):
            return _fitting(value, scalar, self.what)
        if cast:
            if cast not in CASTS:
                raise ValueError(f"{self.what}: unknown cast {cast!r}; there are {', '.join(CASTS)}")
            scalar = CASTS[cast]
        data = _pack(value, scalar, self.what)
        if self.width == 3 and scalar.size == self.scalar.size and len(data) % (3 * scalar.size) == 0:
            data = _pad_vectors_of_three(data, scalar.size)
        if not data or len(data) < self.size:
            raise RuntimeError(f"{self.what} needs {_bytes(self.size)}, got {_bytes(len(data))}")
        if len(data) > LIMIT:
            limit = f"the limit is {_bytes(LIMIT)}. Pass a tensor."
            raise RuntimeError(f"{self.what}: {_bytes(len(data))} of numbers are too many; {limit}")
        return data


def pack_constant(value: object, type_name: str, what: str) -> bytes:
    """The value of a function constant. Raises as :meth:`Parameter.pack`."""
    scalar, width = _scalar_of(type_name)
    if not scalar:
        raise RuntimeError(f"{what} is of a type that takes no value")
    data = _pack(value, scalar, what)
    if len(data) != width * scalar.size:
        raise RuntimeError(f"{what} is one {type_name}, not {value!r}")
    return _pad_vectors_of_three(data, scalar.size) if width == 3 else data
