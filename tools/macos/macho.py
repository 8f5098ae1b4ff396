"""What LLVM's tools say about Mach-O files."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

LLVM_VERSION = 19


class Reference(NamedTuple):
    """An undefined symbol. `library` is the one it is bound to, or "" if any loaded library may have it."""

    symbol: str
    library: str
    weak: bool  # null at run time if the library lacks it, instead of an error


def llvm_tool(name: str) -> str:
    """The path of an LLVM tool of the version that the project uses."""
    path = shutil.which(f"{name}-{LLVM_VERSION}")
    if not path:
        raise RuntimeError(f"{name}-{LLVM_VERSION} is not installed: run tools/install.sh")
    return path


def _run(tool: str, *arguments: str | Path) -> str:
    result = subprocess.run([llvm_tool(tool), *arguments], capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"{tool}: {result.stderr.strip()}")
    return result.stdout


_REFERENCE = re.compile(r"\(undefined\) (weak )?external (\S+) \((?:from (.+)|dynamically looked up)\)$")


def references(path: Path) -> list[Reference]:
    """The undefined symbols of a linked file."""
    found = []
    for line in _run("llvm-nm", "-m", "-u", path).splitlines():
        match = _REFERENCE.search(line.replace("[no dead strip] ", ""))
        if not match:
            raise RuntimeError(f"{path}: cannot read llvm-nm's line {line!r}")
        found.append(Reference(match[2], match[3] or "", bool(match[1])))
    return found


def undefined_symbols(path: Path) -> set[str]:
    """The symbols that an object file needs from others."""
    return {line.split()[-1] for line in _run("llvm-nm", "-u", path).splitlines() if line.strip()}


def defined_symbols(path: Path) -> set[str]:
    """The global symbols that a file defines."""
    return {line.split()[-1] for line in _run("llvm-nm", "-g", "-U", path).splitlines() if line.strip()}


def exported_symbols(path: Path) -> set[str]:
    """What the dynamic linker finds in a linked file."""
    lines = _run("llvm-objdump", "--macho", "--exports-trie", path).splitlines()
    return {line.split()[1] for line in lines if line.startswith("0x")}


def _load_commands(path: Path) -> str:
    return _run("llvm-objdump", "--macho", "--private-headers", path)


def is_signed(path: Path) -> bool:
    """Whether a linked file has a code signature, be it one without an identity."""
    return "cmd LC_CODE_SIGNATURE\n" in _load_commands(path)


def loaded_libraries(path: Path) -> tuple[set[str], set[str]]:
    """The libraries that a linked file loads, and the folders (@rpath) in which it looks for them."""
    commands = _load_commands(path)
    libraries = re.findall(r"cmd LC_LOAD(?:_WEAK)?_DYLIB\n.*\n\s+name (\S+) ", commands)
    return set(libraries), set(re.findall(r"cmd LC_RPATH\n.*\n\s+path (\S+) ", commands))


def minimum_os(path: Path) -> tuple[int, int]:
    """The oldest macOS (major, minor) on which the dynamic linker loads the file."""
    commands = _load_commands(path)
    match = re.search(r"\bplatform macos\s+sdk \S+\s+minos (\d+)\.(\d+)", commands)
    if not match:
        raise RuntimeError(f"{path} is not built for macOS")
    return int(match[1]), int(match[2])
