"""The software device and what runs mslc's code compile for macOS, and need nothing that a Mac lacks."""

import pytest

from test.macos.conftest import INIT
from tools.macos import compile, software

BUILD = compile.SOFTWARE
#: All but the compiler itself, whose 80 files `python -m tools.macos.software` compiles too.
FOLDERS = ("csrc/metal/software/", "csrc/mslc/executor/", "csrc/mslc/validate/")


@pytest.fixture
def device_objects():
    with compile.lock(BUILD):
        compile.configure(BUILD)
        commands = compile.commands(BUILD)
        objects = [
            output
            for source, (_, output) in commands.items()
            if str(source.relative_to(compile.ROOT)).startswith(FOLDERS) and source.name != "insert_checks.cpp"
        ]
        compile.ninja(*(str(path.relative_to(BUILD)) for path in objects), jobs=1, build=BUILD)
    return objects


def test_the_software_device_needs_nothing_that_a_mac_lacks(device_objects, compile_for_macos, link_for_macos):
    assert len(device_objects) > 40
    module = link_for_macos(*device_objects, compile_for_macos(INIT), "-lc++")
    found = [str(finding) for finding in software.check(module, software.exports())]
    # What the rest of mslc defines is missing in this small link only.
    assert [text for text in found if "4mslc" not in text] == []
    assert any("Library7compile" in text for text in found)


def test_a_function_that_only_linux_has_is_found(compile_for_macos, link_for_macos):
    source = 'extern "C" int getrandom_of_linux(int); extern "C" void* PyInit__C() { return (void*)getrandom_of_linux; }'
    module = link_for_macos(compile_for_macos(source, language="c++"))
    assert any("getrandom_of_linux" in str(finding) for finding in software.check(module, software.exports()))


def test_functions_of_llvm_are_told_by_their_names(compile_for_macos, link_for_macos):
    source = (
        "namespace llvm { struct Value { void dump() const; }; }\n"
        "namespace llvmish { void f(); }\n"
        'extern "C" void* PyInit__C() { reinterpret_cast<llvm::Value*>(8)->dump(); llvmish::f(); return nullptr; }'
    )
    module = link_for_macos(compile_for_macos(source, language="c++"))
    found = " ".join(str(finding) for finding in software.check(module, software.exports()))
    assert "4dump" not in found and "7llvmish" in found
