"""Reads rejections/*.metal: sources that are wrong, each with one that is right.

    //// name of the case
      device float x;
    //             ^ what is said, at the column of the caret in the line above
    //// ok
      constant float x = 1;
"""

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "rejections"
CARET = re.compile(r"//( *)\^ (.*)")
ERROR = re.compile(r"[^:\s]*:(\d+):(\d+): error: (.*)")

# (line, column, message)
Error = tuple[int, int, str]


@dataclass
class Case:
    name: str
    wrong: str
    errors: list[Error]
    right: str


def cases() -> list[Case]:
    """All cases, in the order of the files and of their lines."""
    return [_case(path.stem, text) for path in sorted(FOLDER.glob("*.metal")) for text in _sections(path)]


def errors(diagnostics: str) -> list[Error]:
    """The errors in a compiler's output."""
    found = map(ERROR.fullmatch, diagnostics.splitlines())
    return [(int(match[1]), int(match[2]), match[3]) for match in found if match]


def _sections(path: Path) -> list[str]:
    return re.split(r"^//// (?!ok$)", path.read_text(), flags=re.MULTILINE)[1:]


def _case(stem: str, text: str) -> Case:
    name, _, body = text.partition("\n")
    wrong, _, right = body.partition("//// ok\n")
    lines, expected = [], []
    for line in wrong.splitlines():
        if match := CARET.fullmatch(line):
            expected.append((len(lines), 3 + len(match[1]), match[2]))
        else:
            lines.append(line)
    return Case(f"{stem}: {name}", "\n".join(lines) + "\n", expected, right)
