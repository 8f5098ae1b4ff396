"""From functions of the standard library to the intrinsics of AIR, Apple's LLVM dialect, that their compiler emits.

air_intrinsics.tsv holds those that it emitted for PyTorch's and MLX's kernels, as read from their macOS wheels: proof
that a function exists for a type. RULES says of every function of our library what it becomes; of those that become
something that is not in the file, the name that Apple gives it is not known, so they go by our name of them,
``metal::mulhi.u.i32``.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from test.macos.llvm_module import Conversion

EVIDENCE_FILE = Path(__file__).with_name("air_intrinsics.tsv")


@dataclass(frozen=True)
class Call:
    """A function of the library as called: its name without ``metal::``, template arguments, parameters."""

    name: str
    arguments: tuple[str, ...]
    parameters: tuple[str, ...]


Rule = Callable[[Call], Iterable[str]]

# Elements of vectors of bool are signed chars; MSL's char is plain.
_SCALARS = {
    "float": "f32", "half": "f16", "_Float16": "f16", "long double": "bf16", "bool": "u.i1", "signed char": "u.i1",
    "char": "s.i8", "short": "s.i16", "int": "s.i32", "long": "s.i64",
    "unsigned char": "u.i8", "unsigned short": "u.i16", "unsigned int": "u.i32", "unsigned long": "u.i64",
}  # fmt: skip


def air_type(cpp: str, signed: bool = True) -> str:
    """``unsigned int vector[2]`` -> ``u.v2i32``; without `signed`, ``v2i32``. KeyError if it is no number."""
    cpp = re.sub(r"\b(const|volatile)\b|[&*]", "", cpp).strip()
    vector = re.fullmatch(r"(.+) vector\[(\d)\]", cpp)
    sign, _, scalar = _SCALARS[vector[1] if vector else cpp].rpartition(".")
    width = f"v{vector[2]}" if vector else ""
    return f"{sign}.{width}{scalar}" if sign and signed else width + scalar


def _is_float(cpp: str) -> bool:
    return "f" in air_type(cpp)


def _first(call: Call) -> str:
    return call.parameters[0]


def plain(call: Call) -> Iterable[str]:
    """Ordinary code in Apple's headers: PyTorch's kernels use it, and no intrinsic comes of it."""
    return ()


def unknown(call: Call) -> Iterable[str]:
    """Something that neither PyTorch's kernels nor MLX's use."""
    try:
        return [f"metal::{call.name}.{air_type(_first(call))}"]
    except (KeyError, IndexError):
        return [f"metal::{call.name}"]


def named(air: str) -> Rule:
    """One intrinsic, whatever the types."""
    return lambda call: [f"air.{air}"]


def typed(air: str | None = None) -> Rule:
    """By the type of the first parameter: ``air.exp.f32``, ``air.simd_sum.s.i32``."""
    return lambda call: [f"air.{air or call.name}.{air_type(_first(call))}"]


def either(for_floats: str) -> Rule:
    """Functions that have another name for floats: ``air.fmin.f32``, ``air.min.s.i32``."""
    return lambda call: typed(for_floats if _is_float(_first(call)) else None)(call)


def constructed(call: Call) -> Iterable[str]:
    """``X(a, b)``: a conversion of each to X's elements."""
    for parameter in call.parameters:
        yield from conversion(parameter, call.arguments[0])


def conversion(source: str, target: str) -> Iterable[str]:
    """Between floats of one kind, and between integers, LLVM's own instructions do for scalars."""
    try:
        old, new = air_type(source), air_type(target)
    except KeyError:
        return  # a struct, an enumeration, a packed vector, which is taken apart
    old_float, new_float = _is_float(source), _is_float(target)
    if not old_float and not new_float or new == "u.i1" or element(old) == element(new):
        return
    if old_float and new_float and element(old) == old and "f32" in (old, element(new)):
        return
    yield f"air.convert.{'f.' * new_float}{new}.{'f.' * old_float}{old}"


def instruction(conversion_: Conversion) -> Iterable[str]:
    """The same for an instruction of the IR, which names no signs."""
    operation, source, target = conversion_
    if operation in ("fpext", "fptrunc"):
        return []
    floating = {"half": "half", "bfloat": "long double", "float": "float", "double": "float"}
    integers = {"i1": "bool", "i8": "char", "i16": "short", "i32": "int", "i64": "long"}
    unsigned = "unsigned " if operation in ("uitofp", "fptoui") else ""

    def cpp(type_: str) -> str:
        scalar = type_.strip("<>").split(" x ")[-1]
        return floating.get(scalar) or (unsigned if scalar != "i1" else "") + integers[scalar]

    return conversion(cpp(source), cpp(target))


