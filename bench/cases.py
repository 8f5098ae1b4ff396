"""What is measured: operators, and kernels in Metal Shading Language where an operator would use another algorithm.

A case makes the same work for a device: `make("metal", n)` returns a function that does it on about n elements.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

import torch_metal

MEGA = 1 << 20
SIZES = tuple(1 << shift for shift in range(10, 27, 2))  # 1K to 64M
MATRIX_SIZES = tuple(1 << shift for shift in range(10, 23, 2))  # sides from 32 to 2048
ROW = 1024

Work = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """`target` is the ratio of metal's time to PyTorch's CPU kernels' that is wanted at `size` elements."""

    name: str
    target: float
    size: int
    make: Callable[[str, int], Work]
    sizes: tuple[int, ...] = SIZES


@cache
def _shader():
    return torch_metal.compile_shader((Path(__file__).parent / "kernels.metal").read_text())


def _random(shape, dtype: torch.dtype, device: str) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(dtype).to(device)


def _binary(operation, dtype: torch.dtype):
    def make(device: str, n: int) -> Work:
        a, b = (_random(n, dtype, device) for _ in range(2))
        out = torch.empty_like(a)
        return lambda: operation(a, b, out=out)

    return make


def _gelu(dtype: torch.dtype):
    def make(device: str, n: int) -> Work:
        x = _random(n, dtype, device)
        out = torch.empty_like(x)
        return lambda: torch.ops.aten.gelu.out(x, approximate="tanh", out=out)

    return make


def _broadcast_add(device: str, n: int) -> Work:
    """A permuted operand and one that is broadcast along two of four dimensions."""
    outer = max(1, n // (8 * 32 * 64))
    channels, rows, columns = (8, 32, 64) if outer < 16 else (128, 32, 64)
    outer = max(1, n // (channels * rows * columns))
    a = _random((outer, channels, rows, columns), torch.float32, device).permute(0, 2, 1, 3)
    b = _random((outer, 1, channels, 1), torch.float32, device)
    out = torch.empty(a.shape, device=device)
    return lambda: torch.add(a, b, out=out)


def _transposed_copy(device: str, n: int) -> Work:
    side = math.isqrt(n)
    a = _random((side, side), torch.float32, device)
    out = torch.empty_like(a)
    return lambda: out.copy_(a.t())


def _softmax(device: str, n: int) -> Work:
    x = _random((n // ROW, ROW), torch.float32, device)
    out = torch.empty_like(x)
    return lambda: torch.ops.aten._softmax.out(x, 1, False, out=out)


def _layer_norm(device: str, n: int) -> Work:
    x = _random((n // ROW, ROW), torch.float32, device)
    weight, bias = (_random(ROW, torch.float32, device) for _ in range(2))
    return lambda: torch.nn.functional.layer_norm(x, (ROW,), weight, bias)


def _reduction(operation, dim: int | None):
    def make(device: str, n: int) -> Work:
        x = _random((n // math.isqrt(n), math.isqrt(n)), torch.float32, device)
        return (lambda: operation(x)) if dim is None else (lambda: operation(x, dim=dim))

    return make


def _matmul(dtype: torch.dtype):
    def make(device: str, n: int) -> Work:
        a, b = (_random((math.isqrt(n),) * 2, dtype, device) for _ in range(2))
        out = torch.empty_like(a)
        return lambda: torch.mm(a, b, out=out)

    return make


def _sketch(kernel: str, dtype: torch.dtype, tile: int, threads: tuple[int, int]):
    """A GEMM of bench/kernels.metal on metal, torch.mm on the CPU. `threads` compute a tile of tile x tile."""

    def make(device: str, n: int) -> Work:
        if device == "cpu":
            return _matmul(dtype)("cpu", n)
        side = math.isqrt(n)
        a, b = (_random((side, side), dtype, device) for _ in range(2))
        out = torch.empty_like(a)
        function = getattr(_shader(), kernel)
        groups = max(1, side // tile)
        grid = (groups * threads[0], groups * threads[1])
        return lambda: function(out, a, b, side, arg_casts="uint32", threads=grid, group_size=threads)

    return make


def _scatter_rows(device: str, n: int) -> Work:
    """Rows of 512 elements, as in the gradient of an embedding: float atomics on metal, index_add on the CPU."""
    rows = max(2, n // 512)
    indices = torch.randint(2 * rows, (rows,), generator=torch.Generator().manual_seed(0)).to(device)
    source = _random((rows, 512), torch.float32, device)
    out = torch.zeros(2 * rows, 512, device=device)
    if device == "cpu":
        return lambda: out.index_add_(0, indices, source)
    kernel = _shader().scatter_rows
    return lambda: kernel(out, indices, source, 512, arg_casts="uint32", threads=(512, rows), group_size=(256, 1))


def _cases() -> list[Case]:
    f32, f16, bf16 = torch.float32, torch.float16, torch.bfloat16
    names = {f32: "f32", f16: "f16", bf16: "bf16"}
    cases = []
    for dtype in (f32, f16):
        cases.append(Case(f"add {names[dtype]}", 1.05, 16 * MEGA, _binary(torch.add, dtype)))
        cases.append(Case(f"mul {names[dtype]}", 1.05, 16 * MEGA, _binary(torch.mul, dtype)))
    cases.append(Case("gelu f32", 0.30, 16 * MEGA, _gelu(f32)))
    cases.append(Case("gelu f16", 0.45, 16 * MEGA, _gelu(f16)))
    cases.append(Case("4-d broadcast add", 1.3, 16 * MEGA, _broadcast_add, SIZES[4:]))
    cases.append(Case("transposed copy", 1.3, 16 * MEGA, _transposed_copy))
    cases.append(Case("softmax", 1.2, 4 * MEGA, _softmax))
    cases.append(Case("layer norm", 1.0, 4 * MEGA, _layer_norm))
    for operation in (torch.sum, torch.amax):
        cases.append(Case(f"{operation.__name__}, all", 1.3, 16 * MEGA, _reduction(operation, None)))
        cases.append(Case(f"{operation.__name__}, rows", 1.3, 16 * MEGA, _reduction(operation, 1)))
        cases.append(Case(f"{operation.__name__}, columns", 1.3, 16 * MEGA, _reduction(operation, 0)))
    cases.append(Case("tiled GEMM f32", 2.0, MEGA, _sketch("gemm_tiled", f32, 64, (256, 1)), MATRIX_SIZES[2:]))
    for dtype in (f32, bf16):
        make = _sketch(f"gemm_simdgroup_{names[dtype]}", dtype, 32, (32, 1))
        cases.append(Case(f"simdgroup GEMM {names[dtype]}", 2.0, MEGA, make, MATRIX_SIZES))
    for dtype in (f32, bf16):
        cases.append(Case(f"mm {names[dtype]}", 2.0, MEGA, _matmul(dtype), MATRIX_SIZES))
    cases.append(Case("scatter, float atomics", 1.5, 8 * MEGA, _scatter_rows))
    return cases


CASES = _cases()
