"""``python -m torch_metal``: the device, versions, cache, limits, routes and environment variables.

``python -m torch_metal profile [--trace FILE] script.py arguments...``: runs a script and shows what its kernels cost.

``python -m torch_metal selftest [--report FILE] [--no-times] [family ...]``: compares the device with the CPU.
"""

import argparse
import os
import runpy
import sys
from pathlib import Path

import torch

import torch_metal
from torch_metal.environment import VARIABLES, cache_directory


def gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"


def folder_size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def rows():
    """(what, value) for each line."""
    properties = torch.metal.get_device_properties()
    cache = cache_directory()
    yield "device", f"metal:0, {properties.name}"
    yield "torch_metal", f"{torch_metal.__version__}, torch {torch.__version__}"
    yield "cache", f"{cache} ({folder_size(cache) / 2**20:.1f} MiB)"
    yield "memory", f"{gib(properties.total_memory)}, longest buffer {gib(properties.max_buffer_length)}"
    yield "threadgroup", (
        f"{properties.max_threads_per_threadgroup} threads, {properties.max_threadgroup_memory_length} bytes of memory"
    )
    yield "routes", ", ".join(f"{route} {count}" for route, count in torch_metal.route_counts().items())
    for name, meaning in VARIABLES.items():
        yield name, f"{os.environ.get(name, 'not set')}    ({meaning})"


def show() -> None:
    lines = list(rows())
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        print(f"{name:{width}}  {value}")


def profile(script: str, arguments: list[str], trace: Path | None) -> None:
    """Runs `script` as the main program; its tables come last, also if it ends with an error."""
    sys.argv = [script, *arguments]
    sys.path[0] = str(Path(script).resolve().parent)
    recorded = torch_metal.profiler.profile()
    try:
        with recorded:
            runpy.run_path(script, run_name="__main__")
    finally:
        print(f"{recorded.table('operator')}\n\n{recorded.table('kernel')}")
        if trace:
            recorded.export_chrome_trace(trace)
            print(f"trace: {trace}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m torch_metal", description="Without a command: what there is.")
    commands = parser.add_subparsers(dest="command")
    command = commands.add_parser("profile", help="run a script and show what its kernels cost")
    command.add_argument("--trace", type=Path, help="also write a Chrome trace to this file")
    command.add_argument("script", help="path of a Python program")
    command.add_argument("arguments", nargs=argparse.REMAINDER, help="its arguments")
    command = commands.add_parser("selftest", help="compare the device with the CPU, and write a report")
    report = Path("torch_metal-selftest")
    command.add_argument("--report", type=Path, default=report, help="the report's name, without ending")
    command.add_argument("--no-times", action="store_true", help="leave the times out")
    command.add_argument("families", nargs="*", metavar="family", help="only these families of kernels")
    args = parser.parse_args()
    if args.command == "profile":
        profile(args.script, args.arguments, args.trace)
    elif args.command == "selftest":
        from torch_metal import selftest

        if unknown := set(args.families) - set(selftest.FAMILIES):
            parser.error(f"no family {', '.join(sorted(unknown))}; there are {', '.join(selftest.FAMILIES)}")
        sys.exit(selftest.main(args.report, args.families, timing=not args.no_times))
    else:
        show()


if __name__ == "__main__":
    main()
