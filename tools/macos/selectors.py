"""Does every Objective-C message name a method that exists, with as many arguments as it takes, on the oldest macOS?

Two sources of messages: `send<R>(object, "selector:", ...)` and `objc_class("Name")` in csrc/metal/apple, read from the
source; and metal-cpp's methods, read from the object files, which refer to a variable for each selector and class they
use. A name is proven if metal-cpp's release for macOS 14 declares it, or a wheel of torch that is older than macOS 15
uses it. Other names, and those that need a guard, stand in reviewed_selectors.tsv with a reason.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tools.macos import macho, parts
from tools.macos.findings import Finding, table
from tools.macos.sdk import DEPLOYMENT_TARGET

ROOT = Path(__file__).resolve().parents[2]
# Wheels of torch that were made before macOS 15 came out. The others tell that a name exists, but not since when.
OLD_WHEELS = {"t2.1.2", "t2.3.1"}


@dataclass(frozen=True)
class Use:
    """A selector or class that the code names. `arguments` is None where they are not written out."""

    kind: str  # "selector" or "class"
    name: str
    arguments: int | None
    where: str


# --- What the code sends ---


def _without_comments(source: str) -> str:
    """`source` with comments blanked, so that positions and lines stay."""
    pattern = r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/'

    def blank(match: re.Match) -> str:
        return match[0] if match[0][0] == '"' else re.sub(r"[^\n]", " ", match[0])

    return re.sub(pattern, blank, source, flags=re.DOTALL)


def _arguments(text: str, start: int) -> list[str]:
    """The arguments of the call whose opening parenthesis is text[start]."""
    pieces, depth, begin, position = [], 0, start + 1, start
    while position < len(text):
        if text[position] == '"':
            position = re.compile(r'"(?:\\.|[^"\\])*"').match(text, position).end()
            continue
        depth += (text[position] in "([{") - (text[position] in ")]}")
        if depth == 0 or depth == 1 and text[position] == ",":
            pieces.append(text[begin:position].strip())
            begin = position + 1
        if depth == 0:
            break
        position += 1
    return [p for p in pieces if p]


def _literal(argument: str) -> str | None:
    """The value of adjacent string literals, or None if `argument` is something else."""
    if not re.fullmatch(r'(?:"[^"\\]*"\s*)+', argument):
        return None
    return "".join(re.findall(r'"([^"]*)"', argument))


def source_uses(path: Path) -> tuple[list[Use], list[Finding]]:
    """What a source file sends by `send` and looks up by `objc_class`; findings for names that cannot be read."""
    text = _without_comments(path.read_text())
    uses, found = [], []
    for match in re.finditer(r"\b(?:send<[^()]*?>|objc_class|responds)\(", text):
        call = match[0].split("<")[0].rstrip("(")
        where = f"{path.name}:{text.count(chr(10), 0, match.start()) + 1}"
        arguments = _arguments(text, match.end() - 1)
        position = 0 if call == "objc_class" else 1
        name = _literal(arguments[position]) if len(arguments) > position else None
        if name is None:
            found.append(Finding("selectors", f"{where}: the name in {call}() is not a string literal"))
        elif call == "objc_class":
            uses.append(Use("class", name, None, where))
        else:
            uses.append(Use("selector", name, len(arguments) - 2 if call == "send" else None, where))
    return uses, found


_MANGLED = re.compile(r"__ZN\d+[A-Z0-9]+7Private\d+(Selector|Class)\d+s_k(\w+)E$")


@cache
def metal_cpp_names(include: Path) -> dict[tuple[str, str], str]:
    """(kind, name of metal-cpp's variable) -> Objective-C's name, as the headers under `include` define them."""
    names = {}
    for path in include.glob("*/*.hpp"):
        text = path.read_text()
        for variable, selector in re.findall(r'_PRIVATE_DEF_SEL\(\s*(\w+)\s*,\s*"([^"]+)"\s*\)', text):
            names["selector", variable] = selector
        for name in re.findall(r"_PRIVATE_DEF_CLS\(\s*(\w+)\s*\)", text):
            names["class", name] = name
    return names


@cache
def metal_cpp_calls(include: Path) -> dict[str, set[int]]:
    """metal-cpp's variable of a selector -> how many arguments its methods send with it."""
    calls: dict[str, set[int]] = {}
    for path in include.glob("*/*.hpp"):
        text = path.read_text()
        for match in re.finditer(r"\bsendMessage(?:Safe)?<[^()]*?(?:\([^()]*\)[^()]*?)*>\(", text):
            arguments = _arguments(text, match.end() - 1)
            variable = re.fullmatch(r"_\w+_PRIVATE_SEL\((\w+)\)", arguments[1])
            if variable:
                calls.setdefault(variable[1], set()).add(len(arguments) - 2)
    return calls


def object_uses(path: Path, include: Path) -> list[Use]:
    """What an object file sends through metal-cpp's methods."""
    names, calls, uses = metal_cpp_names(include), metal_cpp_calls(include), []
    for symbol in sorted(macho.undefined_symbols(path)):
        if match := _MANGLED.match(symbol):
            kind = "class" if match[1] == "Class" else "selector"
            for arguments in calls.get(match[2], {None}) if kind == "selector" else {None}:
                uses.append(Use(kind, names[kind, match[2]], arguments, path.name))
    return uses


# --- What is known ---


@cache
def proven() -> frozenset[tuple[str, str]]:
    """(kind, name) of what the oldest macOS certainly has."""
    names = {(kind, name) for (kind, _), name in metal_cpp_names(parts.oldest_metal_cpp()).items()}
    names |= {(r["kind"], r["name"]) for r in table("objc_evidence") if OLD_WHEELS & set(r["seen_in"].split(","))}
    return frozenset(names)


def _guarded(row: dict[str, str]) -> bool:
    """Whether the file in column `guard` asks what column `asks` says: for a name, by responds() or objc_class(), or by
    is_macos() for a release that is new enough."""
    if row["guard"] == "-":
        return False
    if release := re.fullmatch(r"is_macos\((\d+)\)", row["asks"]):
        asked = row["asks"] in _without_comments((ROOT / row["guard"]).read_text())
        return asked and int(release[1]) >= float(row["macos"])
    uses, _ = source_uses(ROOT / row["guard"])
    return any(use.name == row["asks"] and use.arguments is None for use in uses)


def review_findings(rows: list[dict[str, str]]) -> list[Finding]:
    """What is wrong with the reviewed list itself: no reason, or a newer macOS and no guard."""
    found = []
    for row in rows:
        newer = tuple(map(int, row["macos"].split("."))) > DEPLOYMENT_TARGET
        if not row["reason"]:
            found.append(Finding("reviewed selectors", f"{row['name']} has no reason"))
        if newer and not _guarded(row):
            found.append(Finding("reviewed selectors", f"{row['name']} needs macOS {row['macos']}, but {row['guard']} "
                                 f"does not ask for {row['asks']}"))  # fmt: skip
    return found


def check(uses: list[Use], reviewed: list[dict[str, str]]) -> list[Finding]:
    """Names that are neither proven nor reviewed, and numbers of arguments that are not those of the selector."""
    accepted = proven() | {(row["kind"], row["name"]) for row in reviewed}
    found = []
    for use in uses:
        if (use.kind, use.name) not in accepted:
            text = f"{use.where}: nothing shows that macOS 14 has the {use.kind} {use.name}"
            found.append(Finding("selectors", text))
        if use.kind == "selector" and use.arguments is not None and use.arguments != use.name.count(":"):
            found.append(Finding("selectors", f"{use.where}: {use.name} takes {use.name.count(':')} arguments, "
                                 f"{use.arguments} are passed"))  # fmt: skip
    return sorted(set(found))


def check_binary(module: Path, sources: list[Use]) -> list[Finding]:
    """Are the selectors and classes that the sources name those that the module holds?"""
    contents = module.read_bytes()
    missing = {(use.where, use.name) for use in sources if f"{use.name}\0".encode() not in contents}
    return [Finding("selectors", f"{where}: the module lacks the string {name!r}") for where, name in sorted(missing)]
