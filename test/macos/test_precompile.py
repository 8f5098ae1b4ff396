"""Kernels are compiled ahead of time by Apple's compiler, here a stand-in that copies the source."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import precompile

ROOT = Path(__file__).parents[2]
LISTED = "unary\tunary_dense<exp_op, float, float>\nunary\tunary_dense<sin_op, half, half>\nfill\tzeros\n"
STAND_IN = """#!/bin/sh
while [ $# -gt 0 ]; do [ "$1" = -o ] && output=$2; source=$1; shift; done
[ -n "$FAILS" ] && case $source in *$FAILS*) echo "error: no such type" >&2; exit 1;; esac
cp "$source" "$output"
"""


@pytest.fixture
def compile_listed(tmp_path):
    """Runs the tool on the list above; the environment's FAILS is a family that the compiler rejects."""
    (tmp_path / "xcrun").write_text(STAND_IN)
    (tmp_path / "xcrun").chmod(0o755)
    (tmp_path / "list.tsv").write_text(LISTED)

    def run(**environment: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "tools/precompile.py", tmp_path / "list.tsv", tmp_path / "out", "kernels"]
        path = f"{tmp_path}:{os.environ['PATH']}"
        return subprocess.run(command, cwd=ROOT, env={**os.environ, "PATH": path, **environment}, text=True,
                              capture_output=True)  # fmt: skip

    run.folder = tmp_path / "out"
    return run


def test_each_family_is_a_library_with_the_names_that_the_runtime_asks_for(compile_listed):
    done = compile_listed()
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in compile_listed.folder.glob("*.metallib")) == ["fill.metallib", "unary.metallib"]
    source = (compile_listed.folder / "unary.metallib").read_text()
    assert source.startswith('#include "unary.metal"\n')
    for name in ("unary_dense<exp_op, float, float>", "unary_dense<sin_op, half, half>"):
        assert f'template [[host_name("{name}")]] [[kernel]] decltype({name}) {name};' in source
    assert (compile_listed.folder / "fill.metallib").read_text() == '#include "fill.metal"\n'


def test_what_the_compiler_rejects_is_said_and_the_rest_is_there(compile_listed):
    done = compile_listed(FAILS="unary")
    assert done.returncode == 1
    assert "unary: error: no such type" in done.stderr
    assert (compile_listed.folder / "fill.metallib").exists()


def test_a_line_without_a_kernel_is_named():
    with pytest.raises(ValueError, match="line 2, 'unary', is not a family, a tab"):
        precompile.families(["fill\tzeros", "unary"])


def test_kernels_are_compiled_as_the_runtime_compiles_them():
    runtime = (ROOT / "csrc" / "runtime" / "kernel_library.cpp").read_text()
    assert "LanguageVersion3_1" in runtime and "-std=metal3.1" in precompile.OPTIONS
    assert "setFastMathEnabled(options.fast_math)" in runtime and "-fno-fast-math" in precompile.OPTIONS
