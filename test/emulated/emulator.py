"""Runs kernels that mslc compiled for another CPU, on that CPU emulated: the executor built for it, under QEMU."""

import os
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
AARCH64 = "aarch64-unknown-linux-gnu"
RUNNER = ROOT / os.environ.get("BUILD", "build") / "test" / "emulated" / "aarch64" / "kernel_runner"
# All features that QEMU knows, so that code for any ARM CPU runs. The runner is linked to the cross compiler's own libc.
QEMU = ["qemu-aarch64", "-cpu", "max", "-L", "/usr/aarch64-linux-gnu"]

TIME_LIMIT = "300"  # seconds: a kernel that takes longer does not end


class EmulationError(RuntimeError):
    """A kernel failed on the emulated CPU, or the emulated process ended."""


def _number(value: int) -> bytes:
    return struct.pack("<Q", value)


def _text(value: bytes) -> bytes:
    return _number(len(value)) + value


class Emulator:
    """A process that runs kernels one after the other. It starts with the first, and anew if one ends it."""

    def __init__(self):
        self._process: subprocess.Popen | None = None

    def close(self) -> None:
        if self._process:
            self._process.stdin.close()
            self._process.stdout.close()
            self._process.wait()
            self._process = None

    def run(
        self,
        code: bytes,
        buffers: list[np.ndarray],
        grid: Sequence[int],
        group: Sequence[int],
        threadgroup_bytes: Sequence[int] = (),
        threads: int = 1,
    ) -> None:
        """Runs machine code of a kernel (test.mslc.library.Library.code) as a Kernel is called, and writes `buffers`.

        Threadgroups are shared by `threads` threads of the emulated process. Raises EmulationError.
        """
        shapes = [tuple(shape) + (1,) * (3 - len(shape)) for shape in (grid, group)]
        request = _text(code) + struct.pack("<7I", *shapes[0], *shapes[1], threads)
        request += _number(len(threadgroup_bytes)) + b"".join(map(_number, threadgroup_bytes))
        request += _number(len(buffers)) + b"".join(_text(array.tobytes()) for array in buffers)
        reply = self._exchange(request)
        error, place = self._next(reply, 0)
        if error:
            raise EmulationError(error.decode())
        place += 8  # the number of buffers
        for array in buffers:
            data, place = self._next(reply, place)
            array.reshape(-1)[:] = np.frombuffer(data, array.dtype.base).reshape(-1)

    def _start(self) -> subprocess.Popen:
        if not RUNNER.exists():
            raise EmulationError(f"{RUNNER} is not built: tools/install.sh installs the cross compiler, then run make")
        try:
            environment = {"TORCH_METAL_TIME_LIMIT": TIME_LIMIT, **os.environ}
            return subprocess.Popen([*QEMU, RUNNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        except FileNotFoundError:
            raise EmulationError(f"no {QEMU[0]}: tools/install.sh installs it") from None

    def _exchange(self, request: bytes) -> bytes:
        self._process = self._process or self._start()
        try:
            self._process.stdin.write(_text(request))
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # the reply will be missing
        size = self._process.stdout.read(8)
        reply = self._process.stdout.read(*struct.unpack("<Q", size)) if len(size) == 8 else b""
        if not reply:
            status = self._process.wait()
            self._process.stdin, self._process = None, None
            raise EmulationError(f"the emulated process ended with {status}")
        return reply

    @staticmethod
    def _next(reply: bytes, place: int) -> tuple[bytes, int]:
        end = place + 8 + struct.unpack_from("<Q", reply, place)[0]
        return reply[place + 8 : end], end
