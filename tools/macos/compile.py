"""Runs CMake and ninja for macOS. What is compiled, and how, csrc/CMakeLists.txt says for every platform."""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from tqdm import tqdm

from tools.macos import parts, sdk

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "macos"  # one folder for all Pythons: what does not see Python's headers is compiled once
MODULE = BUILD / "package" / "_C.so"
MADE_OF = BUILD / "package" / "_C.sha256"
TOOLCHAIN = BUILD / "toolchain.txt"


@contextlib.contextmanager
def lock():
    """Keeps other processes out of the build folder."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with open(BUILD / ".lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def python_headers(python: str) -> Path | None:
    """The folder of Python.h of that version on this machine, or None. PyPI has no package that carries it."""
    own = python == f"{sys.version_info.major}.{sys.version_info.minor}"
    interpreter = sys.executable if own else shutil.which(f"python{python}")
    if not interpreter:
        return None
    command = "import sysconfig; print(sysconfig.get_paths()['include'])"
    result = subprocess.run([interpreter, "-c", command], capture_output=True, text=True)
    folder = Path(result.stdout.strip())
    return folder if result.returncode == 0 and (folder / "Python.h").exists() else None


def _folder_of_links(name: str, links: dict[str, Path]) -> Path:
    """The folder `name` in the build folder, with symbolic links: name -> target."""
    folder = BUILD / name
    for link, target in links.items():
        path = folder / link
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_symlink() or os.readlink(path) != str(target):
            path.unlink(missing_ok=True)
            path.symlink_to(target)
    return folder


def _python_for_macos(python: str) -> Path:
    """The headers of that version of Python with macOS's pyconfig.h instead of this machine's."""
    headers = python_headers(python)
    if headers is None:
        raise RuntimeError(f"Python {python}'s headers (Python.h) are not on this machine")
    links = {path.name: path for path in headers.iterdir()}
    return _folder_of_links(f"python-{python}", links | {"pyconfig.h": Path(__file__).parent / "python" / "pyconfig.h"})


def _torch_for_macos(python: str) -> Path:
    """A folder like site-packages/torch of a Mac with that Python: torch's headers and libraries."""
    links = {f"lib/{library.name}": library for library in parts.torch_libraries(python).values()}
    return _folder_of_links(f"torch-{python}", links | {"include": parts.torch_include()})


def configure(python: str) -> None:
    """Makes the build folder one for that version of Python. Raises RuntimeError with CMake's words."""
    options = {
        "ZIG": parts.zig(),
        "MACOS_SDK": sdk.fetch(),
        "TORCH_ROOT": _torch_for_macos(python),
        "METAL_CPP_INCLUDE": parts.metal_cpp(),
        "Python3_EXECUTABLE": sys.executable,
        "Python3_INCLUDE_DIR": _python_for_macos(python),
        "PACKAGE_DIR": BUILD / "package",
        "TORCH_METAL_TESTS": "OFF",
    }
    command = ["cmake", "-G", "Ninja", "-S", ROOT, "-B", BUILD, "--toolchain", ROOT / "cmake" / "macos-zig.cmake"]
    # CMake looks at the compiler and its options once, and would keep the first.
    toolchain = f"{options['ZIG']}\n{options['MACOS_SDK']}\n"
    if not TOOLCHAIN.exists() or TOOLCHAIN.read_text() != toolchain:
        (BUILD / "CMakeCache.txt").unlink(missing_ok=True)
        shutil.rmtree(BUILD / "CMakeFiles", ignore_errors=True)
        TOOLCHAIN.write_text(toolchain)
    result = subprocess.run([*command, *(f"-D{k}={v}" for k, v in options.items())], capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"CMake cannot configure the build for macOS:\n{result.stdout}{result.stderr}")


def ninja(*targets: str, jobs: int | None = None) -> None:
    """Builds `targets`, all by default, with a bar that counts them. Raises RuntimeError with the compiler's words."""
    command = ["ninja", "-C", str(BUILD), *(["-j", str(jobs)] if jobs else []), *targets]
    environment = os.environ | {"NINJA_STATUS": "[%f/%t] "}
    log = []
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, env=environment, **output) as process, tqdm(desc="Compiling", unit="file") as bar:
        for line in process.stdout:
            log.append(line)
            if match := re.match(r"\[(\d+)/(\d+)\]", line):
                bar.total = int(match[2])
                bar.update(int(match[1]) - bar.n)
    if process.returncode:
        raise RuntimeError("The build for macOS failed:\n" + "".join(log[-60:]))


def build(python: str, jobs: int | None = None) -> Path:
    """The extension module for that version of Python, torch_metal/_C.so."""
    configure(python)
    MADE_OF.unlink(missing_ok=True)
    digest = _digest(python)
    ninja(jobs=jobs)
    MADE_OF.write_text(digest)
    return MODULE


def fresh_module(python: str) -> Path | None:
    """The module in the build folder, if it is for that Python and made of just the present sources and parts."""
    return MODULE if MADE_OF.exists() and MADE_OF.read_text() == _digest(python) else None


def _digest(python: str) -> str:
    """Of all that the module is made of."""
    folders = [ROOT / "csrc", ROOT / "kernels", ROOT / "cmake", Path(__file__).parent / "python"]
    files = [ROOT / "CMakeLists.txt", ROOT / "tools" / "embed.py", *(f for d in folders for f in d.rglob("*"))]
    elsewhere = (ROOT / "csrc" / "mslc", ROOT / "csrc" / "metal" / "software")
    digest = hashlib.sha256(f"{python} {sdk.fetch()} {parts.torch_libraries(python)}".encode())
    for path in sorted(f for f in files if f.is_file() and not any(f.is_relative_to(d) for d in elsewhere)):
        digest.update(f"\n{path.relative_to(ROOT)} {path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def compile_command(source: Path) -> tuple[list[str], Path]:
    """How `source` is compiled, and the object file that comes of it."""
    return _commands()[source]


def object_files() -> list[Path]:
    """The object files that the module is linked from."""
    return [output for _, output in _commands().values() if output.suffix == ".o"]


def _commands() -> dict[Path, tuple[list[str], Path]]:
    commands = {}
    for entry in json.loads((BUILD / "compile_commands.json").read_text()):
        words = shlex.split(entry["command"])
        commands[Path(entry["file"])] = words, BUILD / words[words.index("-o") + 1]
    return commands
