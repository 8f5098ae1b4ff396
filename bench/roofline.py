"""python -m bench.roofline: what each family of kernels should take by this device's peaks, beside what it takes.

A call takes at least as long as its bytes at the memory's speed, and as its arithmetic at the processor's. On a Mac the
peaks are the published ones of its GPU, elsewhere, or with --measured, those that two kernels reach: a triad and chains
of multiply-adds. docs/apple-performance.md has the same for all of Apple's GPUs; --document writes its tables anew.
"""

import argparse
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

import torch_metal
from bench.measure import median_seconds, prefer_library
from bench.roofline_tables import FAMILIES, MACHINES, Family, Kernel, Machine

REPOSITORY = Path(__file__).parents[1]
DOCUMENT = REPOSITORY / "docs" / "apple-performance.md"
BEGIN, END = "<!-- generated: {} -->", "<!-- end -->"
CORE_THREADGROUP_MEMORY = 60 << 10  # bytes, as measured by others on M1

PEAKS = """
#include <metal_stdlib>
using namespace metal;

kernel void triad(device float4* out [[buffer(0)]], device const float4* x [[buffer(1)]],
                  device const float4* y [[buffer(2)]], constant float& factor [[buffer(3)]],
                  uint i [[thread_position_in_grid]]) {
  out[i] = x[i] + factor * y[i];
}

/// Eight chains of multiply-adds, so that none waits for itself.
kernel void multiply_add(device float* out [[buffer(0)]], constant float& factor [[buffer(1)]],
                         constant uint& steps [[buffer(2)]], uint i [[thread_position_in_grid]]) {
  float x[8];
  for (uint j = 0; j < 8; ++j) x[j] = float(i + j);
  const uint count = steps;
  for (uint s = 0; s < count; ++s)
    for (uint j = 0; j < 8; ++j) x[j] = fma(x[j], factor, 1.0f);
  float sum = 0;
  for (uint j = 0; j < 8; ++j) sum += x[j];
  out[i] = sum;
}
"""


@dataclass(frozen=True)
class Peaks:
    """What a device reaches at best, and where that is from."""

    source: str
    gb_per_s: float
    gflop_per_s: float


def _finished(call: Callable[[], object]) -> Callable[[], None]:
    """`call` until the device is done with it. It has been called twice: what it needs is compiled and allocated."""

    def finished() -> None:
        call()
        torch.metal.synchronize()

    median_seconds(finished, 2)
    return finished


