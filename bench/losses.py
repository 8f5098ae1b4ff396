"""python -m bench.losses: models in full size train on metal and the CPU from the same weights; losses are compared."""

import argparse
import copy
from dataclasses import dataclass, field
from pathlib import Path

import torch
from tqdm import tqdm

import torch_metal
from bench.architectures import WORKLOADS, Workload

DEVICES = ("metal", "cpu")


@dataclass
class Curves:
    """Losses by step on each device, and bytes that metal had allocated after each step."""

    losses: dict[str, list[float]] = field(default_factory=lambda: {device: [] for device in DEVICES})
    allocated: list[int] = field(default_factory=list)

    def difference(self) -> float:
        """The largest difference of two losses of one step, relative to the CPU's."""
        metal, cpu = (torch.tensor(self.losses[device]) for device in DEVICES)
        return ((metal - cpu).abs() / cpu.abs()).max().item()


def train_both(workload: Workload, steps: int, size: int, tiny: bool = False, autocast: bool = False) -> Curves:
    """Trains one model without dropout for `steps` steps on both devices."""
    torch.manual_seed(0)
    model = workload.build(tiny, dropout=False)
    batches = workload.batches(steps, size, tiny)
    curves = Curves()
    models = {device: copy.deepcopy(model).to(device) for device in DEVICES}
    optimizers = {device: workload.optimizer(models[device]) for device in DEVICES}
    for batch in tqdm(batches, desc=workload.name, unit="step", disable=None, dynamic_ncols=True):
        for device in DEVICES:
            placed = tuple(tensor.to(device) for tensor in batch)
            curves.losses[device].append(workload.step(models[device], optimizers[device], placed, autocast).item())
        curves.allocated.append(torch.metal.memory_allocated())
    return curves


def _draw(path: Path, drawn: dict[str, Curves]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, places = plt.subplots(1, len(drawn), figsize=(4 * len(drawn), 3.5), layout="constrained", squeeze=False)
    for axes, (name, curves) in zip(places.flat, drawn.items(), strict=True):
        axes.plot(curves.losses["cpu"], linewidth=4, alpha=0.4, label="cpu")
        axes.plot(curves.losses["metal"], linewidth=1, color="black", label="metal")
        axes.set(title=name, xlabel="step", ylabel="loss")
        axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--only", default="", help="models whose names contain one of these, separated by commas")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tiny", action="store_true", help="the sizes that the tests use")
    parser.add_argument("--autocast", action="store_true", help="bfloat16 where autocast chooses so")
    parser.add_argument("--picture", type=Path, default=Path("out/losses.png"))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    drawn = {}
    print(f"{'':12}{'first':>9}{'last':>9}{'largest relative difference':>29}{'MB after 2nd, last step':>25}")
    for name, workload in WORKLOADS.items():
        if not any(word in name for word in args.only.split(",")):
            continue
        torch_metal.reset_route_counts()
        curves = drawn[name] = train_both(workload, args.steps, workload.batch_size, args.tiny, args.autocast)
        cpu, memory = curves.losses["cpu"], [n / 1e6 for n in curves.allocated]
        print(
            f"{name:12}{cpu[0]:9.4f}{cpu[-1]:9.4f}{curves.difference():29.1e}"
            f"{memory[1]:16.1f}{memory[-1]:9.1f}   fallback: {torch_metal.fallback_operators() or 'none'}",
            flush=True,
        )
    _draw(args.picture, drawn)
    print(f"picture: {args.picture}")


if __name__ == "__main__":
    main()
