"""Kernels that a user writes in Metal Shading Language."""

import os
from collections.abc import Iterable, Mapping

from torch_metal import _C


def compile_shader(
    source: str,
    *,
    include_directories: Iterable[str | os.PathLike] = (),
    macros: Mapping[str, object] | None = None,
    constants: Mapping[str, object] | None = None,
    fast_math: bool = False,
) -> "_C.ShaderLibrary":
    """Compiles Metal source and returns a library whose attributes are its kernels, as torch.mps.compile_shader does.

    Args:
        source: the text. PyTorch's headers (``#include <c10/metal/utils.h>``) are found by themselves.
        include_directories: folders that are searched for other files it includes.
        macros: names to values, as ``#define`` gives them; True and False become 1 and 0.
        constants: values of function constants, by name: numbers, or lists of numbers for vectors.
        fast_math: reorder arithmetic for speed, as Metal does by default.

    Raises RuntimeError with the compiler's message if the source is not valid, ValueError for a constant it does not have.

    A kernel is compiled when it is first read off the library, and called with its arguments in buffer order:

    - tensors on metal. The kernel gets the address of the first element; strides and dtype are its own business.
    - numbers, lists of numbers and 0-d CPU tensors, which become the type that the kernel declares. In a structure ints
      become 64 bits, floats 32 and bools 8.

    Keyword arguments of the call:

    - ``threads``: the grid, an int or 1 to 3 of them; by default the number of elements of the first tensor.
    - ``group_size``: threads of a threadgroup, likewise; by default as many as fit along the first dimension.
    - ``threadgroup_memory``: bytes of the argument ``[[threadgroup(0)]]``, or a dict from index to bytes.
    - ``arg_casts``: types that numbers are to have instead, for all ("int32", "fp16", ...) or a dict from argument index.
    - ``error_buf_idx``: the index at which to pass a ``device c10::metal::ErrorMessages*``; what is reported there raises
      torch.AcceleratorError at the next synchronisation.

    The call raises RuntimeError for the wrong number of arguments, tensors elsewhere than on metal, numbers too few for
    the argument or threadgroups too large; TypeError for what is no number; OverflowError for one that does not fit. It
    returns at once; the kernel runs in the order of the current stream.

    A kernel has the properties ``name``, ``max_threads_per_threadgroup``, ``thread_execution_width``,
    ``static_thread_group_memory_length`` and ``arguments``: for each argument its name, kind ("buffer" or "threadgroup"),
    index, element type ("float4"; "struct" for all but scalars and vectors), bytes of an element, and whether the kernel
    only reads it.

    >>> shader = compile_shader("kernel void twice(device float* x, uint i [[thread_position_in_grid]]) { x[i] *= 2; }")
    >>> shader.twice(torch.ones(4, device="metal"))
    """
    directories = [os.fspath(directory) for directory in include_directories]
    texts = {name: str(int(value) if isinstance(value, bool) else value) for name, value in (macros or {}).items()}
    return _C.ShaderLibrary(source, directories, texts, dict(constants or {}), fast_math)
