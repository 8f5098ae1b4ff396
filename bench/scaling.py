"""python -m bench.scaling: how the time of operators grows with their size, and shrinks with threads.

For each operator, device and number of threads the times are fitted by t = t0 + work / rate: t0 is what a call costs
however little it does, and half of the time goes into either where work = t0 * rate.
"""

import argparse
import json
import math
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from tqdm import tqdm

import torch_metal  # noqa: F401
from bench import plots
from bench.measure import add_library_argument, compare, prefer_library

MAX_SIZE = 1 << 26
ROW = 1024
CHANNELS = 16

Work = Callable[[], object]


@dataclass(frozen=True)
class Scaled:
    """An operator on about n elements, n a power of 4; `work(n)` is what its time is in proportion to."""

    name: str
    make: Callable[[str, int], Work]
    work: Callable[[int], int] = lambda n: n
    unit: str = "elements"
    max_size: int = MAX_SIZE  # beyond, a call takes seconds


@dataclass(frozen=True)
class Fit:
    """t = t0 + work / rate, and by which factor the worst of the times is off it."""

    t0: float  #: seconds
    rate: float  #: work a second; infinite if the time does not grow
    worst: float

    @property
    def half(self) -> float:
        """The work that takes as long as t0."""
        return self.t0 * self.rate

    def seconds(self, work: float) -> float:
        return self.t0 + work / self.rate


def fit(work: list[float], seconds: list[float]) -> Fit:
    """The least squares of relative errors, so that small sizes count as much as large ones; no part is negative."""
    if len(work) != len(seconds) or len(set(work)) < 2:
        raise ValueError("a line takes times of at least two amounts of work")
    # Relative errors are those of a * 1/t + b * w/t = 1.
    ones, slopes = [1 / t for t in seconds], [w / t for w, t in zip(work, seconds, strict=True)]
    candidates = [_solve(ones, slopes), (_project(ones), 0.0), (0.0, _project(slopes))]

    def error(candidate: tuple[float, float]) -> float:
        a, b = candidate
        return sum((a * x + b * y - 1) ** 2 for x, y in zip(ones, slopes, strict=True))

    a, b = min((c for c in candidates if min(c) >= 0), key=error)
    ratios = [a * x + b * y for x, y in zip(ones, slopes, strict=True)]
    return Fit(a, 1 / b if b else math.inf, max(max(r, 1 / r) for r in ratios))


def _project(x: list[float]) -> float:
    """The a for which a * x is nearest to ones."""
    return sum(x) / sum(v * v for v in x)


def _solve(x: list[float], y: list[float]) -> tuple[float, float]:
    """The a and b for which a * x + b * y is nearest to ones."""
    xx, yy = sum(v * v for v in x), sum(v * v for v in y)
    xy = sum(u * v for u, v in zip(x, y, strict=True))
    determinant = xx * yy - xy * xy
    return (sum(x) * yy - sum(y) * xy) / determinant, (sum(y) * xx - sum(x) * xy) / determinant


def _inputs(shape: Callable[[int], tuple[int, ...]], count: int, call: Callable) -> Callable[[str, int], Work]:
    """`call` on `count` random tensors of shape(n)."""

    def make(device: str, n: int) -> Work:
        generator = torch.Generator().manual_seed(0)
        tensors = [torch.randn(shape(n), generator=generator).to(device) for _ in range(count)]
        return lambda: call(*tensors)

    return make


