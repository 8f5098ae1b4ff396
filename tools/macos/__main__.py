"""Builds and checks the wheel for macOS, which serves every supported Python."""

import argparse
import sys
from pathlib import Path

from tools.macos import check, compile, wheel


def main() -> int:
    """The exit status: 0 if the wheel was written and no check found anything."""
    parser = argparse.ArgumentParser(prog="python -m tools.macos", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("dist"), help="folder of the wheel")
    parser.add_argument("--jobs", type=int, help="compilers that run at once; one for each core by default")
    args = parser.parse_args()

    try:
        with compile.lock():
            module = compile.build(args.jobs)
            findings = check.check(module, compile.object_files())
            wheels = [] if findings else [wheel.pack(module, args.output)]
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    print(*findings, *wheels, sep="\n")
    print(f"Findings: {len(findings)}. Wheels: {len(wheels)}.")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
