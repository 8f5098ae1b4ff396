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
import sysconfig
from pathlib import Path

from tqdm import tqdm

from tools.macos import parts, sdk

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "macos"
SOFTWARE = ROOT / "build" / "macos-software"  # the same with the software device (tools/macos/software.py)
MODULE = BUILD / "package" / "_C.so"
MADE_OF = BUILD / "package" / "_C.sha256"


@contextlib.contextmanager
def lock(build: Path = BUILD):
    """Keeps other processes out of the build folder."""
    build.mkdir(parents=True, exist_ok=True)
    with open(build / ".lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _folder_of_links(folder: Path, links: dict[str, Path]) -> Path:
    """The folder, with symbolic links: name -> target."""
    for link, target in links.items():
        path = folder / link
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_symlink() or os.readlink(path) != str(target):
            path.unlink(missing_ok=True)
            path.symlink_to(target)
    return folder


def _python_for_macos(build: Path) -> Path:
    """The headers of the Python that runs this, with macOS's pyconfig.h instead of this machine's. Which version it is
    makes no difference, as the module keeps to the stable ABI of an older one."""
    headers = Path(sysconfig.get_paths()["include"])
    if not (headers / "Python.h").exists():
        raise RuntimeError(f"Python's headers are not on this machine: there is no {headers / 'Python.h'}")
    links = {path.name: path for path in headers.iterdir()}
    return _folder_of_links(build / "python", links | {"pyconfig.h": Path(__file__).parent / "python" / "pyconfig.h"})


def _torch_for_macos(build: Path) -> Path:
    """A folder like site-packages/torch of a Mac: torch's headers and libraries."""
    links = {f"lib/{library.name}": library for library in parts.torch_libraries().values()}
    return _folder_of_links(build / "torch", links | {"include": parts.torch_include()})


def configure(build: Path = BUILD) -> None:
    """Sets the build folder up, for the Apple device or, if it is SOFTWARE, for the software device. Raises RuntimeError with CMake's words."""
    options = {
        "ZIG": parts.zig(),
        "MACOS_SDK": sdk.fetch(),
        "TORCH_ROOT": _torch_for_macos(build),
        "METAL_CPP_INCLUDE": parts.metal_cpp(),
        "Python3_EXECUTABLE": sys.executable,
        "Python3_INCLUDE_DIR": _python_for_macos(build),
        "PACKAGE_DIR": build / "package",
        "TORCH_METAL_DEVICE": "software" if build == SOFTWARE else "apple",
        "TORCH_METAL_TESTS": "OFF",
    }
    command = ["cmake", "-G", "Ninja", "-S", ROOT, "-B", build, "--toolchain", ROOT / "cmake" / "macos-zig.cmake"]
    # CMake looks at the compiler and its options once, and would keep the first.
    toolchain = f"{options['ZIG']}\n{options['MACOS_SDK']}\n"
    made_with = build / "toolchain.txt"
    if not made_with.exists() or made_with.read_text() != toolchain:
        (build / "CMakeCache.txt").unlink(missing_ok=True)
        shutil.rmtree(build / "CMakeFiles", ignore_errors=True)
        made_with.write_text(toolchain)
    result = subprocess.run([*command, *(f"-D{k}={v}" for k, v in options.items())], capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"CMake cannot configure the build for macOS:\n{result.stdout}{result.stderr}")


def ninja(*targets: str, jobs: int | None = None, build: Path = BUILD) -> None:
    """Builds `targets`, all by default, with a bar that counts them. Raises RuntimeError with the compiler's words."""
    command = ["ninja", "-C", str(build), *(["-j", str(jobs)] if jobs else []), *targets]
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


def build(jobs: int | None = None) -> Path:
    """The extension module, torch_metal/_C.so."""
    configure()
    MADE_OF.unlink(missing_ok=True)
    digest = _digest()
    ninja(jobs=jobs)
    MADE_OF.write_text(digest)
    return MODULE


def fresh_module() -> Path | None:
    """The module in the build folder, if it is made of just the present sources and parts."""
    return MODULE if MADE_OF.exists() and MADE_OF.read_text() == _digest() else None


def _digest() -> str:
    """Of all that the module is made of."""
    folders = [ROOT / "csrc", ROOT / "kernels", ROOT / "cmake", Path(__file__).parent / "python"]
    files = [ROOT / "CMakeLists.txt", ROOT / "tools" / "embed.py", *(f for d in folders for f in d.rglob("*"))]
    elsewhere = (ROOT / "csrc" / "mslc", ROOT / "csrc" / "metal" / "software")
    digest = hashlib.sha256(f"{sdk.fetch()} {parts.torch_libraries()}".encode())
    for path in sorted(f for f in files if f.is_file() and not any(f.is_relative_to(d) for d in elsewhere)):
        digest.update(f"\n{path.relative_to(ROOT)} {path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def compile_command(source: Path) -> tuple[list[str], Path]:
    """How `source` is compiled, and the object file that comes of it."""
    return commands()[source]


def object_files() -> list[Path]:
    """The object files that the module is linked from."""
    return [output for _, output in commands().values() if output.suffix == ".o"]


def commands(build: Path = BUILD) -> dict[Path, tuple[list[str], Path]]:
    """Source -> how it is compiled, and the object file that comes of it."""
    found = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        words = shlex.split(entry["command"])
        found[Path(entry["file"])] = words, build / words[words.index("-o") + 1]
    return found
