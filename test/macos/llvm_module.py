"""What mslc's front end makes of a source, before any optimisation, read from its text: who calls what, and with what.

Functions keep their C++ names there, so that a call of the standard library says which function, with which types.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field

Conversion = tuple[str, str, str]  # instruction, from, to: ("sitofp", "i32", "float")

_KERNEL = re.compile(r"; kernel (.+) is @(.+)$")
_DEFINITION = re.compile(r'define [^@]*@("[^"]+"|[\w.$]+)\(')
_NAME = re.compile(r'@("[^"]+"|[\w.$]+)')
_CONVERSION = re.compile(r"= (sitofp|uitofp|fptosi|fptoui|fpext|fptrunc) (<\d+ x \w+>|\w+) \S+ to (<\d+ x \w+>|\w+)")
_VARIABLE = re.compile(r"@([\w.$]+) = internal global (.+) (?:zeroinitializer|undef|0\S*), align \d+$")
_STRUCT = re.compile(r'(%(?:"[^"]+"|[\w.$:]+)) = type (.+)$')
_TEXT = re.compile(r'@([\w.$]+) = .*constant \[\d+ x i8\] c"(.*)\\00"')
_ANNOTATION = re.compile(r"\{ ptr @([\w.$]+), ptr @([\w.$]+),")
_ATOMIC = re.compile(r"\b(atomicrmw|cmpxchg|load atomic|load volatile)\b")
# Arithmetic: as a parameter or a result, `double` is how this CPU passes a float2.
_DOUBLE = re.compile(r"= (?:f(?:add|sub|mul|div|rem|neg|cmp)\b[^%]*\bdouble\b|\w+ [^,]* to (?:<\d+ x )?double\b)")
_SIZES = {"half": 2, "bfloat": 2, "float": 4, "double": 8, "ptr": 8}


@dataclass
class Function:
    """A function with a body. Names are mangled."""

    names: set[str] = field(default_factory=set)  # functions and variables that it refers to
    conversions: set[Conversion] = field(default_factory=set)
    computes_in_double: bool = False


@dataclass
class Module:
    kernels: dict[str, str]  # the name that the host knows, the function
    functions: dict[str, Function]
    threadgroup_bytes: dict[str, int]  # of each threadgroup variable
    has_atomics: bool


def is_library(name: str) -> bool:
    """Whether a mangled name is one of the standard library."""
    return name.startswith(("_ZN5metal", "_ZNK5metal", "_ZZN5metal", "_ZZNK5metal", "_Z7as_type", "__msl_"))


def demangle(names: list[str]) -> list[str]:
    """C++ spelling of mangled names. bfloat, which LLVM's demangler does not know, is spelled ``long double``."""
    text = "\n".join(name.replace("DF16b", "e") for name in names)
    return subprocess.run(
        ["llvm-cxxfilt-19"], input=text, capture_output=True, text=True, check=True
    ).stdout.splitlines()


def read_module(text: str) -> Module:
    kernels, functions, variables, structs, texts = {}, {}, {}, {}, {}
    annotations, function = [], None
    for line in text.splitlines():
        if function is not None:
            if line == "}":
                function = None
                continue
            function.names.update(name.strip('"') for name in _NAME.findall(line))
            if conversion := _CONVERSION.search(line):
                function.conversions.add(conversion.groups())
            function.computes_in_double |= bool(_DOUBLE.search(line))
        elif kernel := _KERNEL.match(line):
            kernels[kernel[1]] = kernel[2]
        elif definition := _DEFINITION.match(line):
            function = functions[definition[1].strip('"')] = Function()
        elif variable := _VARIABLE.match(line):
            variables[variable[1]] = variable[2]
        elif struct := _STRUCT.match(line):
            structs[struct[1]] = struct[2]
        elif string := _TEXT.match(line):
            texts[string[1]] = string[2]
        elif line.startswith("@llvm.global.annotations"):
            annotations = _ANNOTATION.findall(line)
    shared = [name for name, what in annotations if texts.get(what) == "msl:threadgroup"]
    sizes = {name: size_of(variables[name], structs)[0] for name in shared}
    return Module(kernels, functions, sizes, bool(_ATOMIC.search(text)))


def size_of(type_: str, structs: dict[str, str]) -> tuple[int, int]:
    """Size and alignment in bytes of an LLVM type, structs laid out as C does."""
    if type_ in structs:
        return size_of(structs[type_], structs)
    if type_ in _SIZES:
        return _SIZES[type_], _SIZES[type_]
    if integer := re.fullmatch(r"i(\d+)", type_):
        size = max(1, int(integer[1]) // 8)
        return size, size
    if many := re.fullmatch(r"([\[<])(\d+) x (.+)[\]>]", type_):
        size, alignment = size_of(many[3], structs)
        if many[1] == "[":
            return int(many[2]) * size, alignment
        size *= 1 << (int(many[2]) - 1).bit_length()
        return size, size
    if type_.startswith("{"):
        total, most = 0, 1
        for member in _members(type_[1:-1]):
            size, alignment = size_of(member, structs)
            total = _aligned(total, alignment) + size
            most = max(most, alignment)
        return _aligned(total, most), most
    raise ValueError(f"no size known for {type_!r}")


def _aligned(offset: int, alignment: int) -> int:
    return -(-offset // alignment) * alignment


def _members(text: str) -> list[str]:
    """``i32, [2 x { i8, i8 }]`` at its outer commas."""
    members, depth = [""], 0
    for c in text:
        depth += (c in "[<{") - (c in "]>}")
        if c == "," and depth == 0:
            members.append("")
        else:
            members[-1] += c
    return [member.strip() for member in members if member.strip()]
