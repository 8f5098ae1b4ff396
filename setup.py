"""Builds the native code with CMake; pyproject.toml holds the rest.

Used by `pip install .` (wheels) and by `make build`, whose editable install finds everything built already.
"""

import os
import subprocess
import sys
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent


class BuildNative(build_py):
    """CMake writes into the package itself, from where build_py takes the files as package data."""

    def run(self) -> None:
        build, device = ROOT / "build", os.environ.get("TORCH_METAL_DEVICE", "auto")
        if (build / "build.ninja").exists():
            if device not in ("", "auto"):  # may be another one than this folder was configured for
                subprocess.check_call(["cmake", f"-DTORCH_METAL_DEVICE={device}", build])
        else:
            subprocess.check_call(
                [
                    "cmake", "-G", "Ninja", "-S", ROOT, "-B", build, f"-DPython3_EXECUTABLE={sys.executable}",
                    "-DTORCH_METAL_TESTS=OFF",
                ]  # fmt: skip
            )
        subprocess.check_call(["ninja", "-C", build])
        super().run()


class BinaryDistribution(Distribution):
    """Wheels are for one platform."""

    def has_ext_modules(self) -> bool:
        return True


# The module keeps to Python's stable ABI (csrc/python/module.cpp): one wheel serves 3.11 and later.
options = {"bdist_wheel": {"py_limited_api": "cp311"}}
setup(cmdclass={"build_py": BuildNative}, distclass=BinaryDistribution, options=options)