def _rows(n: int) -> tuple[int, int]:
    return max(1, n // ROW), min(n, ROW)


def _square(n: int) -> tuple[int, int]:
    return math.isqrt(n), math.isqrt(n)


def _image(n: int) -> tuple[int, int, int, int]:
    """A batch of images of at most 32 x 32 with at most 16 channels."""
    channels = min(n, CHANNELS)
    side = min(32, math.isqrt(n // channels))
    return n // (channels * side * side), channels, side, side


def _convolution(device: str, n: int) -> Work:
    batch, channels, *_ = _image(n)
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(_image(n), generator=generator).to(device)
    weight = torch.randn(CHANNELS, channels, 3, 3, generator=generator).to(device)
    return lambda: F.conv2d(image, weight, padding=1)


OPERATORS = [
    Scaled("add", _inputs(lambda n: (n,), 2, torch.add)),
    Scaled("gelu", _inputs(lambda n: (n,), 1, F.gelu)),
    Scaled("sum", _inputs(lambda n: (n,), 1, torch.sum)),
    Scaled("softmax", _inputs(_rows, 1, lambda x: x.softmax(1))),
    Scaled("layer_norm", _inputs(_rows, 1, lambda x: F.layer_norm(x, x.shape[1:]))),
    Scaled("mm", _inputs(_square, 2, torch.mm), lambda n: 2 * math.isqrt(n) ** 3, "flop", 1 << 22),
    Scaled("conv2d", _convolution, lambda n: 2 * 9 * CHANNELS * n, "flop", 1 << 24),
]


def measure(operator: Scaled, sizes: list[int], budget: float, advance: Callable[[], object]) -> dict:
    """Times on both devices with the threads that are set, and their fits."""
    points = []
    for n in sizes:
        timing = compare(operator.make("metal", n), operator.make("cpu", n), budget)
        points.append(
            {"elements": n, "work": operator.work(n), "metal_seconds": timing.metal, "cpu_seconds": timing.cpu}
        )
        advance()
    work = [point["work"] for point in points]
    fits = {side: fit(work, [point[f"{side}_seconds"] for point in points]) for side in ("metal", "cpu")}
    return {
        "name": operator.name,
        "unit": operator.unit,
        "threads": torch.get_num_threads(),
        "points": points,
        "fits": {side: asdict(f) | {"half": f.half} for side, f in fits.items()},
    }


def sizes_of(operator: Scaled, most: int) -> list[int]:
    """1, 4, 16, ... up to the least of the limits."""
    return [1 << shift for shift in range(0, 27, 2) if 1 << shift <= min(most, operator.max_size)]


def short(number: float) -> str:
    """Four digits at most, with a prefix of 1000s."""
    if math.isinf(number):
        return "inf"
    for prefix in ("", "k", "M", "G"):
        if abs(number) < 999.5:
            return f"{number:.3g}{prefix}"
        number /= 1000
    return f"{number:.3g}T"


def print_results(results: list[dict]) -> None:
    print(
        f"{'t = t0 + work / rate':22}{'t0, us':>9}{'rate, 1/s':>12}{'half at':>10}{'unit':>10}{'off by':>8}"
        f"{'largest, ms':>13}"
    )
    for result in results:
        for side in ("metal", "cpu"):
            f = result["fits"][side]
            label = f"{result['name']}, {side}, {result['threads']}"
            largest = 1e3 * result["points"][-1][f"{side}_seconds"]
            print(
                f"{label:22}{1e6 * f['t0']:9.2f}{short(f['rate']):>12}{short(f['half']):>10}{result['unit']:>10}"
                f"{f['worst']:8.2f}{largest:13.3f}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", default=f"1,{torch.get_num_threads()}", help="numbers of CPU threads")
    parser.add_argument("--only", default="", help="operators whose names contain one of these words")
    parser.add_argument("--most", type=int, default=MAX_SIZE, help="elements of the largest size")
    parser.add_argument("--budget", type=float, default=0.2, help="seconds for each operator, size and threads")
    add_library_argument(parser)
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")
    parser.add_argument("--picture", type=Path, default=Path("out/scaling.png"), help="where the picture goes")
    args = parser.parse_args()
    chosen = [o for o in OPERATORS if any(word in o.name for word in args.only.split(","))]
    prefer_library(args.library)
    threads = sorted({int(count) for count in args.threads.split(",")})

    results = []
    steps = len(threads) * sum(len(sizes_of(operator, args.most)) for operator in chosen)
    with tqdm(total=steps, disable=None, dynamic_ncols=True) as progress:
        for operator in chosen:
            for count in threads:
                torch.set_num_threads(count)
                progress.set_postfix_str(f"{operator.name}, {count}")
                results.append(measure(operator, sizes_of(operator, args.most), args.budget, progress.update))
    title = f"{torch.metal.get_device_name()}; PyTorch {torch.__version__}, {platform.machine()}"
    plots.save_scaling(args.picture, results, title)
    if args.json:
        print(json.dumps({"device": title, "results": results}, indent=1))
    else:
        print(title)
        print_results(results)
        print(f"picture: {args.picture}")


if __name__ == "__main__":
    main()
