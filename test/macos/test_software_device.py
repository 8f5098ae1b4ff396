"""The software device and what runs mslc's code compile for macOS, and need nothing that a Mac lacks."""

import re

import pytest

from test.macos.conftest import INIT
from tools.macos import compile, software

BUILD = compile.SOFTWARE
#: What asks most of the system. `python -m tools.macos.software` compiles all.
FOLDERS = ("csrc/metal/software/execution/", "csrc/mslc/executor/")
#: Names of ours, which other files define.
OURS = re.compile(r"__Z\w*?N[VK]*(4mslc|14metal_software|11torch_metal|3MTL|3MPS|2NS)")


@pytest.fixture
def device_objects():
    with compile.lock(BUILD):
        compile.configure(BUILD)
        commands = compile.commands(BUILD)
        objects = [
            output
            for source, (_, output) in commands.items()
            if str(source.relative_to(compile.ROOT)).startswith(FOLDERS)
        ]
        compile.ninja(*(str(path.relative_to(BUILD)) for path in objects), jobs=1, build=BUILD)
    return objects


def test_the_software_device_needs_nothing_that_a_mac_lacks(device_objects, compile_for_macos, link_for_macos):
    assert len(device_objects) > 15
    module = link_for_macos(*device_objects, compile_for_macos(INIT), "-lc++")
    found = [finding.text for finding in software.check(module, software.exports())]
    assert [text for text in found if not OURS.match(text)] == []


def test_a_function_that_only_linux_has_is_found(compile_for_macos, link_for_macos):
    source = 'extern "C" int getrandom_of_linux(int); extern "C" void* PyInit__C() { return (void*)getrandom_of_linux; }'
    module = link_for_macos(compile_for_macos(source, language="c++"))
    assert any("getrandom_of_linux" in str(finding) for finding in software.check(module, software.exports()))


def test_functions_of_llvm_are_told_by_their_names(compile_for_macos, link_for_macos):
    source = (
        "namespace llvm { struct Value { void dump() const; }; }\n"
        "namespace mslc { void f(llvm::Value*); }\n"
        'extern "C" void* PyInit__C() { llvm::Value* v = nullptr; v->dump(); mslc::f(v); return nullptr; }'
    )
    module = link_for_macos(compile_for_macos(source, language="c++"))
    found = " ".join(str(finding) for finding in software.check(module, software.exports()))
    assert "4dump" not in found and "__ZN4mslc1fEPN4llvm5ValueE" in found
