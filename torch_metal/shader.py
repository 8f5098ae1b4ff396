"""Kernels that a user writes in Metal Shading Language."""

import os
from collections.abc import Iterable, Mapping

from torch import Tensor

from torch_metal import native
from torch_metal._C import launch_shader
from torch_metal.shader_arguments import Parameter, pack_constant

Sizes = int | list[int] | tuple[int, ...]


class ShaderLibrary:
    """A compiled source; its kernels are its attributes."""

    def __init__(self, library: object) -> None:
        self.__library = library
        self.__names = library.names()

    def __getattr__(self, name: str) -> "ShaderKernel":
        if name not in self.__names:
            raise AttributeError(f"The shader has no kernel {name!r}")
        return self.__dict__.setdefault(name, ShaderKernel(self.__library.kernel(name)))

    def __dir__(self) -> list[str]:
        return self.__names

    def __reduce__(self) -> str:
        raise TypeError("cannot pickle 'ShaderLibrary' object")


class ShaderKernel:
    """A kernel of a library; call it with its arguments. See torch_metal.compile_shader."""

    def __init__(self, kernel: object) -> None:
        self._kernel = kernel
        self._address = kernel.address()  # valid while the kernel is
        self._name = kernel.name()
        self._count = kernel.argument_count()
        # Of indices that the signature leaves out nothing is known.
        buffers = {index: ("", "struct", 0) for index in range(self._count)}
        self._blocks = {}  # [[threadgroup(index)]] -> name
        for name, kind, index, type_name, size, _ in kernel.arguments():
            if kind == "threadgroup":
                self._blocks[index] = name
            else:
                buffers[index] = name, type_name, size
        self._parameters = [
            Parameter.of(f"Argument {index} ({name!r}) of {self._name!r}", type_name, size)
            for index, (name, type_name, size) in buffers.items()
        ]

    @property
    def name(self) -> str:
        return self._name

    @property
    def arguments(self) -> list[tuple[str, str, int, str, int, bool]]:
        """(name, kind, index, type, size, read_only) of each argument."""
        return self._kernel.arguments()

    @property
    def max_threads_per_threadgroup(self) -> int:
        return self._kernel.max_threads_per_threadgroup()

    @property
    def thread_execution_width(self) -> int:
        return self._kernel.thread_execution_width()

    @property
    def static_thread_group_memory_length(self) -> int:
        return self._kernel.static_thread_group_memory_length()

    def __call__(
        self,
        *args: object,
        threads: Sizes | None = None,
        group_size: Sizes | None = None,
        arg_casts: str | dict[int, str] | None = None,
        error_buf_idx: int | None = None,
        threadgroup_memory: int | dict[int, int] | None = None,
    ) -> None:
        """See torch_metal.compile_shader."""
        if arg_casts is not None and not isinstance(arg_casts, (str, dict)):
            raise TypeError("arg_casts is a str, or a dict from argument index to str")
        parameters = self._parameters
        if error_buf_idx is not None:
            parameters = self._without_error_buffer(error_buf_idx)
        if len(args) != len(parameters):
            count = len(args) + (error_buf_idx is not None)
            raise RuntimeError(f"{self._name!r} takes {self._count} arguments, got {count}")
        arguments = []
        for number, value in enumerate(args):
            is_tensor = isinstance(value, Tensor)
            if is_tensor and value.is_cpu and not value.dim():
                is_tensor, value = False, value.item()
            if not is_tensor:
                cast = arg_casts.get(number, "") if isinstance(arg_casts, dict) else arg_casts
                value = parameters[number].pack(value, cast)
            arguments.append(value)
        if error_buf_idx is not None:
            arguments.insert(error_buf_idx, None)
        memory = self._memory(threadgroup_memory) if self._blocks or threadgroup_memory is not None else ()
        grid = _sizes(threads, "threads") if threads is not None else None
        group = _sizes(group_size, "group_size") if group_size is not None else None
        if not launch_shader(self._address, arguments, grid, group, *memory):
            native.raise_kept()

    def _without_error_buffer(self, index: int) -> list[Parameter]:
        if not isinstance(index, int):
            raise TypeError(f"error_buf_idx is an int, not {index!r}")
        if not 0 <= index < self._count:
            raise RuntimeError(f"error_buf_idx: {self._name!r} has no argument {index}")
        return self._parameters[:index] + self._parameters[index + 1 :]

    def _memory(self, given: object) -> list[int]:
        """The bytes of each block of threadgroup memory. An int is the size of [[threadgroup(0)]]; a dict has the sizes
        of several, by index."""
        if isinstance(given, int):
            given = {0: given}
        if given is not None and not isinstance(given, dict):
            raise TypeError("threadgroup_memory is an int, or a dict from index to int")
        what = "threadgroup_memory"
        sizes = {_count(index, what): _count(size, what) for index, size in (given or {}).items()}
        for index, name in self._blocks.items():
            if not sizes.get(index):
                needed = f"the bytes of {name!r}, [[threadgroup({index})]]"
                raise RuntimeError(f"{self._name!r} needs threadgroup_memory: {needed}")
        for index in sizes:
            if index not in self._blocks:
                raise RuntimeError(f"{self._name!r} has no argument [[threadgroup({index})]]")
        return [sizes[index] for index in self._blocks]


def _count(value: object, what: str) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{what} is an int or 1 to 3 of them, not {value!r}")
    if not 0 <= value <= 2**31:
        raise ValueError(f"{what}: {value!r} is not between 0 and 2^31")
    return value


def _sizes(value: object, what: str) -> tuple[int, int, int]:
    if not isinstance(value, (list, tuple)):
        return _count(value, what), 1, 1
    sizes = [_count(size, what) for size in value]
    if not 1 <= len(sizes) <= 3:
        raise RuntimeError(f"{what} has 1 to 3 dimensions, not {len(sizes)}")
    return (*sizes, 1, 1)[:3]


def compile_shader(
    source: str,
    *,
    include_directories: Iterable[str | os.PathLike] = (),
    macros: Mapping[str, object] | None = None,
    constants: Mapping[str, object] | None = None,
    fast_math: bool = False,
) -> ShaderLibrary:
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
    texts = {name: str(int(value) if isinstance(value, bool) else value) for name, value in (macros or {}).items()}
    library = native.ShaderLibrary(source, [os.fspath(path) for path in include_directories], texts, fast_math)
    if constants:
        types, values = library.constant_types(), {}
        for name, value in constants.items():
            if name not in types:
                raise ValueError(f"The source has no function constant {name!r}")
            values[name] = pack_constant(value, types[name], f"Function constant {name!r}")
        library.set_constants(values)
    return ShaderLibrary(library)
