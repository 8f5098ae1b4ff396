"""The workflow for hosted Macs has never run; here it is linted: its schema, and that what it calls is there."""

import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from test.conftest import left_out

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "macos.yml"
TEXT = WORKFLOW.read_text()
RUNNERS = {"ubuntu-24.04", "macos-14", "macos-15"}


def steps(workflow: dict) -> list[dict]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def commands(workflow: dict) -> list[list[str]]:
    """The words of each command of the `run` steps; pipes, && and variables' settings taken apart."""
    lines = [line for step in steps(workflow) for line in step.get("run", "").splitlines()]
    parts = [part for line in lines for part in re.split(r"\||&&", line)]
    words = [shlex.split(re.sub(r"^\s*\w+=(\"[^\"]*\"|\S*) ", "", part)) for part in parts]
    return [command for command in words if command]


def missing_module(name: str) -> bool:
    """Whether `python -m name` finds nothing, here or in what requirements.txt installs."""
    try:
        return importlib.util.find_spec(name) is None
    except ModuleNotFoundError:
        return True


def problems_of(command: list[str]) -> list[str]:
    program, arguments = command[0], command[1:]
    if program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M)
        return [f"make has no target {target}" for target in arguments if target not in targets]
    if program == ".venv/bin/python":
        if arguments[0] != "-m" or missing_module(arguments[1]):
            return [f"no module for {' '.join(command)}"]
        return problems_of_pytest(arguments[2:]) if arguments[1] == "pytest" else []
    if program.startswith("tools/"):
        return [] if (ROOT / program).is_file() else [f"no {program}"]
    return [] if program in ("mkdir", "rm", "tee") else [f"unknown program {program}"]


def problems_of_pytest(arguments: list[str]) -> list[str]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        markers = tomllib.load(file)["tool"]["pytest"]["ini_options"]["markers"]
    known = {re.match(r"\w+", marker)[0] for marker in markers} | {"not", "and", "or"}
    chosen = arguments[arguments.index("-m") + 1] if "-m" in arguments else ""
    problems = [f"no marker {word}" for word in re.findall(r"\w+", chosen) if word not in known]
    paths = [word for word in arguments if word.startswith("test")]
    return problems + [f"no {path}" for path in paths if not (ROOT / path).exists()]


def problems(text: str, folder: Path) -> list[str]:
    """All that is wrong with a workflow."""
    (folder / "workflow.yml").write_text(text)
    check = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.github-workflows",
        folder / "workflow.yml",
    ]
    schema = subprocess.run(check, capture_output=True, text=True)
    if schema.returncode:
        return [schema.stdout]
    workflow = yaml.safe_load(text)
    found = [problem for command in commands(workflow) for problem in problems_of(command)]
    for job in workflow["jobs"].values():
        matrix = job.get("strategy", {}).get("matrix", {})
        runners = matrix["os"] if job["runs-on"] == "${{ matrix.os }}" else [job["runs-on"]]
        found += [f"no runner {runner}" for runner in runners if runner not in RUNNERS]
        found += [f"no job {needed}" for needed in [job.get("needs", [])] if needed and needed not in workflow["jobs"]]
        for step in job["steps"]:
            names = re.findall(r"matrix\.(\w+)", str(step))
            found += [f"no matrix.{name}" for name in names if name not in matrix]
    stored = {
        step["with"]["name"] for step in steps(workflow) if step.get("uses", "").startswith("actions/upload-artifact")
    }
    wanted = {
        step["with"]["name"] for step in steps(workflow) if step.get("uses", "").startswith("actions/download-artifact")
    }
    return found + [f"no artifact {name}" for name in wanted - stored]


def test_workflow_is_right(tmp_path):
    assert problems(TEXT, tmp_path) == []


def test_workflow_says_that_it_has_never_run():
    assert TEXT.startswith("# This workflow has never run")


def test_workflow_does_all_of_the_acceptance():
    called = [" ".join(command) for command in commands(yaml.safe_load(TEXT))]
    for part in ("make macos-wheel", "torch_metal selftest", "-m pytest", "-m bench.ops", "pip install --no-deps"):
        assert any(part in command for command in called), part
    assert any(
        step.get("if") == "always()" and "upload-artifact" in step.get("uses", "")
        for step in steps(yaml.safe_load(TEXT))
    )


@pytest.mark.parametrize(
    "old, new, problem",
    [
        ("runs-on: ubuntu-24.04", "runs_on: ubuntu-24.04", "runs_on"),
        ("make macos-wheel", "make mac-wheel", "no target mac-wheel"),
        ("tools/install.sh .venv", "tools/setup.sh .venv", "no tools/setup.sh"),
        ("-m bench.ops", "-m bench.opz", "no module"),
        ("not large and not software", "not large and not soft", "no marker soft"),
        ("tests.xml test", "tests.xml tests", "no tests"),
        ("macos-15]", "macos-99]", "no runner macos-99"),
        ("needs: cross-built-wheel", "needs: wheel", "no job wheel"),
        ("if: matrix.wheel == 'native'", "if: matrix.kind == 'native'", "no matrix.kind"),
        (
            "          name: wheels\n          path: dist\n",
            "          name: wheel\n          path: dist\n",
            "no artifact wheel",
        ),
    ],
)
def test_mistakes_are_found(tmp_path, old, new, problem):
    assert TEXT.count(old) >= 1
    assert any(problem in found for found in problems(TEXT.replace(old, new), tmp_path))


def test_a_mac_leaves_out_files_that_exist_and_more_of_them_without_the_software_device(tmp_path):
    with_software = left_out("darwin", ROOT / "torch_metal")
    without = left_out("darwin", tmp_path)
    assert "mslc" in set(without) - set(with_software) and "macos" in with_software
    assert all((ROOT / "test" / name).exists() for name in without)
    assert left_out("linux", tmp_path) == []