def atomic(operation: str, signed: bool = True) -> Rule:
    def rule(call: Call) -> Iterable[str]:
        space = "local" if "SYlocal" in _first(call) else "global"
        value = re.search(r"atomic<(.+?)>", _first(call))[1]
        kind = "i32" if value == "bool" else air_type(value, signed)
        return [f"air.atomic.{space}.{operation}.{kind}"]

    return rule


def _matrix(argument: str) -> str:
    return "v64" + air_type(argument)


def matrix_access(operation: str) -> Rule:
    def rule(call: Call) -> Iterable[str]:
        space = "p3" if any("SYlocal" in parameter for parameter in call.parameters) else "p1"
        kind = call.arguments[0]
        return [f"air.simdgroup_matrix_8x8_{operation}.{_matrix(kind)}.{space}{air_type(kind)}"]

    return rule


def matrix_made(how: str) -> Rule:
    return lambda call: [
        f"air.simdgroup_matrix_8x8_init_{how}.{_matrix(call.arguments[0])}.{air_type(call.arguments[0])}"
    ]


def matrix_multiplied(call: Call) -> Iterable[str]:
    result, *operands = (_matrix(argument) for argument in call.arguments[:4])
    return [f"air.simdgroup_matrix_8x8_multiply_accumulate.{result}.{'.'.join(operands)}"]


def _rules() -> dict[str, Rule]:
    rules: dict[str, Rule] = {}

    def add(rule: Rule, names: str) -> None:
        rules.update(dict.fromkeys(names.split(), rule))

    # Mathematical, common, geometric functions
    add(
        typed(),
        "ceil exp exp2 exp10 floor fma fmax fmin fmod fract ldexp log log2 log10 nextafter pow rint round rsqrt",
    )
    add(typed(), "sqrt trunc acos acosh asin asinh atan atan2 atanh cos cosh sin sincos sinh sinpi tan tanh dot fabs")
    add(either("fabs"), "abs")
    add(either("fmin"), "min")
    add(either("fmax"), "max")
    add(either("clamp"), "clamp")
    add(plain, "copysign")
    add(unknown, "cospi tanpi powr frexp modf ilogb fdim divide fmin3 fmax3 fmedian3 min3 max3 median3")
    add(unknown, "mix saturate sign step smoothstep cross distance distance_squared faceforward length length_squared")
    add(unknown, "normalize reflect refract transpose determinant")
    # Integer and relational functions
    add(
        unknown,
        "absdiff addsat clz ctz extract_bits hadd insert_bits mad24 madhi madsat mul24 mulhi popcount reverse_bits",
    )
    add(unknown, "rhadd rotate subsat signbit isnormal isordered")
    add(plain, "isfinite isinf isnan isunordered select")
    add(
        lambda call: [f"air.{call.name}.{air_type(_first(call), signed=False)}"] if "vector" in _first(call) else (),
        "all any",
    )
    # SIMD-groups and quad-groups
    add(
        typed(),
        "simd_sum simd_product simd_min simd_max simd_shuffle simd_shuffle_up simd_shuffle_down simd_shuffle_xor",
    )
    add(typed(), "simd_prefix_exclusive_product simd_prefix_exclusive_sum simd_prefix_inclusive_product")
    add(
        typed(), "simd_prefix_inclusive_sum simd_shuffle_and_fill_down simd_shuffle_and_fill_up simd_broadcast quad_sum"
    )
    add(named("simd_all"), "simd_all")
    add(named("simd_any"), "simd_any")
    add(unknown, "simd_and simd_or simd_xor simd_broadcast_first simd_shuffle_rotate_down simd_shuffle_rotate_up")
    add(unknown, "simd_ballot simd_active_threads_mask simd_is_first simd_is_helper_thread")
    add(unknown, "quad_active_threads_mask quad_all quad_and quad_any quad_ballot quad_broadcast quad_broadcast_first")
    add(unknown, "quad_is_first quad_is_helper_thread quad_max quad_min quad_or quad_prefix_exclusive_product")
    add(unknown, "quad_prefix_exclusive_sum quad_prefix_inclusive_product quad_prefix_inclusive_sum quad_product")
    add(unknown, "quad_shuffle quad_shuffle_and_fill_down quad_shuffle_and_fill_up quad_shuffle_down quad_shuffle_up")
    add(unknown, "quad_shuffle_rotate_down quad_shuffle_rotate_up quad_shuffle_xor quad_xor")
    # Synchronisation and atomics
    add(named("wg.barrier"), "threadgroup_barrier")
    add(named("simdgroup.barrier"), "simdgroup_barrier")
    add(unknown, "atomic_thread_fence")
    for operation in ("add", "sub", "min", "max", "and", "or", "xor"):
        rules[f"atomic_fetch_{operation}_explicit"] = atomic(operation)
    rules["atomic_min_explicit"], rules["atomic_max_explicit"] = atomic("min"), atomic("max")
    rules["atomic_load_explicit"] = atomic("load", signed=False)
    rules["atomic_store_explicit"] = atomic("store", signed=False)
    rules["atomic_exchange_explicit"] = atomic("xchg", signed=False)
    rules["atomic_compare_exchange_weak_explicit"] = atomic("cmpxchg.weak", signed=False)
    # Matrices of a SIMD-group
    rules["simdgroup_load"], rules["simdgroup_store"] = matrix_access("load"), matrix_access("store")
    rules["make_filled_simdgroup_matrix"] = matrix_made("filled")
    rules["make_diagonal_simdgroup_matrix"] = rules["simdgroup_matrix::simdgroup_matrix"] = matrix_made("diag")
    rules["simdgroup_multiply_accumulate"] = matrix_multiplied
    add(unknown, "simdgroup_multiply")
    # The language: constructors, operators, members, constants
    rules["__construct"] = constructed
    add(plain, "as_type __truth_of make_uniform move forward")
    for kind in ("snorm2x16", "snorm4x8", "srgb_unorm4x8", "unorm10a2", "unorm2x16", "unorm4x8", "unorm565"):
        unpacked = "unorm4x8_srgb" if "srgb" in kind else kind
        for scalar in ("float", "half"):
            rules[f"pack_{scalar}_to_{kind}"] = rules[f"unpack_{unpacked}_to_{scalar}"] = unknown
    return rules


