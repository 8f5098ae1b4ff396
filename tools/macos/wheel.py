"""Packs a built module and the Python package as a wheel. pyproject.toml says what is in it, setuptools writes it."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools import stable_abi

ROOT = Path(__file__).resolve().parents[2]
PLATFORM = "macosx_14_0_arm64"
EPOCH = "315532800"  # 1980, the first year of zip files: equal contents are equal bytes

SETUP = f"""
from setuptools import Distribution, setup


class BinaryDistribution(Distribution):
    def has_ext_modules(self):
        return True


options = {{"bdist_wheel": {{"py_limited_api": "{stable_abi.TAGS[0]}", "plat_name": "{PLATFORM}"}}}}
setup(distclass=BinaryDistribution, options=options)
"""


def _stage(module: Path, folder: Path) -> None:
    """Copies what the wheel is made of."""
    built_here = shutil.ignore_patterns("_C*", "lib", "bin", "__pycache__")
    shutil.copytree(ROOT / "torch_metal", folder / "torch_metal", ignore=built_here)
    for name in ("pyproject.toml", "README.md", "torch_metal_autoload.py"):
        shutil.copyfile(ROOT / name, folder / name)
    shutil.copyfile(module, folder / "torch_metal" / "_C.so")
    (folder / "setup.py").write_text(SETUP)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() or path.suffix == ".so" else 0o644)


def pack(module: Path, output: Path) -> Path:
    """Writes the wheel into the folder `output` and returns its path."""
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder, made = Path(scratch) / "source", Path(scratch) / "made"
        _stage(module, folder)
        command = [sys.executable, "setup.py", "--quiet", "bdist_wheel", "--dist-dir", made]
        environment = os.environ | {"SOURCE_DATE_EPOCH": EPOCH}
        result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        wheels = list(made.glob("*.whl"))
        if result.returncode or len(wheels) != 1:
            raise RuntimeError(f"setuptools cannot pack the wheel:\n{result.stdout}{result.stderr}")
        return Path(shutil.copy(wheels[0], output))
