"""What the roofline is made of: Apple's GPUs, and what each family of kernels moves and computes.

docs/apple-performance.md is generated from here (`python -m bench.roofline --document`), and so are the predictions
that `python -m bench.roofline` prints beside its measurements.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

Work = Callable[[], object]

FLOP_PER_CORE_AND_CYCLE = 256  # 128 lanes, each with a fused multiply-add


@dataclass(frozen=True)
class Machine:
    """A GPU of `cores` cores at `ghz`, and its memory. Peaks are products, not measurements."""

    name: str
    cores: int
    ghz: float
    gb_per_s: float

    @property
    def gflop_per_s(self) -> float:
        return FLOP_PER_CORE_AND_CYCLE * self.cores * self.ghz

    @property
    def ridge(self) -> float:
        """Flops for each byte above which arithmetic is the limit."""
        return self.gflop_per_s / self.gb_per_s


# The largest configuration of each. Cores and bandwidths are Apple's figures. Clocks are what others have measured:
# Apple names none; from M3 on they are known to about 5 %.
MACHINES = [
    Machine("M1", 8, 1.278, 68.25),
    Machine("M1 Pro", 16, 1.296, 200),
    Machine("M1 Max", 32, 1.296, 400),
    Machine("M1 Ultra", 64, 1.296, 800),
    Machine("M2", 10, 1.398, 100),
    Machine("M2 Pro", 19, 1.398, 200),
    Machine("M2 Max", 38, 1.398, 400),
    Machine("M2 Ultra", 76, 1.398, 800),
    Machine("M3", 10, 1.38, 100),
    Machine("M3 Pro", 18, 1.38, 150),
    Machine("M3 Max", 40, 1.38, 400),
    Machine("M3 Ultra", 80, 1.38, 819),
    Machine("M4", 10, 1.58, 120),
    Machine("M4 Pro", 20, 1.58, 273),
    Machine("M4 Max", 40, 1.58, 546),
    Machine("M5", 10, 1.58, 153),
    Machine("M5 Pro", 20, 1.58, 307),
    Machine("M5 Max", 40, 1.58, 614),
]


@dataclass(frozen=True)
class Kernel:
    """`name` of kernels/<file>.metal, and the threads of a threadgroup that it is launched with."""

    file: str
    name: str
    threads: int


@dataclass(frozen=True)
class Family:
    """A call that stands for its family.

    `bytes` go between memory and the GPU if what a threadgroup reads twice stays in a cache; `flops` are the additions,
    multiplications, comparisons, roots and exponentials of the kernels, one each. `make(device)` returns the call.
    `passes`: each time the whole data goes through memory. `registers`: 32-bit values that a thread keeps through its
    inner loop, at least.
    """

    name: str
    shape: str
    bytes: int
    flops: int
    passes: int
    kernels: tuple[Kernel, ...]
    registers: int
    make: Callable[[str], Work]

    def seconds(self, gb_per_s: float, gflop_per_s: float) -> float:
        """The least time on a device with these peaks."""
        return max(self.bytes / gb_per_s, self.flops / gflop_per_s) / 1e9

    @property
    def intensity(self) -> float:
        return self.flops / self.bytes


def _on(call: Callable, *shapes: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Callable[[str], Work]:
    """`call` on random tensors."""

    def make(device: str) -> Work:
        generator = torch.Generator().manual_seed(0)
        tensors = [torch.randn(shape, generator=generator).to(dtype).to(device) for shape in shapes]
        return lambda: call(*tensors)

    return make


def _indexed(call: Callable, rows: int, width: int) -> Callable[[str], Work]:
    """`call` on a matrix and as many random row numbers as it has rows."""

    def make(device: str) -> Work:
        generator = torch.Generator().manual_seed(0)
        matrix = torch.randn(rows, width, generator=generator).to(device)
        indices = torch.randint(rows, (rows,), generator=generator).to(device)
        return lambda: call(matrix, indices)

    return make


def _adam(device: str) -> Work:
    parameter = torch.zeros(N, device=device, requires_grad=True)
    parameter.grad = torch.ones(N, device=device)
    return torch.optim.Adam([parameter], lr=1e-6, fused=True).step


MEGA = 1 << 20
N = 16 * MEGA  # elements
ROWS, ROW = 4096, 1024
SIDE = 2048  # of matrices
BATCH, CHANNELS, PIXELS = 8, 64, 56 * 56
HEADS, LENGTH, HEAD = 48, 512, 64
SORTED = MEGA
SORT_MERGES = 10  # of blocks of 1024

FLOAT = torch.float32
PRODUCT = 2 * SIDE**3
CONVOLUTION = 2 * BATCH * PIXELS * CHANNELS * CHANNELS * 9


def _gemm(dtype: torch.dtype, size: int, tile: str) -> Family:
    spelling = {torch.float32: "float", torch.float16: "half", torch.bfloat16: "bfloat"}[dtype]
    return Family(
        name=f"product, {str(dtype).removeprefix('torch.')}",
        shape=f"{SIDE} x {SIDE} by {SIDE} x {SIDE}",
        bytes=3 * size * SIDE**2,
        flops=PRODUCT,
        passes=1,
        kernels=(Kernel("matmul", f"gemm<{spelling}, MatrixTile<{tile}, 64, 64>>", 128),),
        registers=48,  # 16 sums and 8 fragments of 8x8, a 32nd of each in a lane
        make=_on(torch.mm, (SIDE, SIDE), (SIDE, SIDE), dtype=dtype),
    )


FAMILIES = [
    Family(
        name="element-wise, two inputs",
        shape=f"add, {N // MEGA}M float",
        bytes=12 * N,
        flops=N,
        passes=1,
        kernels=(Kernel("binary", "binary_dense<op::add, float, float, float>", 1024),),
        registers=2,
        make=_on(torch.add, (N,), (N,)),
    ),
    Family(
        name="element-wise, much arithmetic",
        shape=f"gelu, {N // MEGA}M float",
        bytes=8 * N,
        flops=30 * N,  # erf, by a polynomial and an exponential
        passes=1,
        kernels=(Kernel("activation", "unary_dense<op::gelu, float, float>", 1024),),
        registers=4,
        make=_on(F.gelu, (N,)),
    ),
    Family(
        name="copy",
        shape=f"clone, {N // MEGA}M float",
        bytes=8 * N,
        flops=0,
        passes=1,
        kernels=(Kernel("copy", "move_dense<uint4>", 256),),
        registers=4,
        make=_on(torch.clone, (N,)),
    ),
    Family(
        name="transposed copy",
        shape="4096 x 4096 float",
        bytes=8 * N,
        flops=0,
        passes=1,
        kernels=(Kernel("copy", "move_transposed<uint>", 32),),
        registers=1,
        make=_on(lambda x: x.t().contiguous(), (4096, 4096)),
    ),
    Family(
        name="reduction",
        shape=f"sum of {N // MEGA}M float",
        bytes=4 * N,
        flops=N,
        passes=1,
        kernels=(Kernel("reduction", "reduce_rows<sum_op<float, float>>", 64),),
        registers=1,
        make=_on(torch.sum, (N,)),
    ),
    Family(
        name="softmax",
        shape=f"{ROWS} rows of {ROW} float",
        bytes=8 * ROWS * ROW,
        flops=5 * ROWS * ROW,  # maximum, difference, exponential, sum, factor
        passes=1,
        kernels=(Kernel("softmax", "softmax_rows<softmax_op, float, float>", 32),),
        registers=2,
        make=_on(lambda x: x.softmax(1), (ROWS, ROW)),
    ),
    Family(
        name="layer norm",
        shape=f"{ROWS} rows of {ROW} float",
        bytes=8 * ROWS * ROW,
        flops=8 * ROWS * ROW,  # sum; difference, square, sum; difference, product, weight, bias
        passes=1,
        kernels=(Kernel("normalization", "layer_norm<float, float>", 32),),
        registers=3,
        make=_on(lambda x, w, b: F.layer_norm(x, (ROW,), w, b), (ROWS, ROW), (ROW,), (ROW,)),
    ),
    _gemm(torch.float32, 4, "float"),
    _gemm(torch.float16, 2, "float"),
    _gemm(torch.bfloat16, 2, "bfloat"),
    Family(
        name="convolution, float32",
        shape=f"{BATCH} x {CHANNELS} x 56 x 56, {CHANNELS} kernels of 3 x 3",
        bytes=4 * (2 * BATCH * CHANNELS * PIXELS + 9 * CHANNELS**2),
        flops=CONVOLUTION,
        passes=1,
        kernels=(Kernel("convolution", "convolve<float, MatrixTile<float, 64, 64>>", 128),),
        registers=48,
        make=_on(lambda x, w: F.conv2d(x, w, padding=1), (BATCH, CHANNELS, 56, 56), (CHANNELS, CHANNELS, 3, 3)),
    ),
    Family(
        name="attention, float32",
        shape=f"{HEADS} heads, {LENGTH} queries and keys of {HEAD}",
        bytes=4 * HEADS * LENGTH * HEAD * 4,  # queries, keys, values, result
        flops=4 * HEADS * LENGTH**2 * HEAD + 5 * HEADS * LENGTH**2,
        passes=1,
        kernels=(),
        registers=48,
        make=_on(F.scaled_dot_product_attention, *[(1, HEADS, LENGTH, HEAD)] * 3),
    ),
    Family(
        name="gather",
        shape="64K rows of 256 float, chosen by index",
        bytes=8 * N + 8 * 65536,
        flops=0,
        passes=1,
        kernels=(),
        registers=4,
        make=_indexed(lambda x, i: x.index_select(0, i), 65536, 256),
    ),
    Family(
        name="scatter",
        shape="64K rows of 256 float, added by index to as many",
        # A copy of what is added to; the indices, sorted; what is added, and what it is added to, read and written.
        bytes=4 * N * (2 + 3) + 65536 * (20 + 5 * 24 + 28),
        flops=N,
        passes=2,
        kernels=(),
        registers=4,
        make=_indexed(lambda x, i: x.index_add(0, i, x), 65536, 256),
    ),
    Family(
        name="sort",
        shape=f"{SORTED // MEGA}M float in a row, with indices",
        bytes=SORTED * ((4 + 8) + (SORT_MERGES - 1) * 16 + (8 + 12)),  # the last indices have 64 bits
        flops=SORTED * (28 + SORT_MERGES),  # comparisons: 55 steps of a block, of pairs; then one a merge
        passes=1 + SORT_MERGES,
        kernels=(Kernel("sort", "sort_blocks<float, int>", 128), Kernel("sort", "sort_merge<float, int, int>", 128)),
        registers=24,  # 8 keys and places of 16 bits, before a step and after it
        make=_on(torch.sort, (SORTED,)),
    ),
    Family(
        name="optimiser",
        shape=f"Adam, {N // MEGA}M float",
        bytes=28 * N,  # four lists read, three written
        flops=16 * N,
        passes=1,
        kernels=(Kernel("optimizer", "fused_adam<float>", 1024),),
        registers=8,
        make=_adam,
    ),
    Family(
        name="FFT",
        shape=f"{ROWS} rows of {ROW} complex float",
        bytes=16 * ROWS * ROW,
        flops=ROWS * ROW * 50,  # 5 log2(1024)
        passes=1,
        kernels=(Kernel("fft", "fft_rows<float2, float2, Half::none, 1024, 8, 8, 8, 2>", 32),),
        registers=32,
        make=_on(torch.fft.fft, (ROWS, ROW), dtype=torch.complex64),
    ),
]
