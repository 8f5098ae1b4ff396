"""The self-test runs every kernel family, agrees with the CPU, and reports what does not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from torch_metal import selftest
from torch_metal.selftest.case import Case, numbers
from torch_metal.selftest.timing import WORKLOADS, measure

ROOT = Path(__file__).resolve().parent.parent

# Runs the command with an operator that is wrong by little, or fails.
SABOTAGED = """
import runpy, sys, torch
library = torch.library.Library("aten", "IMPL")
library.impl("{operator}", {function}, "PrivateUse1", allow_override=True)
sys.argv[0] = "torch_metal"
runpy.run_module("torch_metal", run_name="__main__")
"""
EVERY_FAMILY = """
import sys, torch_metal
from pathlib import Path
from torch_metal import selftest
status = selftest.main(Path(sys.argv[1]), [], timing=False)
launched = {{family for family, _ in torch_metal.native.kernels_in_use()}}
print("not launched:", *{families} - launched)
sys.exit(status)
"""
#: Families that only GPUs take, unless told to.
FOR_GPUS = ["attention_matrix", "attention_matrix_backward"]


def run(*arguments, timeout=300, **environment):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def test_every_kernel_family_is_launched_and_agrees_with_the_cpu(tmp_path):
    families = {path.stem for path in (ROOT / "kernels").glob("*.metal")}
    assert families <= set(selftest.FAMILIES)
    done = run("-c", EVERY_FAMILY.format(families=families - set(FOR_GPUS)), tmp_path / "report")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not launched:\n" in done.stdout
    data = json.loads((tmp_path / "report.json").read_text())
    assert data["finished"] and len(data["results"]) > 900 and not data["fallbacks"]
    assert {result["family"] for result in data["results"]} == set(selftest.FAMILIES)


def test_families_for_gpus_are_launched_and_agree_where_matrices_are_preferred(tmp_path):
    script = EVERY_FAMILY.format(families=set(FOR_GPUS)).replace("[]", str(FOR_GPUS))
    done = run("-c", script, tmp_path / "report", TORCH_METAL_GEMM_TILE="matrix")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not launched:\n" in done.stdout


def test_command_writes_a_report(tmp_path):
    done = run("-m", "torch_metal", "selftest", "--report", tmp_path / "new" / "report-0.1", "--no-times", "cross", "fill")
    assert done.returncode == 0, done.stdout + done.stderr
    text = (tmp_path / "new" / "report-0.1.md").read_text()
    assert "checks agree with the CPU**" in text and "| cross |" in text and "| fill |" in text
    assert torch.metal.get_device_name() in text and "32768" in text
    routes = [result["routes"] for result in json.loads((tmp_path / "new" / "report-0.1.json").read_text())["results"]]
    assert routes and all(route.get("msl") for route in routes)


@pytest.mark.parametrize(
    "function, problem",
    [
        ("lambda x, *, out: out.copy_(x.cpu().erf() * 1.001)", "unary: erf (float32, contiguous)\ntensor 0"),
        ("lambda x, *, out: out.fill_(1 // 0)", "ZeroDivisionError"),
    ],
    ids=["wrong", "failing"],
)
def test_a_wrong_operator_is_reported(tmp_path, function, problem):
    script = SABOTAGED.format(operator="erf.out", function=function)
    done = run("-c", script, "selftest", "--report", tmp_path / "report", "--no-times", "unary")
    assert done.returncode == 1, done.stdout + done.stderr
    assert problem in done.stdout and problem in (tmp_path / "report.md").read_text()
    wrong = {r["case"] for r in json.loads((tmp_path / "report.json").read_text())["results"] if r["problem"]}
    assert wrong == {"erf"}


def test_a_fallback_is_reported(tmp_path, monkeypatch):
    """The CPU agrees with itself: that an operator has no kernel must show all the same."""
    library = torch.library.Library("torch_metal_selftest", "FRAGMENT")
    library.define("twice(Tensor self) -> Tensor")
    library.impl("twice", lambda x: x * 2, "CPU")
    case = Case("cross", "twice", lambda x: torch.ops.torch_metal_selftest.twice(x), (numbers(3),), backward=False)
    monkeypatch.setattr(selftest, "CASES", [case])
    report = selftest.selftest(tmp_path / "report", timing=False)
    library._destroy()
    assert not report.problems
    assert "Fell back to the CPU: torch_metal_selftest::twice" in (tmp_path / "report.md").read_text()


def test_unknown_family_is_a_usage_error(tmp_path):
    done = run("-m", "torch_metal", "selftest", "--report", tmp_path / "report", "unery")
    assert done.returncode == 2 and "unary" in done.stderr


@pytest.mark.parametrize("name", WORKLOADS)
def test_times_are_measured(name):
    timing = measure(name, rounds=1)
    assert timing.metal > 0 and timing.rival > 0
