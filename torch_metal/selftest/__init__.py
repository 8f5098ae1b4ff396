"""``python -m torch_metal selftest``: does this device compute what the CPU computes, and how fast?

Every kernel family forward and backward in a few dtypes and layouts, what is around the kernels, and times. A report
(Markdown and JSON) says all of it; attach it to an issue.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch_metal
from torch_metal.selftest import elementwise, layers, runtime
from torch_metal.selftest.case import Case
from torch_metal.selftest.check import check, variants
from torch_metal.selftest.report import Report
from torch_metal.selftest.timing import WORKLOADS, measure

CASES: list[Case] = elementwise.CASES + layers.CASES + runtime.CASES
FAMILIES = sorted({case.family for case in CASES})


def selftest(report_path: Path, families: Sequence[str] = (), timing: bool = True) -> Report:
    """Runs the cases of these families (none: all) and the timings; writes the report after each family, so that a
    crash leaves what was found. Nothing that fails raises: it is in the report."""
    cases = [case for case in CASES if not families or case.family in families]
    work = [(case, *variant) for case in cases for variant in variants(case)]
    workloads = list(WORKLOADS) if timing else []
    report = Report()
    progress = _Progress(len(work) + len(workloads))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PyTorch's prototypes: nested, sparse
        for index, (case, *variant) in enumerate(work):
            progress.show(f"{case.family}: {case.name}")
            report.results.append(check(case, *variant))
            for name, count in torch_metal.fallback_operators().items():
                report.fallbacks[name] = report.fallbacks.get(name, 0) + count
            if index + 1 == len(work) or work[index + 1][0].family != case.family:
                report.write(report_path)
        for name in workloads:
            progress.show(f"time: {name}")
            try:
                report.timings.append(measure(name))
            except Exception as error:
                report.timing_problems.append(f"time: {name}\n{type(error).__name__}: {error}")
    progress.clear()
    report.finished = True
    report.write(report_path)
    return report


def main(report_path: Path, families: Sequence[str], timing: bool) -> int:
    """Exit status: 0 if all agree, 1 if not."""
    report = selftest(report_path, families, timing)
    for name, value in report.environment.items():
        print(f"{name:10}  {value}")
    for problem in report.problems:
        print(f"\n{problem}")
    if report.timings:
        print()
    for time in report.timings:
        print(f"{time.name:34} {time.metal * 1e3:9.3f} ms, {time.ratio:6.2f} times {report.rival}")
    print(f"\n{report.verdict}\nreport: {report_path}.md, {report_path}.json")
    return 1 if report.problems else 0


class _Progress:
    """A line that is written over, on a terminal's standard error."""

    def __init__(self, total: int):
        self.total, self.done = total, 0
        self.on = sys.stderr.isatty()

    def show(self, text: str) -> None:
        if self.on:
            filled = 24 * self.done // self.total
            print(
                f"\r\033[K[{'#' * filled}{'.' * (24 - filled)}] {self.done}/{self.total} {text[:60]}",
                end="",
                file=sys.stderr,
                flush=True,
            )
        self.done += 1

    def clear(self) -> None:
        if self.on:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
