"""python -m examples.digits: trains both models on metal and on the CPU, compares, and draws a picture."""

import argparse
import sys
from pathlib import Path

import torch

import torch_metal

from . import data, plots
from .models import MODELS
from .train import Run, train

LOSS_TOLERANCE = 0.02  # float32 sums in another order drift apart as training goes on
WANTED_ACCURACY = 0.97


def report(metal: Run, cpu: Run) -> float:
    """Prints one model's line and returns the largest difference between the two loss curves."""
    difference = max(abs(a - b) for a, b in zip(metal.losses, cpu.losses, strict=True))
    print(
        f"{metal.model:>13}: test accuracy {metal.accuracy:.2%} (cpu {cpu.accuracy:.2%}), "
        f"{metal.samples_per_second:,.0f} samples/s (cpu {cpu.samples_per_second:,.0f}), "
        f"largest loss difference {difference:.1e}"
    )
    return difference


def print_routes() -> int:
    """Prints how operator calls were served and returns the number of fallbacks."""
    counts = torch_metal.route_counts()
    print("\noperator calls by route: " + ", ".join(f"{route} {count:,}" for route, count in counts.items()))
    for operator, count in torch_metal.fallback_operators().items():
        print(f"  fell back: {operator} ({count:,} calls)")
    return counts["fallback"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("out/digits.png"), help="where the picture goes")
    parser.add_argument("--epochs", type=int, help="passes over the training set (default: enough for each model)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    print(f"{torch.metal.get_device_name()}; PyTorch {torch.__version__}")
    digits = data.load(args.seed)
    torch_metal.reset_route_counts()
    pairs = [
        tuple(train(name, digits, device, args.seed, args.epochs) for device in ("metal", "cpu")) for name in MODELS
    ]
    print()
    differences = [report(*pair) for pair in pairs]
    fallbacks = print_routes()
    plots.save(args.output, pairs, digits)
    print(f"picture: {args.output}")

    problems = []
    if max(differences) > LOSS_TOLERANCE:
        problems.append(f"loss curves differ by {max(differences):.3g}, more than {LOSS_TOLERANCE}")
    if args.epochs is None and min(metal.accuracy for metal, _ in pairs) < WANTED_ACCURACY:
        problems.append(f"accuracy is below {WANTED_ACCURACY:.0%}")
    if fallbacks:
        problems.append(f"{fallbacks} operator calls fell back to the CPU")
    for problem in problems:
        print(f"examples.digits: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
