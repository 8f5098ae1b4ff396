"""Which kernels ran on the device, when, on how many bytes, and which of PyTorch's operators asked for them.

    with torch_metal.profiler.profile() as p:
        model(x).sum().backward()
    print(p.table())
    p.export_chrome_trace("trace.json")

torch.profiler shows the same kernels below PyTorch's own events; docs/profiling.md says when to use which.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from torch_metal import native

__all__ = ["Kernel", "Summary", "metal_capture", "profile"]

HOST, DEVICE = 0, 1  #: process ids in a trace


@dataclass(frozen=True)
class Kernel:
    """A kernel, or a copy, that ran. Times are microseconds, ``start_us`` since the profile began.

    ``bytes`` are those of the tensors given to it, read and written, each expanded element once: all that it can have
    touched, and more than it has where indices choose. ``flops`` is the operator's, by PyTorch's formula, if it is the
    only kernel of the call; else None. ``grid`` and ``threadgroup`` are in threads, zeros for a copy. ``operator`` is
    the innermost operator that was running, "" outside of any; ``call`` tells its calls apart. ``error`` is why the
    device stopped it.
    """

    name: str
    operator: str
    call: int
    stream: int
    thread: int
    encoded_us: float
    start_us: float
    duration_us: float
    bytes: int
    flops: int | None
    grid: tuple[int, int, int]
    threadgroup: tuple[int, int, int]
    error: str


@dataclass(frozen=True)
class Summary:
    """All kernels of one name, or of one operator; ``calls`` of operators launched them, or they were launched outside
    of any. ``flops`` is None if a call has no formula."""

    name: str
    calls: int
    kernels: int
    total_us: float
    share: float  #: of the time of all kernels
    bytes: int
    flops: int | None

    @property
    def mean_us(self) -> float:
        return self.total_us / self.calls

    @property
    def gb_per_s(self) -> float:
        return self.bytes / self.total_us / 1e3 if self.total_us else 0.0

    @property
    def gflop_per_s(self) -> float | None:
        return self.flops / self.total_us / 1e3 if self.flops is not None and self.total_us else None


@functools.cache
def _formulas() -> dict[str, Callable[..., int]]:
    """What counts the flops of an operator's call: PyTorch's own formulas, also for what only other devices than the
    CPU and CUDA call so."""
    from torch.utils import flop_counter  # takes a while to import

    aten = torch.ops.aten
    backward = flop_counter.conv_backward_flop  # takes a bias's sizes after the weight's
    formulas = flop_counter.flop_registry | {
        aten.convolution_backward_overrideable: lambda gradient, x, weight, *rest, out_val: backward(
            gradient, x, weight, None, *rest, out_val=out_val
        ),
        aten._scaled_dot_product_fused_attention_overrideable: flop_counter.sdpa_flop,
        aten._scaled_dot_product_fused_attention_overrideable_backward: flop_counter.sdpa_backward_flop,
    }
    return {packet._qualified_op_name: _of_positional(packet, f) for packet, f in formulas.items() if _is_aten(packet)}


def _is_aten(packet: object) -> bool:
    return getattr(packet, "_qualified_op_name", "").startswith("aten::")


def _of_positional(packet: torch._ops.OpOverloadPacket, formula: Callable[..., int]) -> Callable[..., int]:
    """The formula, of all arguments in a row; it takes those alone that are not keyword-only."""
    arguments = getattr(packet, packet.overloads()[0])._schema.arguments
    count = sum(not argument.kwarg_only for argument in arguments)
    return lambda *inputs, out_val: formula(*inputs[:count], out_val=out_val)


def _flops(call: dict) -> int | None:
    """Of an operator's call; None if there is no formula for it, or it does not know what to make of the arguments."""
    formula = _formulas().get(call["name"])
    outputs = call["outputs"]
    try:
        out_val = outputs[0] if len(outputs) == 1 else tuple(outputs)
        return int(formula(*call["inputs"], out_val=out_val)) if formula else None
    except (TypeError, ValueError, AssertionError):
        return None


