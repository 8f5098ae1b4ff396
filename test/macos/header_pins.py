"""What the software device's headers declare, as C++ that compiles against metal-cpp only if it declares the same.

clang reads the headers and lists every public class, base, method, function, type, constant and field in them. Each
becomes a *pin*: one line of C++ that names it with its exact type and value. Constructors, assignments and free
operators are pinned by what they accept, because their address says less. A declaration of a kind that is not known
here is an error: nothing is left out silently.
"""

import json
import re
import subprocess
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

COMPILER = ["clang++-19", "-std=c++20", "-fsyntax-only", "-fblocks"]
SHIM = Path(__file__).parent / "shim"
NAMESPACES = ("NS", "MTL")

# The one expression that shows how a macro is used, and its type. Macros have no type of their own.
MACRO_USES = {"MTLSTR": ('MTLSTR("text")', "NS::String*")}

# What templates are tried with, by the parameter's name; a String converts to an Object.
TEMPLATE_ARGUMENTS = {
    "_Class": "NS::Object",
    "_Base": "NS::Object",
    "_Left": "NS::Object",
    "_Right": "NS::String",
    "_Other": "NS::String",
    "_Object": "NS::String",
    "_ObjectType": "NS::String",
    "_KeyType": "NS::String",
}

PRELUDE = """\
#include <Metal/Metal.hpp>
#include <cstddef>
#include <type_traits>
#include <utility>
template <class Type, class Class> using Member = Type Class::*;
template <class Type> using Pointer = Type*;
"""

IGNORED = {"AccessSpecDecl", "FriendDecl", "CXXDestructorDecl", "FullComment", "VisibilityAttr", "StaticAssertDecl"}


@dataclass(frozen=True)
class Pin:
    """One line of C++ that compiles where ``name`` is declared as it is in the software device's headers."""

    name: str
    code: str


@dataclass
class Scope:
    """Where a declaration stands: its namespace, its class if it has one, and the template parameters in force."""

    namespace: str
    type: str | None = None  # as written there: "SharedPtr<_Class>"
    qualified: str = ""  # without template arguments: "NS::SharedPtr"
    parameters: list[dict] = field(default_factory=list)


def run_compiler(source: str, include: list[Path], *options: str) -> subprocess.CompletedProcess[str]:
    with tempfile.NamedTemporaryFile("w", suffix=".cpp") as file:
        file.write(source)
        file.flush()
        paths = [option for path in include for option in ("-isystem", str(path))]
        return subprocess.run([*COMPILER, *paths, *options, file.name], capture_output=True, text=True)


def syntax_tree(source: str, include: list[Path], name: str) -> list[dict]:
    """The declarations in ``source`` whose qualified name contains ``name``, as clang's JSON."""
    result = run_compiler(source, include, "-Xclang", "-ast-dump=json", "-Xclang", f"-ast-dump-filter={name}")
    if result.returncode:
        raise RuntimeError(f"clang cannot read the headers in {include[0]}:\n{result.stderr}")
    decoder, nodes, end = json.JSONDecoder(), [], 0
    while start := re.compile(r"\S").search(result.stdout, end):
        node, end = decoder.raw_decode(result.stdout, start.start())
        nodes.append(node)
    return nodes


def spelled(node: dict) -> str:
    return node["type"]["qualType"]


def in_scope(scope: Scope, name: str, body: str, more_parameters: list[dict] = (), default: bool = False) -> Pin:
    """A pin of the assertions ``body``, within templates if there are parameters."""
    parameters = [*scope.parameters, *more_parameters]
    if not parameters:
        return Pin(name, f"namespace {scope.namespace} {{ {body} }}")
    listed = ", ".join(f"class {p['name']}" for p in parameters)
    arguments = ", ".join(default_of(p) if default and "defaultArg" in p else example(p) for p in parameters)
    pinned = f"Pinned{zlib.crc32(name.encode()):08x}"
    return Pin(name, f"namespace {scope.namespace} {{ template <{listed}> struct {pinned} {{ {body} }}; "
                     f"template struct {pinned}<{arguments}>; }}")


