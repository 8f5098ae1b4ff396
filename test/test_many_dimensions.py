"""Tensors of up to 64 dimensions, with strides that no merging of dimensions makes fewer."""

import pytest
import torch

from test.agreement import assert_agrees, sample

pytestmark = pytest.mark.usefixtures("no_fallback")

DIMENSIONS = [5, 12, 16, 17, 20, 64]
OPERATORS = {
    "permuted copy": lambda x, y, p: x.permute(p).contiguous(),
    "unary": lambda x, y, p: x.permute(p).exp(),
    "binary": lambda x, y, p: x.permute(p) + y.permute(p[::-1]).reshape(x.permute(p).shape),
    "broadcast": lambda x, y, p: x.permute(p) * y.narrow(0, 0, 1).permute(p),
    "ternary": lambda x, y, p: torch.where(x.permute(p) > 0, x.permute(p), y.contiguous().view(x.permute(p).shape)),
    "in place": lambda x, y, p: x.clone().permute(p).mul_(2).add_(y.permute(p)),
    "out": lambda x, y, p: torch.sub(x.permute(p), 1, out=torch.empty_like(y).permute(p)),
    "fill": lambda x, y, p: x.clone().permute(p).narrow(2, 0, 1).fill_(3),
    "conversion": lambda x, y, p: x.permute(p).half().float(),
    "sum of every other": lambda x, y, p: (x.sum(p[1::2]), x.permute(p).sum(tuple(range(0, x.dim(), 2)))),
    "sum of all": lambda x, y, p: x.permute(p).sum(),
    "extrema": lambda x, y, p: (x.permute(p).amax(tuple(range(1, x.dim(), 2))), x.permute(p).max(1), x.argmin(0)),
    "variance": lambda x, y, p: x.permute(p).var(tuple(range(0, x.dim(), 3))),
    "norm": lambda x, y, p: x.permute(p).norm(2, (0, 2)),
    "select": lambda x, y, p: x.permute(p).index_select(1, torch.zeros(3, dtype=torch.long, device=x.device)),
    "gather": lambda x, y, p: x.permute(p).gather(1, x.permute(p).argsort(1)),
    "scatter": lambda x, y, p: x.permute(p).scatter(1, y.argsort(1).view(x.permute(p).shape) * 0, 1.0),
    "scatter add": lambda x, y, p: x.permute(p).scatter_add(1, x.permute(p).argsort(1) * 0, x.permute(p)),
    "index": lambda x, y, p: x.permute(p)[:, torch.zeros(2, dtype=torch.long, device=x.device)],
    "mask": lambda x, y, p: (x[y > 0], x.permute(p)[x.permute(p) > 0], x.masked_select(x > 0)),
    "masked write": lambda x, y, p: x.clone().masked_fill_(y > 0, 7).masked_scatter_(y > 0, x),
    "nonzero": lambda x, y, p: (x.permute(p) > 0).nonzero(),
    "cat": lambda x, y, p: torch.cat((x.permute(p), y.permute(p)), 1),
    "flip": lambda x, y, p: (x.permute(p).flip(0, 2, x.dim() - 1), x.flip(tuple(range(x.dim())))),
    "roll": lambda x, y, p: x.permute(p).roll((1, 1), (0, 2)),
    "sort": lambda x, y, p: x.permute(p).sort(1),
    "topk": lambda x, y, p: x.permute(p).topk(1, 1),
    "cumsum": lambda x, y, p: x.permute(p).cumsum(1),
    "softmax": lambda x, y, p: x.permute(p).softmax(1),
    "triangle": lambda x, y, p: (x.permute(p).tril(), x.permute(p).triu(1)),
    "repeat": lambda x, y, p: x.permute(p).repeat([2] + [1] * (x.dim() - 1)),
}


@pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS.keys())
@pytest.mark.parametrize("dimensions", DIMENSIONS)
def test_operators_of_permuted_tensors(dimensions, operator):
    twos = min(dimensions, 17)
    shape = [2] * twos + [1] * (dimensions - twos)
    # Even dimensions, then odd ones, backwards: no two neighbours stay neighbours.
    order = [*range(0, dimensions, 2), *range(1, dimensions, 2)][::-1]
    x = torch.randperm(2**twos, generator=torch.Generator().manual_seed(0)).view(shape) / 2**12 - 8
    y = sample(*shape, seed=1)
    assert_agrees(lambda x, y: operator(x, y, order), x, y, backward=False, rtol=1e-4, atol=1e-4)


def test_gradients_of_permuted_tensors_with_17_dimensions():
    order = [*range(0, 17, 2), *range(1, 17, 2)][::-1]
    even = tuple(range(0, 17, 2))
    assert_agrees(lambda x: x.permute(order).square().sum(even), sample(*[2] * 17), rtol=1e-4, atol=1e-4)


def test_more_than_64_dimensions_raise(device):
    with pytest.raises(RuntimeError):
        torch.ones([1] * 65, device=device).sum(0) + torch.ones([1] * 65, device=device)
