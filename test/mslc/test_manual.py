"""The examples of docs/mslc.md do what the manual says."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from .tool import MSLC

MANUAL = (Path(__file__).parents[2] / "docs" / "mslc.md").read_text()
EXAMPLES = re.findall(r"```console\n(.*?)```", MANUAL, re.S)


def commands(example: str):
    """(command, expected output) for each line that starts with a prompt."""
    for block in example.split("$ ")[1:]:
        command, _, output = block.partition("\n")
        yield command, output


def pattern(expected: str) -> str:
    """Three dots at the end of a line stand for anything."""
    return ".*".join(map(re.escape, re.split(r"(?<=[\n ])\.\.\.\n", expected)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("manual")
    (folder / "saxpy.metal").write_text(re.search(r"```metal\n(.*?)```", MANUAL, re.S)[1])
    return folder


def test_the_manual_has_examples():
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.split("\n")[0][2:30])
def test_an_example_prints_what_the_manual_shows(example, folder):
    for command, expected in commands(example):
        arguments = shlex.split(command)
        assert arguments[0] == "mslc"
        result = subprocess.run(
            [MSLC, *arguments[1:]], cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ
        )
        assert re.fullmatch(pattern(expected), result.stdout, re.S), result.stdout
