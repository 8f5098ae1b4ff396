"""One build of the extension module serves every Python from 3.11 on."""

import re
import subprocess
from pathlib import Path

import pytest

import torch_metal
from tools import stable_abi
from tools.macos.macho import llvm_tool

pytestmark = pytest.mark.software  # for macOS, `make macos-wheel` checks the same

MODULE = Path(torch_metal.__file__).parent / "_C.so"


def output(tool: str, *arguments: object) -> str:
    return subprocess.run([llvm_tool(tool), *map(str, arguments)], capture_output=True, text=True, check=True).stdout


def python_symbols(module: Path) -> set[str]:
    """What a shared library asks of Python."""
    symbols = {line.split()[-1] for line in output("llvm-nm", "--dynamic", "--undefined-only", module).splitlines()}
    return {symbol for symbol in symbols if symbol.startswith(("Py", "_Py"))}


def test_the_module_uses_the_stable_abi_alone():
    used = python_symbols(MODULE)
    assert "PyModule_Create2" in used
    assert used - stable_abi.symbols() == set()


def test_a_function_that_is_not_stable_is_found(tmp_path):
    source = "int _PyLong_Sign(void*); void* PyErr_Occurred(); int f() { return _PyLong_Sign(PyErr_Occurred()); }"
    library = tmp_path / "library.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", library], input=source, text=True, check=True)
    assert python_symbols(library) - stable_abi.symbols() == {"_PyLong_Sign"}


def test_the_module_needs_no_library_of_one_python():
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", output("llvm-readelf", "--dynamic", MODULE))
    assert "libtorch_cpu.so" in needed
    assert not [name for name in needed if "python" in name]


def test_wheels_say_so():
    root = Path(__file__).resolve().parents[1]
    major, minor = stable_abi.OLDEST_PYTHON.split(".")
    limit = f"#define Py_LIMITED_API 0x{int(major):02X}{int(minor):02X}0000"
    assert limit in (root / "csrc/python/module.cpp").read_text()
    assert f'requires-python = ">={stable_abi.OLDEST_PYTHON}"' in (root / "pyproject.toml").read_text()
    assert f'"py_limited_api": "cp{major}{minor}"' in (root / "setup.py").read_text()