def example(parameter: dict) -> str:
    return TEMPLATE_ARGUMENTS[parameter["name"]]


def default_of(parameter: dict) -> str:
    return parameter["defaultArg"]["type"]["qualType"]


def template_parameters(node: dict) -> list[dict]:
    """Those that are named. The others are conditions on the first, which hold for the types tried."""
    return [child for child in node["inner"] if child["kind"] == "TemplateTypeParmDecl" and "name" in child]


def pins_of_function(scope: Scope, node: dict, parameters: list[dict] = ()) -> Iterator[Pin]:
    if node.get("explicitlyDeleted") or node.get("isImplicit"):
        return
    arguments = [child for child in node.get("inner", ()) if child["kind"] == "ParmVarDecl"]
    if any("init" in argument for argument in arguments):
        raise NotImplementedError(f"{scope.qualified}::{node['name']} has default arguments; metal-cpp has none")
    name = f"{scope.qualified}::{node['name']}: {spelled(node)}"
    if node["kind"] == "CXXConstructorDecl":
        accepted = ", ".join([scope.type, *map(spelled, arguments)])
        yield in_scope(scope, name, f"static_assert(std::is_constructible_v<{accepted}>);", parameters)
    elif node["name"] == "operator=":
        accepted = f"std::is_assignable_v<{scope.type}&, {spelled(arguments[0])}>"
        yield in_scope(scope, name, f"static_assert({accepted});", parameters)
    elif node["name"].startswith("operator") and not scope.type:
        left, right = map(spelled, arguments)
        use = f"std::declval<{left}>() {node['name'].removeprefix('operator')} std::declval<{right}>()"
        body = f"static_assert(std::is_same_v<decltype({use}), {result_of(node)}>);"
        yield in_scope(scope, name, body, parameters)
    else:
        yield in_scope(scope, name, assertion_of_address(scope, node, parameters), parameters)
        if any("defaultArg" in parameter for parameter in parameters):
            given = ", ".join(f"std::declval<{spelled(argument)}>()" for argument in arguments)
            call = f"std::declval<const {scope.type}&>().{node['name']}({given})"
            body = f"static_assert(std::is_same_v<decltype({call}), {result_of(node)}>);"
            yield in_scope(scope, name + " by default", body, parameters, default=True)


def result_of(function: dict) -> str:
    return spelled(function).split("(")[0]


def assertion_of_address(scope: Scope, node: dict, parameters: list[dict]) -> str:
    """That &function has the function's type. The cast picks one of several overloads, and none if the type differs."""
    function = node["name"] + (f"<{', '.join(p['name'] for p in parameters)}>" if parameters else "")
    if scope.type:
        keyword = "template " if parameters else ""
        is_static = node.get("storageClass") == "static"
        kind = f"Pointer<{spelled(node)}>" if is_static else f"Member<{spelled(node)}, {scope.type}>"
        return f"static_assert(sizeof(static_cast<{kind}>(&{scope.type}::{keyword}{function})) > 0);"
    return f"static_assert(sizeof(static_cast<Pointer<{spelled(node)}>>(&{scope.namespace}::{function})) > 0);"


def pins_of_enum(scope: Scope, node: dict, values: "Values") -> Iterator[Pin]:
    underlying = node["fixedUnderlyingType"]["qualType"]
    enum = node.get("name")
    if enum:
        yield in_scope(scope, f"{scope.qualified}::{enum}",
                       f"static_assert(std::is_same_v<std::underlying_type_t<{enum}>, {underlying}>);")
    for constant in node["inner"]:
        if constant["kind"] != "EnumConstantDecl":
            continue
        name = constant["name"]
        of_type = f"decltype({name}), {enum}" if enum else f"std::underlying_type_t<decltype({name})>, {underlying}"
        yield in_scope(scope, f"{scope.qualified}::{name}",
                       f"static_assert(std::is_same_v<{of_type}>); {values.pin(scope, name)}")


