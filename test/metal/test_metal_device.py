"""The software Metal device, tested in C++ through metal-cpp's API: one test function, one process each."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / os.environ.get("BUILD", "build") / "test" / "metal" / "metal_test"


def names() -> list[str]:
    if not PROGRAM.exists():
        return ["program_is_built"]
    return subprocess.run([PROGRAM, "--list"], check=True, capture_output=True, text=True).stdout.split()


@pytest.mark.parametrize("name", names())
def test_metal(name: str) -> None:
    result = subprocess.run([PROGRAM, name], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
