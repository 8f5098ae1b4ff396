"""No function of the extension module has a second definition, which the linker would choose from without a word."""

import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from tools.macos.macho import llvm_tool

pytestmark = pytest.mark.software

OBJECTS = Path(__file__).parents[1] / "build" / "csrc" / "CMakeFiles" / "_C.dir"


def rivals(objects: list[Path]) -> dict[str, set[str]]:
    """Functions that one file defines as its own and another as inline, which are therefore not the same, by object."""
    own, inline = defaultdict(set), defaultdict(set)
    for path in objects:
        listing = subprocess.run(
            [llvm_tool("llvm-nm"), "--defined-only", "--format=posix", path], capture_output=True, text=True, check=True
        )
        for line in listing.stdout.splitlines():
            name, kind = line.split()[:2]
            if kind in "TWV":
                (own if kind == "T" else inline)[name].add(path.name)
    return {name: own[name] | inline[name] for name in own.keys() & inline.keys()}


def test_functions_are_defined_once():
    objects = sorted(OBJECTS.rglob("*.o"))
    assert len(objects) > 100
    assert rivals(objects) == {}


def test_a_second_definition_is_found(tmp_path):
    sources = {"a": "int size_of(int x) { return x; }", "b": "inline int size_of(int x) { return 2 * x; } auto* p = &size_of;"}
    for name, source in sources.items():
        command = ["c++", "-c", "-x", "c++", "-", "-o", tmp_path / f"{name}.o"]
        subprocess.run(command, input=source, text=True, check=True)
    assert rivals([tmp_path / "a.o", tmp_path / "b.o"]) == {"_Z7size_ofi": {"a.o", "b.o"}}