def pins_of_variable(scope: Scope, node: dict, values: "Values") -> Iterator[Pin]:
    name = node["name"]
    body = f"static_assert(std::is_same_v<decltype({name}), {spelled(node)}>);"
    if node.get("constexpr"):
        body += " " + values.pin(scope, name)
    yield in_scope(scope, f"{scope.qualified}::{name}", body)


def pins_of_class(scope: Scope, node: dict, values: "Values", parameters: list[dict] = ()) -> Iterator[Pin]:
    """The class, its bases, its public members and, if it has public fields, its layout."""
    if not node.get("completeDefinition"):
        return
    plain = node["name"]
    written = plain + (f"<{', '.join(p['name'] for p in parameters)}>" if parameters else "")
    inside = Scope(scope.namespace, written, f"{scope.qualified}::{plain}", list(parameters))
    yield in_scope(inside, inside.qualified, f"static_assert(sizeof({written}*) > 0);")
    for base in node.get("bases", ()):
        base_type = base["type"]["qualType"]
        if not parameters:
            yield in_scope(inside, f"{inside.qualified} is a {base_type}",
                           f"static_assert(std::is_base_of_v<{base_type}, {written}>);")
    if any("defaultArg" in parameter for parameter in parameters):
        given = [example(p) for p in parameters if "defaultArg" not in p]
        full = [default_of(p) if "defaultArg" in p else example(p) for p in parameters]
        body = f"static_assert(std::is_same_v<{plain}<{', '.join(given)}>, {plain}<{', '.join(full)}>>);"
        yield in_scope(scope, f"{inside.qualified} by default", body)
    public = list(public_members(node))
    for member in public:
        yield from pins_of(inside, member, values)
    if any(member["kind"] == "FieldDecl" for member in public):
        size = values.pin(inside, f"sizeof({written})")
        trivial = f"static_assert(std::is_trivially_copyable_v<{written}> && std::is_standard_layout_v<{written}>);"
        yield in_scope(inside, f"{inside.qualified}, layout", f"{size} {trivial}")


def public_members(node: dict) -> Iterator[dict]:
    is_public = node["tagUsed"] == "struct"
    for member in node["inner"]:
        if member["kind"] == "AccessSpecDecl":
            is_public = member["access"] == "public"
        elif is_public:
            yield member


def pins_of_field(scope: Scope, node: dict, values: "Values") -> Iterator[Pin]:
    name, of = node["name"], scope.type
    yield in_scope(scope, f"{scope.qualified}::{name}",
                   f"static_assert(std::is_same_v<decltype({of}::{name}), {spelled(node)}>); "
                   + values.pin(scope, f"offsetof({of}, {name})"))


def pins_of_template(scope: Scope, node: dict, values: "Values") -> Iterator[Pin]:
    parameters = template_parameters(node)
    templated = next(c for c in node["inner"] if c["kind"].endswith("Decl") and "TemplateType" not in c["kind"])
    if node["kind"] == "ClassTemplateDecl":
        yield from pins_of_class(scope, templated, values, parameters)
    else:
        yield from pins_of_function(scope, templated, parameters)


