"""Builds small files for macOS with the compiler and the SDK that the wheel is built with."""

import subprocess
from pathlib import Path

import pytest

from tools.macos import sdk

INIT = "int PyInit__C(void) { return 0; }\n"


@pytest.fixture
def compile_for_macos(tmp_path):
    """compile_for_macos(source, *flags, language="c"): an object file for macOS 14."""

    def compile_one(source: str, *flags: str | Path, language: str = "c", target: str = "macos14.0") -> Path:
        path = tmp_path / f"source{len(list(tmp_path.iterdir()))}.o"
        command = [*sdk.clang(), f"--target=arm64-apple-{target}", *flags, "-x", language, "-c", "-", "-o", path]
        subprocess.run(command, input=source, text=True, check=True)
        return path

    return compile_one


@pytest.fixture
def link_for_macos(tmp_path):
    """link_for_macos(*objects_and_flags): a loadable module, with what is undefined left to be looked up."""

    def link(*inputs: str | Path, target: str = "macos14.0") -> Path:
        path = tmp_path / "_C.so"
        command = [*sdk.clang(), f"--target=arm64-apple-{target}", "-bundle", "-Wl,-undefined,dynamic_lookup"]
        subprocess.run([*command, *inputs, "-o", path], check=True)
        return path

    return link


@pytest.fixture
def module(compile_for_macos, link_for_macos):
    """module(source, *link_flags): a module of C code beside an init function."""
    return lambda source="", *flags, target="macos14.0": link_for_macos(
        compile_for_macos(INIT + source, target=target), *flags, target=target
    )
