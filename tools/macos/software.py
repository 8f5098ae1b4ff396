"""Compiles the software device, mslc and the extension on top of them for macOS, links and checks them.

LLVM for macOS is not at hand here, only the headers of the same version: its functions stay undefined, and must be LLVM's
or clang's by name. All else that is undefined must be exported by what it is bound to, as with the wheel.
"""

import argparse
import re
import sys
from pathlib import Path

from tools.macos import compile, linkcheck, macho
from tools.macos.findings import Finding

LIBRARIES = ("mslc", "metal_software")
#: Functions, variables, tables and type information of the namespaces llvm and clang, and LLVM's functions of C.
_LLVM = re.compile(r"__Z(T[VTIS]|GV)?N?[VK]*(4llvm|5clang)|_LLVM|_llvm_")


def check(library: Path, known: dict[str, dict[str, bool]]) -> list[Finding]:
    """What keeps `library` from loading where LLVM is. `known`: see `linkcheck.exports`; libraries of the build too."""
    references = [r for r in macho.references(library) if r.library or not _LLVM.match(r.symbol)]
    return linkcheck.missing_symbols(references, known)


def exports() -> dict[str, dict[str, bool]]:
    """Those of the system, of torch and of Python, and of the libraries in the build folder."""
    known = linkcheck.exports()
    for name in LIBRARIES:
        path = compile.SOFTWARE / "package" / "lib" / f"lib{name}.dylib"
        if path.exists():
            known[path.stem] = dict.fromkeys(macho.exported_symbols(path), True)
    return known


def main() -> int:
    """The exit status: 0 if all compiles and no check found anything."""
    parser = argparse.ArgumentParser(prog="python -m tools.macos.software", description=__doc__)
    parser.add_argument("--jobs", type=int, help="compilers that run at once; one for each core by default")
    args = parser.parse_args()
    build = compile.SOFTWARE
    try:
        with compile.lock(build):
            compile.configure(build)
            compile.ninja(jobs=args.jobs, build=build)
            known = exports()
            libraries = [build / "package" / "lib" / f"lib{name}.dylib" for name in LIBRARIES]
            libraries.append(build / "package" / "_C.so")
            findings = [finding for library in libraries for finding in check(library, known)]
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    print(*findings, sep="\n")
    print(f"Findings: {len(findings)} in {', '.join(library.name for library in libraries)}.")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