def measured_peaks(samples: int = 9, elements: int = 1 << 24, steps: int = 1 << 10, threads: int = 1 << 18) -> Peaks:
    """The best of some triads of `elements` floats, and of `threads` threads with 8 chains of `steps` multiply-adds."""
    library = torch_metal.compile_shader(PEAKS)
    x, y, out = (torch.ones(elements, device="metal") for _ in range(3))
    triad = _finished(lambda: library.triad(out, x, y, 0.5, threads=elements // 4, group_size=256))
    chains = _finished(lambda: library.multiply_add(out[:threads], 0.5, steps, threads=threads))
    triad_seconds, chains_seconds = (min(median_seconds(call, 1) for _ in range(samples)) for call in (triad, chains))
    return Peaks(
        "measured", 3 * 4 * elements / triad_seconds / 1e9, threads * 8 * steps * 2 / chains_seconds / 1e9
    )


def find_machine(device_name: str) -> Machine | None:
    """"Apple M2 Pro" -> that machine. The table has the largest configuration of each."""
    chip = re.fullmatch(r"(?:Apple )?(M\d+(?: (?:Pro|Max|Ultra))?)", device_name)
    return next((machine for machine in MACHINES if chip and machine.name == chip[1]), None)


def launched_kernels(call: Callable[[], object]) -> list[str]:
    """The names of the kernels of a call, copies left out."""
    with torch_metal.profiler.profile() as p:
        call()
    return [kernel.name for kernel in p.kernels if kernel.grid[0]]


def measure(family: Family, peaks: Peaks, samples: int) -> dict:
    """Predicted and measured seconds of a call, and its kernels."""
    call = family.make("metal")
    seconds = median_seconds(_finished(call), samples)
    names = launched_kernels(call)
    predicted = family.seconds(peaks.gb_per_s, peaks.gflop_per_s)
    return {
        "family": family.name,
        "shape": family.shape,
        "bytes": family.bytes,
        "flops": family.flops,
        "predicted_seconds": predicted,
        "measured_seconds": seconds,
        "ratio": seconds / predicted,
        "kernels": names,
        "as_described": all(kernel.name in names for kernel in family.kernels),
    }


def print_results(peaks: Peaks, results: list[dict]) -> None:
    print(f"peaks, {peaks.source}: {peaks.gb_per_s:.1f} GB/s, {peaks.gflop_per_s:.0f} GFLOP/s")
    print(f"{'':34}{'predicted':>12}{'measured':>12}{'ratio':>8}{'GB/s':>9}{'GFLOP/s':>10}{'kernels':>9}")
    for r in results:
        seconds = r["measured_seconds"]
        note = "" if r["as_described"] else "  other kernels than the table describes"
        print(
            f"{r['family']:34}{1e3 * r['predicted_seconds']:9.3f} ms{1e3 * seconds:9.3f} ms{r['ratio']:8.2f}"
            f"{r['bytes'] / seconds / 1e9:9.1f}{r['flops'] / seconds / 1e9:10.0f}{len(r['kernels']):9}{note}"
        )


# The document


def threadgroup_memory(kernel: Kernel) -> int:
    """Bytes that a threadgroup of the kernel declares, by the compiler."""
    library = torch_metal.compile_shader(
        (REPOSITORY / "kernels" / f"{kernel.file}.metal").read_text()
        + f'\ntemplate [[host_name("it")]] [[kernel]] decltype({kernel.name}) {kernel.name};\n',
        include_directories=[str(REPOSITORY / "kernels" / "include")],
    )
    return library.it.static_thread_group_memory_length


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def machines_table() -> str:
    return _table(
        ["GPU", "cores", "GHz", "GFLOP/s", "GB/s", "flops a byte"],
        [
            [m.name, str(m.cores), f"{m.ghz:.2f}", f"{m.gflop_per_s:.0f}", f"{m.gb_per_s:.0f}", f"{m.ridge:.0f}"]
            for m in MACHINES
        ],
    )


def families_table() -> str:
    return _table(
        ["family", "call", "MB", "MFLOP", "flops a byte", "passes"],
        [
            [f.name, f.shape, f"{f.bytes / 1e6:.1f}", f"{f.flops / 1e6:.0f}", f"{f.intensity:.2f}", str(f.passes)]
            for f in FAMILIES
        ],
    )


def predictions_table() -> str:
    rows = []
    for family in FAMILIES:
        times = [family.seconds(m.gb_per_s, m.gflop_per_s) for m in MACHINES]
        rows.append([family.name, *(f"{1e3 * time:.2f}" for time in times)])
    return _table(["ms", *(m.name for m in MACHINES)], rows)


def occupancy_table() -> str:
    rows = []
    for kernel, family in ((kernel, family) for family in FAMILIES for kernel in family.kernels):
        memory = threadgroup_memory(kernel)
        groups = CORE_THREADGROUP_MEMORY // memory if memory else None
        limit = "no limit" if groups is None else f"{groups} ({groups * kernel.threads} threads)"
        rows.append([f"`{kernel.name}`", str(kernel.threads), str(memory), limit, str(family.registers)])
    return _table(["kernel", "threads a group", "bytes a group", "groups a core by memory", "registers"], rows)


TABLES = {
    "machines": machines_table,
    "families": families_table,
    "predictions": predictions_table,
    "occupancy": occupancy_table,
}


def with_tables(text: str) -> str:
    """The document's text with each table as it is generated now."""
    for name, table in TABLES.items():
        begin = BEGIN.format(name)
        pattern = re.compile(re.escape(begin) + r"\n.*?" + re.escape(END), re.DOTALL)
        if len(pattern.findall(text)) != 1:
            raise ValueError(f"the document has to have one table between '{begin}' and '{END}'")
        text = pattern.sub(lambda _, t=table, b=begin: f"{b}\n{t()}\n{END}", text)
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="families whose names contain one of these words")
    parser.add_argument("--samples", type=int, default=9, help="calls of each")
    parser.add_argument("--measured", action="store_true", help="take measured peaks also on a GPU of the table")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")
    parser.add_argument("--document", action="store_true", help="write the tables of docs/apple-performance.md and end")
    args = parser.parse_args()
    if args.document:
        DOCUMENT.write_text(with_tables(DOCUMENT.read_text()))
        return
    prefer_library("msl")  # the tables are about these kernels
    machine = None if args.measured else find_machine(torch.metal.get_device_name())
    peaks = Peaks(machine.name, machine.gb_per_s, machine.gflop_per_s) if machine else measured_peaks(args.samples)
    chosen = [f for f in FAMILIES if any(word in f.name for word in args.only.split(","))]
    results = [measure(family, peaks, args.samples) for family in chosen]
    if args.json:
        print(json.dumps({"device": torch.metal.get_device_name(), "peaks": vars(peaks), "results": results}, indent=1))
    else:
        print(torch.metal.get_device_name())
        print_results(peaks, results)


if __name__ == "__main__":
    main()
