"""What checks report, and the tables of what a reviewer has let pass."""

import csv
from pathlib import Path
from typing import NamedTuple

TABLES = Path(__file__).parent


class Finding(NamedTuple):
    """Something that is wrong, in words that say what, where and why."""

    check: str
    text: str

    def __str__(self) -> str:
        return f"{self.check}: {self.text}"


def table(name: str) -> list[dict[str, str]]:
    """The rows of tools/macos/NAME.tsv."""
    with open(TABLES / f"{name}.tsv", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))
