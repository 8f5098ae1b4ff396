"""Kernels that a user writes in Metal Shading Language."""

from torch_metal import _C


def compile_shader(source: str):
    """Compiles Metal source and returns a library whose attributes are its kernels, as torch.mps.compile_shader does.

    A kernel is called with its arguments in buffer order: tensors on metal, numbers (int as 64-bit, float as 32-bit,
    bool as 8-bit) and lists of numbers. Keyword arguments: ``threads`` (grid, 1 to 3 numbers; by default the number
    of elements of the first tensor), ``group_size`` (threads of a threadgroup), ``arg_casts`` ("int32", "fp16", ...
    for all numbers, or a dict from argument index), ``error_buf_idx`` (index at which to pass a
    ``device c10::metal::ErrorMessages*``; what is reported there raises at the next synchronisation).

    Raises RuntimeError with the compiler's message if the source is not valid.

    >>> shader = compile_shader("kernel void twice(device float* x, uint i [[thread_position_in_grid]]) { x[i] *= 2; }")
    >>> shader.twice(torch.ones(4, device="metal"))
    """
    return _C.ShaderLibrary(source)
