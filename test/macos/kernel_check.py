"""Whether Apple's compiler and GPUs would take our kernels: what a Mac would refuse or hang on, found on Linux.

    python -m test.macos.kernel_check                 every kernel of kernels.tsv; exit status 1 if one breaks a rule
    python -m test.macos.kernel_check FILE.metal...   the kernels of these files

mslc itself refuses much: ``double``, more than 31 buffers, atomics that Metal lacks. What it accepts is checked here on
its output: static threadgroup memory, standard-library functions and types against air_intrinsics.tsv, waits for other
threads. docs/macos.md says what that proves.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from test.macos import air
from test.macos.forward_progress import waiting_kernels
from test.macos.kernel_list import Kernel, listed_kernels
from test.macos.llvm_module import Module, demangle, is_library, read_module
from tools.precompile import source_of

ROOT = Path(__file__).resolve().parents[2]
MSLC = ROOT / "torch_metal" / "bin" / "mslc"
INCLUDES = (ROOT / "kernels", ROOT / "kernels" / "include", Path(torch.__file__).parent / "include")
EXCEPTIONS_FILE = Path(__file__).with_name("air_exceptions.tsv")
MOST_THREADGROUP_BYTES = 32768


@dataclass(frozen=True)
class Finding:
    kernel: str
    rule: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kernel}: {self.rule}: {self.detail}"


@dataclass(frozen=True)
class Unseen:
    """A name that the evidence lacks, a family of kernels that uses it, and where Metal's specification has it."""

    name: str
    family: str
    chapter: str
    since: float  # version of the language
    reason: str


@cache
def exceptions() -> tuple[Unseen, ...]:
    with EXCEPTIONS_FILE.open() as file:
        rows = csv.DictReader(file, delimiter="\t")
        return tuple(Unseen(**{**row, "since": float(row["since"])}) for row in rows)


def check_source(source: str) -> list[Finding]:
    """Every rule that a kernel of the source breaks."""
    try:
        module = read_module(_mslc(source, "--emit-llvm"))
    except subprocess.CalledProcessError as error:
        return [Finding("source", "refused", error.stderr.strip())]
    findings = list(_check_module(module))
    if module.has_atomics:
        waiting = waiting_kernels(_mslc(source, "--emit=ir-thread"))
        findings += [Finding(kernel, "wait", "a loop ends only when another thread writes") for kernel in waiting]
    return findings


def used_names(source: str) -> set[str]:
    """AIR's names, without lengths of vectors, of all that the source's kernels use."""
    module = read_module(_mslc(source, "--emit-llvm"))
    names = _Names(module)
    return {used for function in module.functions if not is_library(function) for used in names.of(function)}


def _mslc(source: str, form: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "source.metal"
        path.write_text(source)
        command = [MSLC, form, *(f"-I{include}" for include in INCLUDES), path]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


class _Names:
    """AIR's names of what functions of a module call."""

    def __init__(self, module: Module):
        self.module = module
        called = sorted({name for function in module.functions.values() for name in function.names if is_library(name)})
        self.calls = dict(zip(called, demangle(called)))

    def of(self, function: str) -> set[str]:
        names = set()
        for called in self.module.functions[function].names & self.calls.keys():
            if not called.startswith("__msl_"):
                names.update(air.intrinsics(air.parse_call(self.calls[called])))
        for conversion in self.module.functions[function].conversions:
            names.update(air.instruction(conversion))
        return {air.element(name) for name in names}


def _check_module(module: Module) -> Iterator[Finding]:
    names, known = _Names(module), air.evidence() | {exception.name for exception in exceptions()}
    own = [function for function in module.functions if not is_library(function)]
    unproven = {function: names.of(function) - known for function in own}
    for kernel, function in module.kernels.items():
        reached = _reached(module, function)
        shared = {name for own in reached for name in module.functions[own].names & module.threadgroup_bytes.keys()}
        total = sum(-(-module.threadgroup_bytes[name] // 16) * 16 for name in shared)
        if total > MOST_THREADGROUP_BYTES:
            yield Finding(kernel, "threadgroup memory", f"{total} bytes; the limit is {MOST_THREADGROUP_BYTES}")
        for name in sorted(set().union(*(unproven[name] for name in reached))):
            yield Finding(kernel, "unproven", f"{name} is neither in air_intrinsics.tsv nor in air_exceptions.tsv")
        for name in reached:
            if module.functions[name].computes_in_double:
                yield Finding(kernel, "double", f"in {air.name_of(demangle([name])[0])}")


def _reached(module: Module, root: str) -> set[str]:
    """The functions of the source, not of the library, that a kernel may call."""
    found, todo = set(), [root]
    while todo:
        name = todo.pop()
        if name not in found and name in module.functions and not is_library(name):
            found.add(name)
            todo += module.functions[name].names
    return found


def sources(kernels: set[Kernel]) -> Iterator[tuple[str, str]]:
    """(family, source) for each file of kernels/, also those of which no instance is listed."""
    by_family = defaultdict(list)
    for family, name in kernels:
        by_family[family].append(name)
    for path in sorted((ROOT / "kernels").glob("*.metal")):
        yield path.stem, source_of(path.stem, sorted(by_family.pop(path.stem, [])))
    if by_family:
        raise ValueError(f"kernels.tsv has families that are not in kernels/: {', '.join(by_family)}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="sources instead of those in kernels/")
    files = parser.parse_args().files
    checked = [f'#include "{file.resolve()}"\n' for file in files]
    checked = checked or [source for _, source in sources(listed_kernels())]
    findings = [finding for source in checked for finding in check_source(source)]
    print(*findings, f"{len(findings)} findings in {len(checked)} sources", sep="\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