class profile:
    """Records the kernels that any thread starts between ``start()`` and ``stop()``, or in a ``with`` block.

    ``stop()`` waits for them; errors of kernels raise at the next synchronisation, as always. Meanwhile each kernel has
    a command buffer of its own, so that the whole takes longer; other streams still run beside it. Profiles may
    overlap.
    """

    def __init__(self) -> None:
        self._recording: torch.ScriptObject | None = None
        self._trace: dict | None = None

    def start(self) -> None:
        if self._recording is not None:
            raise RuntimeError("The profile has been started and not been stopped")
        native.open_device()
        self._recording, self._trace = native.ProfilerRecording(), None

    def stop(self) -> None:
        if self._recording is None:
            raise RuntimeError("The profile has not been started")
        recording, self._recording = self._recording, None
        self._trace = recording.stop()
        self.__dict__.pop("kernels", None)
        self.__dict__.pop("_call_flops", None)

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *exception) -> None:
        self.stop()

    def _finished(self) -> dict:
        if self._trace is None:
            raise RuntimeError("The profile has not been stopped: there is nothing to show yet")
        return self._trace

    @property
    def duration_us(self) -> float:
        """From the start to the end of the last kernel, by the host's clock."""
        return (self._finished()["end_ns"] - self._finished()["start_ns"]) / 1e3

    @functools.cached_property
    def kernels(self) -> list[Kernel]:
        """In the order in which they were encoded."""
        trace = self._finished()
        kernels_of_call: dict[int, int] = {}
        for record in trace["records"]:
            kernels_of_call[record["call"]] = kernels_of_call.get(record["call"], 0) + 1
        return [
            Kernel(
                name=record["name"],
                operator=record["operator"],
                call=record["call"],
                stream=record["stream"],
                thread=record["thread"],
                encoded_us=self._since_start(record["encode_end_ns"]),
                start_us=self._since_start(record["start_ns"]),
                duration_us=(record["end_ns"] - record["start_ns"]) / 1e3,
                bytes=record["bytes"],
                flops=self._call_flops.get(record["call"]) if kernels_of_call[record["call"]] == 1 else None,
                grid=record["grid"],
                threadgroup=record["threadgroup"],
                error=record["error"],
            )
            for record in trace["records"]
        ]

    @functools.cached_property
    def _call_flops(self) -> dict[int, int | None]:
        return {call["id"]: _flops(call) for call in self._finished()["calls"]}

    def _since_start(self, ns: int) -> float:
        return (ns - self._finished()["start_ns"]) / 1e3

    def key_averages(self, by: str = "operator") -> list[Summary]:
        """Sums for each operator, or each kernel (``by="kernel"``), the longest first."""
        if by not in ("operator", "kernel"):
            raise ValueError(f'by is "operator" or "kernel", not {by!r}')
        groups: dict[str, list[Kernel]] = {}
        for kernel in self.kernels:
            groups.setdefault(kernel.operator if by == "operator" else kernel.name, []).append(kernel)
        total = sum(kernel.duration_us for kernel in self.kernels)
        rows = [self._summary(name, kernels, total, by) for name, kernels in groups.items()]
        return sorted(rows, key=lambda row: -row.total_us)

    def _summary(self, name: str, kernels: list[Kernel], total_us: float, by: str) -> Summary:
        calls = {kernel.call for kernel in kernels if kernel.call}
        if by == "operator" and name:
            flops = [self._call_flops.get(call) for call in calls]
        else:
            flops = [kernel.flops for kernel in kernels]
        time = sum(kernel.duration_us for kernel in kernels)
        return Summary(
            name=name or "(no operator)",
            calls=len(calls) + sum(not kernel.call for kernel in kernels),
            kernels=len(kernels),
            total_us=time,
            share=time / total_us if total_us else 0.0,
            bytes=sum(kernel.bytes for kernel in kernels),
            flops=None if None in flops else sum(flops),
        )

    def table(self, by: str = "operator", row_limit: int = 100) -> str:
        """The sums of :meth:`key_averages` as text, and how long the device worked."""
        rows = self.key_averages(by)
        header = (by.capitalize(), "Calls", "Kernels", "Total", "Share", "Mean", "GB/s", "GFLOP/s")
        cells = [header, *(_cells(row) for row in rows[:row_limit])]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [_line(line, widths) for line in cells]
        lines.insert(1, "-" * len(lines[0]))
        if len(rows) > row_limit:
            lines.append(f"... and {len(rows) - row_limit} more")
        busy = sum(row.total_us for row in rows)
        lines.append(f"{len(self.kernels)} kernels worked for {_time(busy)} in {_time(self.duration_us)}")
        return "\n".join(lines)

    def export_chrome_trace(self, path: str | Path) -> None:
        """Writes JSON for ui.perfetto.dev or chrome://tracing: a track for each stream's kernels and for each host
        thread's operators, with arrows from operators to their kernels."""
        trace = self._finished()
        document = {
            "traceEvents": [*_names(trace), *self._operator_events(), *self._kernel_events()],
            "displayTimeUnit": "ms",
            "baseTimeNanoseconds": trace["start_ns"],
        }
        Path(path).write_text(json.dumps(document))

    def _operator_events(self) -> Iterable[dict]:
        for call in self._finished()["calls"]:
            yield {
                "ph": "X",
                "cat": "operator",
                "name": call["name"],
                "pid": HOST,
                "tid": call["thread"],
                "ts": self._since_start(call["start_ns"]),
                "dur": (call["end_ns"] - call["start_ns"]) / 1e3,
                "args": {"inputs": call["inputs"], "flops": self._call_flops[call["id"]]},
            }

    def _kernel_events(self) -> Iterable[dict]:
        for number, kernel in enumerate(self.kernels):
            flow = {"cat": "launch", "name": "launch", "id": number}
            yield {
                "ph": "X",
                "cat": "kernel",
                "name": kernel.name,
                "pid": DEVICE,
                "tid": kernel.stream,
                "ts": kernel.start_us,
                "dur": kernel.duration_us,
                "args": {
                    key: getattr(kernel, key) for key in ("operator", "bytes", "flops", "grid", "threadgroup", "error")
                },
            }
            if kernel.call:
                yield flow | {"ph": "s", "pid": HOST, "tid": kernel.thread, "ts": kernel.encoded_us}
                yield flow | {"ph": "f", "bp": "e", "pid": DEVICE, "tid": kernel.stream, "ts": kernel.start_us}


