"""The operators that bench.ops times, as a user calls them: results are allocated by the call.

A case makes the same work for a device: `make("metal", n)` returns a function that does it on about n elements.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

Work = Callable[[], object]
Make = Callable[[str, int], Work]

ROW = 256


@dataclass(frozen=True)
class Operator:
    """An operator of a family; families are what the picture groups by."""

    family: str
    name: str
    make: Make


class Inputs:
    """Random inputs of about n elements on a device; the same for every device."""

    def __init__(self, device: str, n: int):
        self.device, self.n = device, n
        self.rows = max(1, n // ROW)
        self.side = math.isqrt(n)
        self._generator = torch.Generator().manual_seed(0)

    def __call__(self, *shape, dtype=torch.float32, grad=False) -> torch.Tensor:
        """Normally distributed; n elements if no shape is given."""
        values = torch.randn(shape or (self.n,), generator=self._generator).to(dtype).to(self.device)
        return values.requires_grad_(grad)

    def integers(self, high: int, *shape, dtype=torch.int64) -> torch.Tensor:
        """Uniform in [0, high)."""
        values = torch.randint(high, shape or (self.n,), generator=self._generator, dtype=dtype)
        return values.to(self.device)

    def matrix(self, **options) -> torch.Tensor:
        """Rows of 256."""
        return self(self.rows, ROW, **options)

    def square(self, **options) -> torch.Tensor:
        return self(self.side, self.side, **options)

    def image(self, channels: int = 16) -> torch.Tensor:
        """A batch of square images of at most 32 x 32."""
        side = min(32, max(4, math.isqrt(self.n // channels)))
        return self(max(1, self.n // (channels * side * side)), channels, side, side)


def _on(prepare: Callable[[Inputs], tuple], operator: Callable) -> Make:
    """operator(*prepare(inputs)), prepared once."""

    def make(device: str, n: int) -> Work:
        arguments = prepare(Inputs(device, n))
        return lambda: operator(*arguments)

    return make


def _one(x: Inputs) -> tuple:
    return (x(),)


def _positive(x: Inputs) -> tuple:
    return (x().abs() + 0.1,)


def _two(x: Inputs) -> tuple:
    return x(), x()


def _halves(x: Inputs) -> tuple:
    return x(dtype=torch.bfloat16), x(dtype=torch.bfloat16)


def _rows(x: Inputs) -> tuple:
    return (x.matrix(),)


def _image(x: Inputs) -> tuple:
    return (x.image(),)


def _training(module: Callable[[Inputs], tuple], operator: Callable) -> Make:
    """Forward and backward: gradients of all that prepare() marked."""

    def step(*arguments):
        return torch.autograd.grad(operator(*arguments).sum(), [a for a in arguments if a.requires_grad])

    return _on(module, step)


def _attention(x: Inputs, grad: bool = False) -> tuple:
    """8 heads of size 64; up to 512 positions."""
    length = min(512, max(1, x.n // 512))
    batch = max(1, x.n // (512 * length))
    return tuple(x(batch, 8, length, 64, grad=grad) for _ in range(3))


def _causal_attention(q, k, v):
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def _lstm(device: str, n: int) -> Work:
    steps, hidden = 16, 64
    torch.manual_seed(0)
    module = torch.nn.LSTM(hidden, hidden).to(device)
    x = Inputs(device, n)(steps, max(1, n // (steps * hidden)), hidden)
    return lambda: module(x)


def _optimizer(kind, **options) -> Make:
    """One step over ten parameters of n / 10 elements."""

    def make(device: str, n: int) -> Work:
        x = Inputs(device, n)
        parameters = [x(max(1, n // 10), grad=True) for _ in range(10)]
        for parameter in parameters:
            parameter.grad = x(*parameter.shape)
        return kind(parameters, lr=1e-6, **options).step

    return make


def _convolution(kernel: int, *, out: int = 16, groups: int = 1, grad: bool = False) -> Callable[[Inputs], tuple]:
    def prepare(x: Inputs) -> tuple:
        image = x.image()
        return image.requires_grad_(grad), x(out, image.shape[1] // groups, kernel, kernel, grad=grad)

    return prepare


def _solvable(x: Inputs) -> tuple:
    """Well-conditioned matrices of at most 64 x 64."""
    side = min(64, max(2, x.side))
    a = x(max(1, x.n // side**2), side, side)
    return (a @ a.mT / side + torch.eye(side, device=x.device),)


def _grid(x: Inputs) -> tuple:
    image = x.image()
    return image, x(image.shape[0], *image.shape[2:], 2).clamp(-1, 1)


def _pointwise() -> list[tuple[str, Make]]:
    unary = [torch.exp, torch.sin, torch.tanh, torch.sigmoid, torch.relu, torch.abs, torch.erf, F.silu, F.gelu]
    positive = [torch.log, torch.sqrt, torch.rsqrt]
    binary = [torch.add, torch.mul, torch.div, torch.maximum, torch.atan2, torch.eq]
    return [
        *((f.__name__, _on(_one, f)) for f in unary),
        *((f.__name__, _on(_positive, f)) for f in positive),
        *((f.__name__, _on(_two, f)) for f in binary),
        ("add, bfloat16", _on(_halves, torch.add)),
        ("add, number", _on(_one, lambda a: a + 1.5)),
        ("add, in place", _on(_two, lambda a, b: a.add_(b))),
        ("add, broadcast row", _on(lambda x: (x.matrix(), x(ROW)), torch.add)),
        ("add, broadcast column", _on(lambda x: (x.matrix(), x(x.rows, 1)), torch.add)),
        ("add, transposed", _on(lambda x: (x.square(), x.square().t()), torch.add)),
        ("pow", _on(_positive, lambda a: a**1.7)),
        ("where", _on(lambda x: (x() > 0, x(), x()), torch.where)),
        ("clamp", _on(_one, lambda a: a.clamp(-0.5, 0.5))),
        ("addcmul", _on(lambda x: (x(), x(), x()), torch.addcmul)),
        ("lerp", _on(_two, lambda a, b: torch.lerp(a, b, 0.3))),
        ("bitwise_and, int32", _on(lambda x: (x.integers(99, dtype=torch.int32),) * 2, torch.bitwise_and)),
        ("add, int64", _on(lambda x: (x.integers(99),) * 2, torch.add)),
        ("to float16", _on(_one, lambda a: a.half())),
        ("mul, complex64", _on(lambda x: (x(dtype=torch.complex64),) * 2, torch.mul)),
    ]


def _movement() -> list[tuple[str, Make]]:
    return [
        ("clone", _on(_one, torch.clone)),
        ("transposed copy", _on(lambda x: (x.square().t(),), lambda a: a.contiguous())),
        ("channels last copy", _on(_image, lambda a: a.contiguous(memory_format=torch.channels_last).clone())),
        ("cat", _on(_two, lambda a, b: torch.cat([a, b]))),
        ("flip", _on(_rows, lambda a: a.flip(1))),
        ("roll", _on(_rows, lambda a: a.roll(3, 1))),
        ("repeat", _on(_rows, lambda a: a.repeat(1, 2))),
        ("tril", _on(lambda x: (x.square(),), torch.tril)),
        ("pad, reflect", _on(_image, lambda a: F.pad(a, (1, 1, 1, 1), "reflect"))),
        ("zeros_like", _on(_one, torch.zeros_like)),
        ("arange", _on(lambda x: (x.n, x.device), lambda n, device: torch.arange(n, device=device))),
    ]


def _reductions() -> list[tuple[str, Make]]:
    whole = [torch.sum, torch.mean, torch.amax, torch.argmax, torch.prod, torch.var, torch.norm]
    by_row = [torch.sum, torch.amax, torch.argmax, torch.var, torch.logsumexp, torch.cumsum, torch.prod]
    return [
        *((f"{f.__name__}, all", _on(_one, f)) for f in whole),
        *((f"{f.__name__}, rows", _on(_rows, lambda a, f=f: f(a, dim=1))) for f in by_row),
        ("sum, columns", _on(_rows, lambda a: a.sum(0))),
        ("any, all", _on(lambda x: (x() > 9,), torch.any)),
        ("cumsum", _on(_one, lambda a: a.cumsum(0))),
    ]


def _indexing() -> list[tuple[str, Make]]:
    def picked(x: Inputs) -> tuple:
        return x.matrix(), x.integers(x.rows, x.rows)

    return [
        ("index_select, rows", _on(picked, lambda a, i: a.index_select(0, i))),
        ("index, rows", _on(picked, lambda a, i: a[i])),
        ("index_add, rows", _on(picked, lambda a, i: a.index_add(0, i, a))),
        ("index_put, rows", _on(picked, lambda a, i: a.index_put((i,), a))),
        ("gather", _on(lambda x: (x.matrix(), x.integers(ROW, x.rows, ROW)), lambda a, i: a.gather(1, i))),
        (
            "scatter_add",
            _on(lambda x: (x.matrix(), x.integers(ROW, x.rows, ROW)), lambda a, i: a.scatter_add(1, i, a)),
        ),
        ("masked_fill", _on(lambda x: (x(), x() > 0), lambda a, m: a.masked_fill(m, 1.0))),
        ("masked_select", _on(lambda x: (x(), x() > 0), torch.masked_select)),
        ("nonzero", _on(lambda x: (x() > 0,), torch.nonzero)),
        ("embedding", _on(picked, lambda a, i: F.embedding(i, a))),
        ("take", _on(lambda x: (x(), x.integers(x.n)), torch.take)),
        ("sort", _on(_one, torch.sort)),
        ("sort, rows", _on(_rows, torch.sort)),
        ("topk, rows", _on(_rows, lambda a: a.topk(8))),
        ("unique", _on(lambda x: (x.integers(1000),), torch.unique)),
        ("bincount", _on(lambda x: (x.integers(1000),), torch.bincount)),
        ("searchsorted", _on(lambda x: (x(1000).sort().values, x()), torch.searchsorted)),
    ]


def _networks() -> list[tuple[str, Make]]:
    affine = (lambda x: (x.matrix(grad=True), x(ROW, grad=True), x(ROW, grad=True)), F.layer_norm)
    layer_norm = lambda a, w, b: F.layer_norm(a, (ROW,), w, b)  # noqa: E731
    return [
        ("softmax", _on(_rows, lambda a: a.softmax(1))),
        ("log_softmax", _on(_rows, lambda a: a.log_softmax(1))),
        ("layer_norm", _on(lambda x: (x.matrix(), x(ROW), x(ROW)), layer_norm)),
        ("layer_norm, training", _training(affine[0], layer_norm)),
        ("rms_norm", _on(_rows, lambda a: F.rms_norm(a, (ROW,)))),
        ("group_norm", _on(_image, lambda a: F.group_norm(a, 4))),
        ("batch_norm", _on(_image, lambda a: F.batch_norm(a, None, None, training=True))),
        ("cross_entropy", _on(lambda x: (x.matrix(), x.integers(ROW, x.rows)), F.cross_entropy)),
        ("mse_loss", _on(_two, F.mse_loss)),
        ("dropout", _on(_one, lambda a: F.dropout(a, 0.3))),
        ("conv2d, 3x3", _on(_convolution(3), lambda a, w: F.conv2d(a, w, padding=1))),
        ("conv2d, 3x3, training", _training(_convolution(3, grad=True), lambda a, w: F.conv2d(a, w, padding=1))),
        ("conv2d, 1x1", _on(_convolution(1, out=64), F.conv2d)),
        ("conv2d, depthwise", _on(_convolution(3, groups=16), lambda a, w: F.conv2d(a, w, padding=1, groups=16))),
        ("max_pool2d", _on(_image, lambda a: F.max_pool2d(a, 2))),
        ("avg_pool2d", _on(_image, lambda a: F.avg_pool2d(a, 2))),
        ("interpolate, bilinear", _on(_image, lambda a: F.interpolate(a, scale_factor=2.0, mode="bilinear"))),
        ("interpolate, nearest", _on(_image, lambda a: F.interpolate(a, scale_factor=2.0))),
        ("grid_sample", _on(_grid, lambda a, g: F.grid_sample(a, g, align_corners=False))),
        ("attention", _on(_attention, F.scaled_dot_product_attention)),
        ("attention, training", _training(lambda x: _attention(x, True), F.scaled_dot_product_attention)),
        ("attention, causal, training", _training(lambda x: _attention(x, True), _causal_attention)),
        ("attention, one query", _on(_attention, lambda q, k, v: F.scaled_dot_product_attention(q[:, :, :1], k, v))),
        ("LSTM", _lstm),
        ("Adam step", _optimizer(torch.optim.Adam)),
        ("SGD step", _optimizer(torch.optim.SGD, momentum=0.9)),
    ]


def _linear_algebra() -> list[tuple[str, Make]]:
    return [
        ("mm", _on(lambda x: (x.square(), x.square()), torch.mm)),
        ("mm, transposed", _on(lambda x: (x.square(), x.square().t()), torch.mm)),
        ("mm, bfloat16", _on(lambda x: (x.square(dtype=torch.bfloat16),) * 2, torch.mm)),
        ("linear", _on(lambda x: (x.matrix(), x(ROW, ROW), x(ROW)), F.linear)),
        ("bmm", _on(lambda x: (x(max(1, x.n // 4096), 64, 64),) * 2, torch.bmm)),
        ("mv", _on(lambda x: (x.square(), x(x.side)), torch.mv)),
        ("dot", _on(_two, torch.dot)),
        ("cdist", _on(lambda x: (x(x.side, 16), x(x.side, 16)), torch.cdist)),
        ("cholesky", _on(_solvable, torch.linalg.cholesky)),
        ("solve", _on(_solvable, lambda a: torch.linalg.solve(a, a))),
        ("fft", _on(lambda x: (x.matrix(dtype=torch.complex64),), torch.fft.fft)),
        ("rfft2", _on(lambda x: (x.square(),), torch.fft.rfft2)),
    ]


def _random() -> list[tuple[str, Make]]:
    def shape(x: Inputs) -> tuple:
        return x.n, x.device

    return [
        ("rand", _on(shape, lambda n, device: torch.rand(n, device=device))),
        ("randn", _on(shape, lambda n, device: torch.randn(n, device=device))),
        ("randint", _on(shape, lambda n, device: torch.randint(99, (n,), device=device))),
        ("randperm", _on(shape, lambda n, device: torch.randperm(n, device=device))),
    ]


OPERATORS = [
    Operator(family, name, make)
    for family, cases in {
        "pointwise": _pointwise(),
        "movement": _movement(),
        "reductions": _reductions(),
        "indexing": _indexing(),
        "networks": _networks(),
        "linear algebra": _linear_algebra(),
        "random": _random(),
    }.items()
    for name, make in cases
]
