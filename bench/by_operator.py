"""python -m bench.by_operator NAME: which operators a training step spends its time in, on metal and on the CPU.

Each operator is waited for, so the sums are more than a step takes; what counts is where metal and the CPU differ.
"""

import argparse
import copy
import time
from collections import defaultdict
from collections.abc import Callable

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from bench.architectures import WORKLOADS


class _Clock(TorchDispatchMode):
    """Adds up the seconds of each operator, by name and, if asked for, the shapes of its tensors."""

    def __init__(self, device: str, shapes: bool, clock: Callable[[], float]) -> None:
        super().__init__()
        self.clock = clock
        self.synchronize = torch.metal.synchronize if device == "metal" else lambda: None
        self.shapes = shapes
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = str(function).removeprefix("aten.").removesuffix(".default").replace("_overrideable", "")
        if self.shapes:
            name += " " + " ".join("x".join(map(str, a.shape)) for a in args if isinstance(a, torch.Tensor))
        start = self.clock()
        result = function(*args, **(kwargs or {}))
        self.synchronize()
        self.seconds[name] += self.clock() - start
        self.calls[name] += 1
        return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=WORKLOADS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--autocast", action="store_true")
    parser.add_argument("--shapes", action="store_true", help="tell shapes apart")
    parser.add_argument("--cpu-time", action="store_true", help="of all threads, for a busy machine; no use on a GPU")
    parser.add_argument("--rows", type=int, default=25)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    workload = WORKLOADS[args.name]
    torch.manual_seed(0)
    model = workload.build()
    (batch,) = workload.batches(1, workload.batch_size)
    sides = {}
    for device in ("metal", "cpu"):
        placed = copy.deepcopy(model).to(device)
        sides[device] = (placed, workload.optimizer(placed), tuple(t.to(device) for t in batch))
    clock = time.process_time if args.cpu_time else time.perf_counter
    clocks = {device: _Clock(device, args.shapes, clock) for device in sides}
    for step in range(1 + args.steps):
        for device, side in sides.items():
            with clocks[device] if step > 0 else torch.enable_grad():  # the first one compiles and allocates
                workload.step(*side, args.autocast)
    metal, cpu = ({name: 1e3 * s / args.steps for name, s in clocks[d].seconds.items()} for d in ("metal", "cpu"))
    print(f"{'ms a step':>10}{'cpu':>10}{'excess':>10}{'calls':>8}")
    print(f"{sum(metal.values()):10.1f}{sum(cpu.values()):10.1f}{sum(metal.values()) - sum(cpu.values()):10.1f}")
    for name in sorted(metal | cpu, key=lambda name: -metal.get(name, 0))[: args.rows]:
        a, b = metal.get(name, 0.0), cpu.get(name, 0.0)
        print(f"{a:10.2f}{b:10.2f}{a - b:10.2f}{clocks['metal'].calls[name] // args.steps:8}  {name}")


if __name__ == "__main__":
    main()
