"""python -m bench.ops: PyTorch's operators on metal, interleaved with the CPU's in one process."""

import argparse
import json
import math
import platform
import statistics
from collections.abc import Callable
from pathlib import Path

import torch
from tqdm import tqdm

import torch_metal
from bench import plots
from bench.measure import add_library_argument, compare, prefer_library, seconds_a_call
from bench.operators import OPERATORS, Operator

SIZES = {"small": 1 << 10, "medium": 1 << 16, "large": 1 << 22}

#: Host time of one call on one element: what a user pays when the work is nothing.
OVERHEADS = {
    "add": lambda x: x + x,
    "add, number": lambda x: x + 1,
    "mul, in place": lambda x: x.mul_(x),
    "relu": torch.relu,
    "exp": torch.exp,
    "sum": torch.sum,
    "softmax": lambda x: x.softmax(0),
    "clone": torch.clone,
    "empty": torch.empty_like,
    "view": lambda x: x.view(1, 1),
    "where": lambda x: torch.where(x > 0, x, x),
    "mm": lambda x: x.view(1, 1) @ x.view(1, 1),
}


def routes_of(call: Callable[[], object]) -> list[str]:
    """The routes that the operator calls of one call took."""
    torch_metal.reset_route_counts()
    call()
    return [route for route, calls in torch_metal.route_counts().items() if calls]


def measure_operator(operator: Operator, size: int, budget: float) -> dict:
    """Median seconds of a call on both devices."""
    metal = operator.make("metal", size)
    timing = compare(metal, operator.make("cpu", size), budget)
    return {
        "routes": routes_of(metal),
        "family": operator.family,
        "name": operator.name,
        "elements": size,
        "metal_seconds": timing.metal,
        "cpu_seconds": timing.cpu,
        "ratio": timing.ratio,
    }


def measure_overheads() -> list[dict]:
    """Microseconds a call of thousands in a row on one element, on both devices."""
    results = []
    for name, call in OVERHEADS.items():
        metal, cpu = (torch.ones(1, device=device) for device in ("metal", "cpu"))
        timing = seconds_a_call(lambda: call(metal), lambda: call(cpu), calls=2000)
        results.append({"name": name, "metal_us": 1e6 * timing.metal, "cpu_us": 1e6 * timing.cpu})
    return results


def geometric_mean(ratios: list[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, ratios)))


def summarise(results: list[dict]) -> dict[str, dict]:
    """For each size the geometric mean and the worst ratio."""
    summary = {}
    for label, size in SIZES.items():
        some = [r for r in results if r["elements"] == size]
        if some:
            worst = max(some, key=lambda r: r["ratio"])
            mean = geometric_mean([r["ratio"] for r in some])
            summary[label] = {"mean": mean, "worst": worst["ratio"], "of": worst["name"], "operators": len(some)}
    return summary


def print_results(results: list[dict], overheads: list[dict]) -> None:
    by_name = {}
    for r in results:
        by_name.setdefault((r["family"], r["name"]), {})[r["elements"]] = r
    print(f"{'metal / cpu':30}" + "".join(f"{label:>10}" for label in SIZES) + f"{'ms, large':>12}  routes, large")
    for (_, name), sizes in by_name.items():
        cells = "".join(f"{sizes[n]['ratio']:10.2f}" if n in sizes else " " * 10 for n in SIZES.values())
        largest = sizes[max(sizes)]
        print(f"{name:30}{cells}{1e3 * largest['metal_seconds']:12.3f}  {' '.join(largest['routes'])}")
    for item in overheads:
        print(f"one element: {item['name']:17}{item['metal_us']:10.1f} us on metal{item['cpu_us']:8.1f} us on the CPU")
    for label, row in summarise(results).items():
        print(f"{label}: geometric mean {row['mean']:.2f}, worst {row['worst']:.2f} ({row['of']}), {row['operators']} operators")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads, for both sides")
    parser.add_argument("--only", default="", help="operators whose names or families contain one of these words")
    parser.add_argument("--sizes", default=",".join(SIZES), help="which of small, medium, large")
    parser.add_argument("--budget", type=float, default=0.3, help="seconds for each operator and size")
    add_library_argument(parser)
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")
    parser.add_argument("--picture", type=Path, default=Path("out/ops.png"), help="where the picture goes")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    prefer_library(args.library)
    words = args.only.split(",")
    chosen = [o for o in OPERATORS if any(word in o.name or word in o.family for word in words)]
    sizes = [SIZES[label] for label in args.sizes.split(",")]

    results = []
    with tqdm(total=len(chosen) * len(sizes), disable=None, dynamic_ncols=True) as progress:
        for operator in chosen:
            for size in sizes:
                progress.set_postfix_str(f"{operator.name}, {size:,}")
                results.append(measure_operator(operator, size, args.budget))
                progress.update()
    overheads = [] if args.only else measure_overheads()
    title = f"{torch.metal.get_device_name()}, {args.threads} thread(s); PyTorch {torch.__version__}, {platform.machine()}"
    plots.save_operators(args.picture, results, SIZES, title)
    if args.json:
        document = {"device": title, "summary": summarise(results), "results": results, "overheads": overheads}
        print(json.dumps(document, indent=1))
    else:
        print(title)
        print_results(results, overheads)
        print(f"picture: {args.picture}")


if __name__ == "__main__":
    main()
