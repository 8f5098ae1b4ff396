"""Compiles MSL with libmslc and runs kernels on NumPy arrays, without a device or torch."""

import ctypes
from pathlib import Path

import numpy as np

LIBMSLC = Path(__file__).parents[2] / "torch_metal" / "lib" / "libmslc.so"
BUFFERS = 31
ERROR_BYTES = 1 << 16


class CompileError(RuntimeError):
    """The source is wrong, or no code can be made of it."""


class _Options(ctypes.Structure):
    _fields_ = [("target", ctypes.c_char_p), ("cpu", ctypes.c_char_p)]


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
    """A translated source, for this machine or for another: `target` and `cpu` are LLVM's names."""

    def __init__(self, source: str, target: str | None = None, cpu: str | None = None):
        options = _Options(target and target.encode(), cpu and cpu.encode())
        self._handle, error = _call("mslc_library_compile", source.encode(), ctypes.byref(options))
        if not self._handle:
            raise CompileError(error)

    def __del__(self):
        if getattr(self, "_handle", None):
            _mslc.mslc_library_release(self._handle)

    def kernel(self, name: str, constants: dict[int, np.ndarray] | None = None) -> "Kernel":
        """`constants`: arrays of no dimension for function constants, by index."""
        return Kernel(self, name, constants or {})

    def code(self, name: str, constants: dict[int, np.ndarray] | None = None) -> bytes:
        """Machine code for the library's target."""
        size = ctypes.c_size_t()
        address, error = _call("mslc_kernel_code", self._handle, name.encode(), *_constants(constants or {}), ctypes.byref(size))
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