RULES = _rules()
#: Classes whose members and constructors are ordinary code.
PLAIN_CLASSES = {
    "matrix",
    "array",
    "uniform",
    "simd_vote",
    "quad_vote",
    "numeric_limits",
    "simdgroup_matrix",
    "vec",
    "atomic",
}


def parse_call(demangled: str) -> Call:
    """``float metal::simd_sum<float, void>(float)`` -> Call("simd_sum", ("float", "void"), ("float",)). Of a member of a
    class template, the last template arguments count."""
    name, arguments, at = "", (), _name_start(demangled)
    while at < len(demangled) and demangled[at] not in "( ":
        if demangled[at] == "<":
            end = _closing(demangled, at)
            arguments, at = tuple(_split(demangled[at + 1 : end])), end + 1
        else:
            name, at = name + demangled[at], at + 1
    name = name.removeprefix("metal::")
    if "operator" in name:
        return Call("operator", (), ())
    at = demangled.find("(", at)
    parameters = demangled[at + 1 : _closing(demangled, at)] if at >= 0 else ""
    return Call(name, arguments, tuple(_split(parameters)))


def name_of(demangled: str) -> str:
    """``void f<(E)0>(int)`` -> ``f<(E)0>``"""
    start = end = _name_start(demangled)
    while end < len(demangled) and demangled[end] != "(":
        end = _closing(demangled, end) + 1 if demangled[end] == "<" else end + 1
    return demangled[start:end]


def _name_start(demangled: str) -> int:
    """Where the name begins, after the type of the result."""
    start = at = 0
    while at < len(demangled) and demangled[at] != "(" and not demangled.startswith("operator", at):
        if demangled[at] == "<":
            at = _closing(demangled, at)
        elif demangled[at] == " " and not demangled.startswith(" [enable_if", at):
            start = at + 1
        at += 1
    return start


def _closing(text: str, start: int) -> int:
    depth = 0
    for at in range(start, len(text)):
        depth += (text[at] in "(<[{") - (text[at] in ")>]}")
        if depth == 0:
            return at
    raise ValueError(f"no end of {text[start:]!r}")


def _split(text: str) -> list[str]:
    parts, depth = [""], 0
    for c in text:
        depth += (c in "(<[{") - (c in ")>]}")
        if c == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    return [part.strip() for part in parts if part.strip()]


def intrinsics(call: Call) -> list[str]:
    """What becomes of the call. KeyError for a function that RULES does not know."""
    if call.name in RULES:
        return list(RULES[call.name](call))
    root = call.name.split("::")[0]
    if call.name == "operator" or root in PLAIN_CLASSES or root.startswith("__"):
        return []
    raise KeyError(f"test/macos/air.py does not know the library's function {call.name}")


def element(type_or_name: str) -> str:
    """Without the lengths of vectors: ``air.fma.v4f32`` -> ``air.fma.f32``. What exists for one length exists for all,
    as the specification has each function for scalars and vectors alike. Matrices' v64 stays."""
    return re.sub(r"(^|\.)v[234](?=[a-z])", r"\1", type_or_name)


def evidence() -> set[str]:
    """All names of air_intrinsics.tsv, without lengths of vectors."""
    with EVIDENCE_FILE.open() as file:
        return {element(row["intrinsic"]) for row in csv.DictReader(file, delimiter="\t")}