@contextlib.contextmanager
def metal_capture(path: str | Path) -> Iterator[None]:
    """Records what the GPU does in the block into ``path``, a .gputrace that Xcode opens; work before it is done first.

    Raises RuntimeError where there is no capture: on the software device, and on macOS in a process that was started
    without MTL_CAPTURE_ENABLED=1; and if the path exists.
    """
    native.start_capture(str(path))
    try:
        yield
    finally:
        native.stop_capture()


def _names(trace: dict) -> Iterable[dict]:
    """Of the trace's tracks."""
    yield _name("process_name", HOST, 0, "host")
    yield _name("process_name", DEVICE, 0, "metal:0")
    for stream in sorted({record["stream"] for record in trace["records"]}):
        yield _name("thread_name", DEVICE, stream, f"stream {stream}")
    for thread in sorted({call["thread"] for call in trace["calls"]}):
        yield _name("thread_name", HOST, thread, f"thread {thread}")


def _name(kind: str, process: int, track: int, name: str) -> dict:
    return {"ph": "M", "name": kind, "pid": process, "tid": track, "args": {"name": name}}


def _time(us: float) -> str:
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if us >= size:
            return f"{us / size:.3f} {unit}"
    return f"{us:.3f} us"


def _cells(row: Summary) -> tuple[str, ...]:
    rate = row.gflop_per_s
    return (
        row.name,
        str(row.calls),
        str(row.kernels),
        _time(row.total_us),
        f"{100 * row.share:.1f} %",
        _time(row.mean_us),
        f"{row.gb_per_s:.1f}",
        "" if rate is None else f"{rate:.1f}",
    )


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    first, *rest = zip(cells, widths, strict=True)
    return "  ".join([f"{first[0]:{first[1]}}", *(f"{cell:>{width}}" for cell, width in rest)])
