"""Compiles MSL with libmslc and runs kernels on NumPy arrays, without a device or torch."""

import ctypes
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from test.emulated.emulator import AARCH64, Emulator

LIBMSLC = Path(__file__).parents[2] / "torch_metal" / "lib" / "libmslc.so"
BUFFERS = 31
ERROR_BYTES = 1 << 16


class CompileError(RuntimeError):
    """The source is wrong, or no code can be made of it."""


@dataclass(frozen=True)
class Target:
    """What kernels are compiled for: LLVM's names of a triple and a CPU; none stands for this machine."""

    triple: str | None = None
    cpu: str | None = None

    @staticmethod
    def named(name: str | None) -> "Target":
        """LLVM's name of a CPU of this machine's kind, such as x86-64-v3; or aarch64, or aarch64:CPU, which is emulated."""
        if name and name.split(":")[0] == "aarch64":
            return Target(AARCH64, name.partition(":")[2] or None)
        return Target(cpu=name)

    @property
    def is_emulated(self) -> bool:
        return self.triple is not None


def other_cpus() -> list[str]:
    """Names of targets that kernels can run on here: the levels of x86-64 that this CPU has, and AArch64."""
    if platform.machine() != "x86_64":
        return []
    flags = set(Path("/proc/cpuinfo").read_text().split())
    levels = {"x86-64-v3": {"avx2", "fma", "f16c"}, "x86-64-v4": {"avx512f", "avx512bw", "avx512dq", "avx512vl"}}
    return [name for name, needed in levels.items() if needed <= flags] + ["aarch64"]


# So that any test of the compiler can be run on another CPU.
DEFAULT_TARGET = Target.named(os.environ.get("TORCH_METAL_TEST_CPU"))


class _Options(ctypes.Structure):
    _fields_ = [
        ("target", ctypes.c_char_p), ("cpu", ctypes.c_char_p),
        ("include_directories", ctypes.POINTER(ctypes.c_char_p)), ("include_directory_count", ctypes.c_size_t),
    ]  # fmt: skip


class _Constant(ctypes.Structure):
    _fields_ = [("index", ctypes.c_uint32), ("bytes", ctypes.c_void_p), ("size", ctypes.c_size_t)]


def _load(path: Path) -> ctypes.CDLL:
    mslc = ctypes.CDLL(str(path))
    pointer, text, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
    for name, result, arguments in [
        ("mslc_library_compile", pointer, [text, pointer, text, size]),
        ("mslc_library_release", None, [pointer]),
        ("mslc_kernel_create", pointer, [pointer, text, pointer, size, text, size]),
        ("mslc_kernel_release", None, [pointer]),
        ("mslc_kernel_code", pointer, [pointer, text, pointer, size, pointer, text, size]),
        ("mslc_kernel_execute", ctypes.c_int, [pointer] * 5 + [text, size]),
    ]:
        function = getattr(mslc, name)
        function.restype, function.argtypes = result, arguments
    return mslc


_mslc = None


def _call(function: str, *arguments):
    """Calls a function that can fail; returns its result and the message."""
    global _mslc
    _mslc = _mslc or _load(LIBMSLC)
    error = ctypes.create_string_buffer(ERROR_BYTES)
    result = getattr(_mslc, function)(*arguments, error, ERROR_BYTES)
    return result, error.value.decode()


def _constants(values: dict[int, np.ndarray]):
    """The C array of function constants' values, and their number."""
    return (_Constant * len(values))(*((i, v.ctypes.data, v.nbytes) for i, v in values.items())), len(values)


class Library:
    """A translated source."""

    def __init__(self, source: str, target: Target = DEFAULT_TARGET, include_directories: Sequence[Path] = ()):
        self.target = target
        folders = [str(folder).encode() for folder in include_directories]
        options = _Options(
            target.triple and target.triple.encode(), target.cpu and target.cpu.encode(),
            (ctypes.c_char_p * len(folders))(*folders), len(folders),
        )  # fmt: skip
        self._handle, error = _call("mslc_library_compile", source.encode(), ctypes.byref(options))
        if not self._handle:
            raise CompileError(error)

    def __del__(self):
        if getattr(self, "_handle", None):
            _mslc.mslc_library_release(self._handle)

    def kernel(self, name: str, constants: dict[int, np.ndarray] | None = None) -> "Kernel | EmulatedKernel":
        """`constants`: arrays of no dimension for function constants, by index."""
        if self.target.is_emulated:
            return EmulatedKernel(self.code(name, constants))
        return Kernel(self, name, constants or {})

    def code(self, name: str, constants: dict[int, np.ndarray] | None = None) -> bytes:
        """Machine code for the library's target, as the executor there takes it."""
        size = ctypes.c_size_t()
        address, error = _call(
            "mslc_kernel_code", self._handle, name.encode(), *_constants(constants or {}), ctypes.byref(size)
        )
        if not address:
            raise CompileError(error)
        code = ctypes.string_at(address, size.value)
        free = ctypes.CDLL(None).free
        free.argtypes = [ctypes.c_void_p]
        free(address)
        return code


class Kernel:
    """Machine code of one kernel: `kernel(buffers, grid, group)` runs it."""

    def __init__(self, library: Library, name: str, constants: dict[int, np.ndarray]):
        self._handle, error = _call("mslc_kernel_create", library._handle, name.encode(), *_constants(constants))
        if not self._handle:
            raise CompileError(error)

    def __del__(self):
        if getattr(self, "_handle", None):
            _mslc.mslc_kernel_release(self._handle)

    def __call__(self, buffers: list[np.ndarray], grid, group, threadgroup_bytes=()) -> None:
        """Runs a grid of `grid` threads in threadgroups of `group`. Arrays are bound to buffers 0, 1, ... and written."""
        addresses = (ctypes.c_void_p * BUFFERS)(*(array.ctypes.data for array in buffers))
        sizes = (ctypes.c_size_t * BUFFERS)(*threadgroup_bytes)
        shapes = [(ctypes.c_uint32 * 3)(*shape, *[1] * (3 - len(shape))) for shape in (grid, group)]
        failed, error = _call("mslc_kernel_execute", self._handle, addresses, sizes, *shapes)
        if failed:
            raise RuntimeError(error)


@cache
def _emulator(process: int) -> Emulator:
    """Of one process: a child has its own."""
    return Emulator()


@dataclass(frozen=True)
class EmulatedKernel:
    """As Kernel, on the emulated CPU."""

    code: bytes

    def __call__(self, buffers: list[np.ndarray], grid, group, threadgroup_bytes=(), threads: int = 1) -> None:
        """`threads`: CPU threads that share the threadgroups."""
        _emulator(os.getpid()).run(self.code, buffers, grid, group, threadgroup_bytes, threads)
