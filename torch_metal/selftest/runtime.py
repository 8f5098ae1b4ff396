"""Cases: memory, streams, events, errors: what is around the kernels."""

from __future__ import annotations

import io

import torch

from torch_metal.selftest.case import FLOATS, SINGLE, Case, numbers

X = (numbers(64, 65),)
CONTIGUOUS = ("contiguous",)


def _round_trip(x):
    """To the host and back, also by a copy that need not be waited for; values written on the way count."""
    host = x.cpu() + 1
    return host.to(x.device, non_blocking=True) * 2, x[1:9, ::3].cpu().to(x.device)


def _saved(x):
    file = io.BytesIO()
    torch.save({"x": x}, file)
    file.seek(0)
    return torch.load(file)["x"]


def _two_streams(x):
    """A sum on another stream, which waits by an event for what it needs."""
    if x.device.type == "cpu":
        return (x * 2).sum(), (x * 2).exp()
    doubled = x * 2
    ready = torch.Event(x.device.type)
    ready.record()
    with torch.metal.stream(torch.metal.Stream()):
        ready.wait()
        total = doubled.sum()
        done = torch.Event(x.device.type)
        done.record()
    exponential = doubled.exp()
    done.wait()
    return total, exponential


def _out_of_bounds(x):
    """Whether an index out of bounds raises, and the device works on."""
    try:
        x.clone()[torch.tensor([0, 10_000], device=x.device)].sum().item()
        torch.accelerator.synchronize()
        raised = False
    except (IndexError, RuntimeError):
        raised = True
    return torch.tensor(raised, device=x.device), x.sum()


def _many_small_operators(x):
    """More than one command buffer takes."""
    y = x
    for _ in range(500):
        y = y * 0.999 + 0.001
    return y


CASES = [
    Case("runtime", "copies to the host and back", _round_trip, X, FLOATS, backward=False),
    Case("runtime", "save and load", _saved, X, (*FLOATS, torch.int64), backward=False),
    Case("runtime", "two streams and events", _two_streams, X, SINGLE, CONTIGUOUS, False, 40),
    Case("runtime", "an index out of bounds", _out_of_bounds, X, SINGLE, CONTIGUOUS, False, 40),
    Case("runtime", "500 operators in a row", _many_small_operators, X, SINGLE, CONTIGUOUS, False, 20),
]
