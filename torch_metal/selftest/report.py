"""What the self-test found, as Markdown to read and JSON to compare."""

from __future__ import annotations

import json
import os
import platform
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

import torch_metal
from torch_metal.environment import VARIABLES
from torch_metal.selftest.check import Result
from torch_metal.selftest.timing import Timing, rival_device

MOST_PROBLEMS = 50  # in the Markdown; the JSON has all


def environment() -> dict[str, str]:
    """The device, its limits, the system and the versions."""
    limits = vars(torch.metal.get_device_properties())
    system = f"macOS {platform.mac_ver()[0]}" if platform.system() == "Darwin" else platform.platform()
    return {
        "device": str(limits.pop("name")),
        "system": f"{system}, {platform.machine()}, {os.cpu_count()} CPU cores",
        "torch_metal": f"{torch_metal.__version__}, torch {torch.__version__}, Python {platform.python_version()}",
        "limits": ", ".join(f"{name} {value}" for name, value in limits.items()),
        "variables": ", ".join(f"{name}={os.environ[name]}" for name in VARIABLES if name in os.environ) or "none set",
    }


@dataclass
class Report:
    results: list[Result] = field(default_factory=list)
    timings: list[Timing] = field(default_factory=list)
    fallbacks: dict[str, int] = field(default_factory=dict)  # operators without a kernel, and how often each was called
    timing_problems: list[str] = field(default_factory=list)
    finished: bool = False  # a report without this is of a run that was stopped or crashed
    environment: dict[str, str] = field(default_factory=environment)
    rival: str = field(default_factory=rival_device)

    @property
    def problems(self) -> list[str]:
        wrong = [f"{result}\n{result.problem}" for result in self.results if result.problem]
        return wrong + self.timing_problems

    @property
    def verdict(self) -> str:
        if not self.finished:
            return "not finished"
        if self.problems:
            return f"{len(self.problems)} of {len(self.results) + len(self.timing_problems)} checks failed"
        return f"all {len(self.results)} checks agree with the CPU"

    def write(self, path: Path) -> None:
        """To `path`.md and `path`.json; their folder is made."""
        path.parent.mkdir(parents=True, exist_ok=True)
        Path(f"{path}.md").write_text(self.markdown())
        data = {"verdict": self.verdict, **asdict(self)}
        Path(f"{path}.json").write_text(json.dumps(data, indent=1) + "\n")

    def markdown(self) -> str:
        parts = ["# torch-metal self-test", f"**{self.verdict}**", _table(["", ""], self.environment.items())]
        parts += ["## Families", _table(["family", "checks", "wrong", "routes"], self._families())]
        if self.fallbacks:
            parts.append(
                "Fell back to the CPU: " + ", ".join(f"{name} ({count})" for name, count in self.fallbacks.items())
            )
        if self.timings:
            rows = [(t.name, f"{t.metal * 1e3:.3f}", f"{t.rival * 1e3:.3f}", f"{t.ratio:.2f}") for t in self.timings]
            parts += ["## Times", _table(["", "metal, ms", f"{self.rival}, ms", "ratio"], rows)]
        if self.problems:
            parts.append("## Problems")
            parts += [f"```\n{problem}\n```" for problem in self.problems[:MOST_PROBLEMS]]
            if len(self.problems) > MOST_PROBLEMS:
                parts.append(f"and {len(self.problems) - MOST_PROBLEMS} more, which the JSON file has.")
        return "\n\n".join(parts) + "\n"

    def _families(self):
        for family in dict.fromkeys(result.family for result in self.results):
            results = [result for result in self.results if result.family == family]
            routes = sum((Counter(result.routes) for result in results), Counter())
            wrong = sum(bool(result.problem) for result in results)
            yield family, len(results), wrong or "", ", ".join(f"{route} {count}" for route, count in routes.items())


def _table(heads, rows) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join(lines + ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows])
