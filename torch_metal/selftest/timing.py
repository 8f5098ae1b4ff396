"""How long some operators take on the device, and on PyTorch's own `mps` where there is one, else on the CPU."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional as F

ROUNDS = 7
_HALF = {"dtype": torch.float16}


@dataclass(frozen=True)
class Timing:
    """Medians in seconds; ratio: that of the device to the rival's, below 1 if the device is faster."""

    name: str
    metal: float
    rival: float

    @property
    def ratio(self) -> float:
        return self.metal / self.rival


def rival_device() -> str:
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _of(function: Callable, *shapes: tuple[int, ...], **options) -> Callable[[str], Callable]:
    """Makes, for a device, a call of the function with random tensors of these shapes."""

    def on(device: str) -> Callable:
        generator = torch.Generator().manual_seed(0)
        inputs = [torch.randn(shape, generator=generator).to(device, **options) for shape in shapes]
        return lambda: function(*inputs)

    return on


def _index_select(x, i):
    return x.index_select(0, (i.abs() * 1000).long() % len(x))


def _training_step(device: str) -> Callable:
    """A step of a small perceptron, which is many small operators."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(256, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10)).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), fused=device == "metal")
    x, y = torch.randn(64, 256).to(device), torch.randint(10, (64,)).to(device)

    def step():
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    return step


WORKLOADS: dict[str, Callable[[str], Callable]] = {
    "add, 4M float32": _of(torch.add, (1 << 22,), (1 << 22,)),
    "add, 100 elements": _of(torch.add, (100,), (100,)),
    "gelu, 4M float32": _of(F.gelu, (1 << 22,)),
    "gelu, 4M float16": _of(F.gelu, (1 << 22,), **_HALF),
    "transposed copy, 1024 x 1024": _of(lambda x: x.t().contiguous(), (1024, 1024)),
    "sum of rows, 2048 x 1024": _of(lambda x: x.sum(1), (2048, 1024)),
    "softmax, 2048 x 1024": _of(lambda x: x.softmax(1), (2048, 1024)),
    "layer_norm, 2048 x 1024": _of(lambda x: F.layer_norm(x, (1024,)), (2048, 1024)),
    "cumsum, 256 x 4096": _of(lambda x: x.cumsum(1), (256, 4096)),
    "sort, 64 x 4096": _of(lambda x: x.sort(1)[0], (64, 4096)),
    "index_select, 4096 rows of 256": _of(_index_select, (10_000, 256), (4096,)),
    "matmul, 512 float32": _of(torch.matmul, (512, 512), (512, 512)),
    "matmul, 512 float16": _of(torch.matmul, (512, 512), (512, 512), **_HALF),
    "conv2d, 8 x 32 x 32 x 32, 3 x 3": _of(lambda x, w: F.conv2d(x, w, padding=1), (8, 32, 32, 32), (32, 32, 3, 3)),
    "attention, 4 x 256 x 64": _of(F.scaled_dot_product_attention, *[(1, 4, 256, 64)] * 3),
    "fft, 64 x 1024": _of(lambda x: torch.fft.fft(x).real, (64, 1024)),
    "training step": _training_step,
}


def measure(name: str, rounds: int = ROUNDS) -> Timing:
    """In turns with the rival, so that both see the same machine. The first call of each, which compiles, counts not."""
    rival = rival_device()
    calls = {device: WORKLOADS[name](device) for device in ("metal", rival)}
    seconds = {device: [] for device in calls}
    for device, call in calls.items():
        _seconds(call, device, 1)
    repeats = {device: _repeats(call, device) for device, call in calls.items()}
    for _ in range(rounds):
        for device, call in calls.items():
            seconds[device].append(_seconds(call, device, repeats[device]))
    return Timing(name, statistics.median(seconds["metal"]), statistics.median(seconds[rival]))


def _repeats(call: Callable, device: str) -> int:
    """Calls that take about 5 ms together: waiting for the device is not what is measured."""
    return max(1, min(100, int(0.005 / _seconds(call, device, 1))))


def _seconds(call: Callable, device: str, repeats: int) -> float:
    """Of one call, the device's work included."""
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    if device != "cpu":
        getattr(torch, device).synchronize()
    return (time.perf_counter() - start) / repeats
