"""Compiles kernels ahead of time with Apple's compiler: `python tools/precompile.py LIST OUTPUT INCLUDE...`.

LIST has a line for each kernel, its family and its name with template arguments, separated by a tab. OUTPUT gets a
<family>.metallib for each family. Works where `xcrun metal` does: on a Mac with Xcode. Kernels that are not in the
list are compiled from source when they are first used, as all are without these libraries.
"""

import argparse
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

#: As the runtime compiles (runtime/kernel_library.cpp).
OPTIONS = ["-std=metal3.1", "-fno-fast-math", "-mmacosx-version-min=14.0"]


def families(lines: list[str]) -> dict[str, list[str]]:
    """Family -> names of its kernels. Raises ValueError for a line that is not a family and a name."""
    found: dict[str, list[str]] = {}
    for number, line in enumerate(lines, 1):
        family, tab, name = line.partition("\t")
        if not (family and tab and name):
            raise ValueError(f"line {number}, {line!r}, is not a family, a tab and a kernel's name")
        found.setdefault(family, []).append(name)
    return found


def source_of(family: str, names: list[str]) -> str:
    """MSL that instantiates the kernels under the names by which the runtime asks for them."""
    instances = (
        f'template [[host_name("{name}")]] [[kernel]] decltype({name}) {name};\n' for name in names if "<" in name
    )
    return f'#include "{family}.metal"\n{"".join(instances)}'


def compile_family(family: str, names: list[str], output: Path, includes: list[Path]) -> Path:
    """Writes the family's library. Raises subprocess.CalledProcessError, its output with it, if Apple's tools fail."""
    library = output / f"{family}.metallib"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / f"{family}_instances.metal"
        source.write_text(source_of(family, names))
        paths = [f"-I{include}" for include in includes]
        command = ["xcrun", "-sdk", "macosx", "metal", *OPTIONS, *paths, "-o", library, source]
        subprocess.run(command, check=True, capture_output=True, text=True)
    return library


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("list", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("includes", type=Path, nargs="+")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)

    def run(item: tuple[str, list[str]]) -> str | None:
        try:
            compile_family(*item, args.output, args.includes)
        except subprocess.CalledProcessError as error:
            return f"{item[0]}: {error.stderr}"

    with ThreadPoolExecutor() as pool:
        failures = [text for text in pool.map(run, families(args.list.read_text().splitlines()).items()) if text]
    if failures:
        raise SystemExit("Apple's compiler rejects kernels. Those of these families are compiled at first use:\n"
                         + "\n".join(failures))


if __name__ == "__main__":
    main()