def pins_of(scope: Scope, node: dict, values: "Values") -> Iterator[Pin]:
    kind = node["kind"]
    if kind in IGNORED or node.get("isImplicit"):
        return
    if kind in ("CXXMethodDecl", "CXXConstructorDecl", "CXXConversionDecl", "FunctionDecl"):
        if "parentDeclContextId" not in node:  # the definition of a member that is declared in its class
            yield from pins_of_function(scope, node)
    elif kind in ("FunctionTemplateDecl", "ClassTemplateDecl"):
        yield from pins_of_template(scope, node, values)
    elif kind == "CXXRecordDecl":
        yield from pins_of_class(scope, node, values)
    elif kind == "EnumDecl":
        yield from pins_of_enum(scope, node, values)
    elif kind == "VarDecl":
        yield from pins_of_variable(scope, node, values)
    elif kind == "FieldDecl":
        yield from pins_of_field(scope, node, values)
    elif kind == "TypeAliasDecl":
        name = node["name"]
        yield in_scope(scope, f"{scope.qualified}::{name}", f"static_assert(std::is_same_v<{name}, {spelled(node)}>);")
    elif kind == "NamespaceDecl":
        name = f"{scope.qualified}::{node['name']}"
        yield Pin(name, f"namespace {scope.namespace} {{ namespace Pinned = {node['name']}; }}")
    else:
        raise NotImplementedError(f"a declaration of kind {kind} in {scope.qualified}: {node.get('name')}")


class Values:
    """Constant expressions, whose values in the software device's headers are found once all are known."""

    def __init__(self) -> None:
        self.expressions: list[str] = []

    def pin(self, scope: Scope, expression: str) -> str:
        number, bits = len(self.expressions), f"static_cast<unsigned long long>({expression})"
        probe = f"enum Probe{number} : unsigned long long {{ probe{number} = {bits} }};"
        self.expressions.append(f"namespace {scope.namespace} {{ {probe} }}")
        return f"static_assert({bits} == @{number}@);"

    def read(self, include: Path) -> list[str]:
        source = PRELUDE + "\n".join(self.expressions)
        found: dict[int, str] = {}
        for node in syntax_tree(source, [include], "::Probe"):
            (constant,) = (child for child in node["inner"] if child["kind"] == "EnumConstantDecl")
            found[int(node["name"].removeprefix("Probe"))] = constant["inner"][0]["value"]
        return [found[i] + "ull" for i in range(len(self.expressions))]


def pins_of_macros(include: Path) -> Iterator[Pin]:
    for header in sorted(include.rglob("*.hpp")):
        for name in re.findall(r"^\s*#\s*define\s+(\w+)", header.read_text(), re.MULTILINE):
            if name not in MACRO_USES:
                raise NotImplementedError(f"{header.name} defines {name}: add a use of it to MACRO_USES")
            use, of_type = MACRO_USES[name]
            yield Pin(name, f"static_assert(std::is_same_v<decltype({use}), {of_type}>);")


def pins(include: Path) -> list[Pin]:
    """One for each thing that the headers in ``include`` declare."""
    values, found = Values(), list(pins_of_macros(include))
    for namespace in NAMESPACES:
        for node in syntax_tree(PRELUDE, [include], namespace):
            if node["kind"] == "NamespaceDecl" and node.get("name") == namespace:
                for declaration in node["inner"]:
                    found += pins_of(Scope(namespace, None, namespace), declaration, values)
    numbers = values.read(include)
    unique = dict.fromkeys(Pin(p.name, re.sub(r"@(\d+)@", lambda m: numbers[int(m[1])], p.code)) for p in found)
    return list(unique)


def differences(wanted: list[Pin], include: list[Path]) -> dict[str, str]:
    """The pins that do not compile against the headers in ``include``: their names, and why."""
    first_line = PRELUDE.count("\n") + 1
    source = PRELUDE + "\n".join(pin.code for pin in wanted) + "\n"
    result = run_compiler(source, include, "-ferror-limit=0", "-fno-caret-diagnostics", "-w")
    found: dict[str, str] = {}
    for file, line, text in re.findall(r"^(.+?):(\d+):\d+: (?:fatal )?error: (.*)$", result.stderr, re.MULTILINE):
        if not file.endswith(".cpp"):
            raise RuntimeError(f"{file} does not compile with clang on this machine: {text}")
        found.setdefault(wanted[int(line) - first_line].name, text)
    if result.returncode and not found:
        raise RuntimeError(result.stderr)
    return found
