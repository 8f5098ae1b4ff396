"""A case: a function of tensors that must give on the device what it gives on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

FLOATS = (torch.float32, torch.float16, torch.bfloat16)
INTEGERS = (torch.int64, torch.int32, torch.uint8)
SINGLE = (torch.float32,)
COMPLEX = (torch.complex64,)

#: Makes one input on the CPU, in the dtype that the case is run with unless its own is fixed.
Maker = Callable[[torch.Generator, torch.dtype], torch.Tensor]


def numbers(*shape: int) -> Maker:
    """Normally distributed; small integers in integral dtypes."""

    def make(generator, dtype):
        if not (dtype.is_floating_point or dtype.is_complex):
            return torch.randint(-4 if dtype.is_signed else 0, 9, shape, generator=generator).to(dtype)
        return torch.randn(shape, generator=generator, dtype=dtype if dtype.is_complex else torch.float32).to(dtype)

    return make


def between(low: float, high: float, *shape: int) -> Maker:
    return lambda generator, dtype: (torch.rand(shape, generator=generator) * (high - low) + low).to(dtype)


def distinct(*shape: int) -> Maker:
    """No two elements are the same, so that orders and extrema have one answer."""

    def make(generator, dtype):
        count = torch.Size(shape).numel()
        return (torch.randperm(count, generator=generator).to(torch.float32) - count // 2).reshape(shape).to(dtype)

    return make


def indices(high: int, *shape: int) -> Maker:
    """int64, from 0 to high - 1."""
    return lambda generator, dtype: torch.randint(high, shape, generator=generator)


def booleans(*shape: int) -> Maker:
    return lambda generator, dtype: torch.randint(2, shape, generator=generator).bool()


def positive_definite(*shape: int) -> Maker:
    def make(generator, dtype):
        x = torch.randn(shape, generator=generator)
        return (x @ x.mT + shape[-1] * torch.eye(shape[-1])).to(dtype)

    return make


def contiguous(x: torch.Tensor) -> torch.Tensor:
    return x


def transposed(x: torch.Tensor) -> torch.Tensor:
    """The same values, the last two dimensions exchanged in memory."""
    return x.mT.contiguous().mT if x.dim() >= 2 else x


def strided(x: torch.Tensor) -> torch.Tensor:
    """The same values, every second element of memory, after an offset."""
    return torch.stack([x, x], -1)[..., 1] if x.dim() >= 1 else x


LAYOUTS = {layout.__name__: layout for layout in (contiguous, transposed, strided)}


@dataclass(frozen=True)
class Case:
    """`function` of tensors that `inputs` make, forward and, for floating inputs if `backward`, its gradient."""

    family: str  # the stem of a file in kernels/, or what else is at work
    name: str
    function: Callable
    inputs: Sequence[Maker] = ()
    dtypes: Sequence[torch.dtype] = FLOATS
    layouts: Sequence[str] = ("contiguous", "transposed", "strided")
    backward: bool = True
    tolerance: float = 1  # times what torch.testing allows for the dtype
    libraries: Sequence[str] = ("automatic",)  # of matrix products and convolutions: see torch_metal.backends

    def make_inputs(self, dtype: torch.dtype) -> list[torch.Tensor]:
        """On the CPU; the same at every call."""
        generator = torch.Generator().manual_seed(0)
        return [make(generator, dtype) for make in self.inputs]
