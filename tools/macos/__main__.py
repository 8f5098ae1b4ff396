"""Builds and checks the wheels for macOS: one for each supported Python whose headers are on this machine."""

import argparse
import sys
from pathlib import Path

from tools.macos import check, compile, parts, wheel


def main() -> int:
    """The exit status: 0 if wheels were written and no check found anything."""
    parser = argparse.ArgumentParser(prog="python -m tools.macos", description=__doc__)
    parser.add_argument("--python", nargs="+", choices=parts.PYTHONS, default=parts.PYTHONS, metavar="VERSION",
                        help=f"of {', '.join(parts.PYTHONS)}; all by default")  # fmt: skip
    parser.add_argument("--output", type=Path, default=Path("dist"), help="folder of the wheels")
    parser.add_argument("--jobs", type=int, help="compilers that run at once; one for each core by default")
    args = parser.parse_args()

    possible = [version for version in args.python if compile.python_headers(version)]
    findings, wheels = [], []
    try:
        for version in possible:
            with compile.lock():
                module = compile.build(version, args.jobs)
                found = check.check(module, compile.object_files(), version)
                findings += found
                if not found:
                    wheels.append(wheel.pack(module, version, args.output))
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    print(*findings, *wheels, sep="\n")
    for version in args.python:
        if version not in possible:
            print(f"Not built for Python {version}: its headers (Python.h) are not on this machine")
    print(f"Findings: {len(findings)}. Wheels: {len(wheels)}.")
    return 0 if wheels and not findings else 1


if __name__ == "__main__":
    sys.exit(main())
