"""python -m bench.mslc: kernels that mslc compiled, interleaved with PyTorch's CPU kernels in one process."""

import argparse
import json
import platform
from pathlib import Path

import torch
from tqdm import tqdm

import torch_metal
from bench import latency, plots
from bench.cases import CASES, Case
from bench.measure import compare, prefer_library


def measure_case(case: Case, budget: float, growth: bool, progress: tqdm) -> dict:
    """Times of one case at its own size and, if asked for, at all sizes; seconds and elements."""

    def at(size: int, seconds: float) -> dict:
        progress.set_postfix_str(f"{case.name}, {size:,}")
        timing = compare(case.make("metal", size), case.make("cpu", size), seconds)
        progress.update()
        return {
            "elements": size,
            "metal_seconds": timing.metal,
            "cpu_seconds": timing.cpu,
            "ratio": timing.ratio,
            "samples": timing.samples,
        }

    result = {"name": case.name, "target": case.target, **at(case.size, budget), "growth": []}
    if growth:
        result["growth"] = [at(size, budget / 4) for size in case.sizes]
    return result


def print_results(results: list[dict], latencies: list[latency.Latency]) -> None:
    print(f"{'':26}{'elements':>10}{'metal ms':>10}{'cpu ms':>10}{'ratio':>8}{'wanted':>8}")
    for r in results:
        mark = "" if r["ratio"] <= r["target"] else f"   {r['ratio'] / r['target']:.2f} times too slow"
        times = f"{1e3 * r['metal_seconds']:10.3f}{1e3 * r['cpu_seconds']:10.3f}"
        print(f"{r['name']:26}{r['elements']:>10}{times}{r['ratio']:8.2f}{r['target']:8.2f}{mark}")
    for item in latencies:
        mark = "" if item.microseconds <= item.target else f"   {item.microseconds / item.target:.2f} times too slow"
        print(f"{item.name:26}{item.microseconds:28.1f} us{item.target:15.0f}{mark}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads, for both sides (default 1)")
    parser.add_argument("--only", default="", help="cases whose names contain one of these words, separated by commas")
    parser.add_argument("--budget", type=float, default=1.0, help="seconds for each case at its own size")
    parser.add_argument("--growth", action="store_true", help="also measure from 1K to 64M elements")
    parser.add_argument("--json", action="store_true", help="print all figures, growth included, as JSON")
    parser.add_argument("--picture", type=Path, default=Path("out/mslc.png"), help="where the picture goes")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    prefer_library("msl")
    growth = args.growth or args.json
    words = args.only.split(",")
    cases = [case for case in CASES if any(word in case.name for word in words)]

    total = sum(1 + growth * len(case.sizes) for case in cases)
    with tqdm(total=total, disable=None, dynamic_ncols=True) as progress:
        results = [measure_case(case, args.budget, growth, progress) for case in cases]
    latencies = []
    if any(word in "compile" for word in words):
        latencies += latency.compile_latencies()
    if any(word in "tiny kernel" for word in words):
        latencies += latency.launch_latencies()

    device = f"{torch.metal.get_device_name()}, {args.threads} thread(s)"
    title = f"{device}; PyTorch {torch.__version__}, {platform.machine()}"
    if results:
        plots.save(args.picture, results, title)
    if args.json:
        document = {"device": title, "results": results, "latencies": [vars(item) for item in latencies]}
        print(json.dumps(document, indent=1))
    else:
        print(title)
        print_results(results, latencies)
        if results:
            print(f"picture: {args.picture}")


if __name__ == "__main__":
    main()
