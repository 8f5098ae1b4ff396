"""cdist, pdist and cross agree with the CPU: every norm, dtype, stride; empty, broadcast and NaN input."""

import math

import pytest
import torch

from test.agreement import INTEGRAL, assert_agrees, sample

pytestmark = pytest.mark.usefixtures("no_fallback")

NORMS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, math.inf)
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


@pytest.mark.parametrize("p", NORMS)
def test_distances_and_gradients(p):
    for shape1, shape2 in (((5, 3), (7, 3)), ((2, 5, 3), (4, 3)), ((40, 70), (35, 70))):
        x1, x2 = sample(*shape1), sample(*shape2, seed=1)
        assert_agrees(lambda a, b: torch.cdist(a, b, p=p, compute_mode="donot_use_mm_for_euclid_dist"), x1, x2, **CLOSE)
    for shape1, shape2 in (((2, 3, 5, 3), (2, 3, 4, 3)), ((2, 1, 5, 3), (3, 4, 3))):
        assert_agrees(lambda a, b: torch.cdist(a, b, p=p), sample(*shape1), sample(*shape2, seed=1), **CLOSE)
    for shape in ((6, 3), (1, 3), (40, 37)):
        assert_agrees(lambda x: torch.pdist(x, p=p), sample(*shape), **CLOSE)


@pytest.mark.parametrize("p", NORMS)
def test_empty_input(p):  # without gradients: PyTorch's CPU kernels divide by zero there
    for n, m in ((0, 3), (5, 0)):
        x = sample(n, m)
        assert_agrees(lambda x: (torch.cdist(x, sample(4, m).to(x.device), p=p), torch.pdist(x, p=p)), x, backward=False)
        metal = x.to("metal").requires_grad_()
        torch.pdist(metal, p=p).sum().backward()
        assert metal.grad.shape == (n, m) and not metal.grad.any()


def test_large_euclidean_distances_use_the_matrix_product():
    assert_agrees(torch.cdist, sample(60, 8), sample(70, 8, seed=1), rtol=1e-3, atol=1e-3)


def test_strides_and_equal_rows():
    x = sample(6, 8)
    for p in (1.0, 2.0, 3.0):
        assert_agrees(lambda x: torch.cdist(x.t(), x.t()[::2], p=p), x, **CLOSE)
        assert_agrees(lambda x: torch.cdist(x, x.clone(), p=p), x.round(), **CLOSE)


@pytest.mark.parametrize("p", NORMS)
def test_nan_is_kept(p):
    x = sample(4, 5)
    x[1, 2] = math.nan
    if p < math.inf:  # where the CPU's cdist, but not its pdist, drops a NaN
        assert_agrees(lambda x: torch.cdist(x, x + 1, p=p), x, backward=False, **CLOSE)
    assert_agrees(lambda x: torch.pdist(x, p=p), x, backward=False, **CLOSE)


@pytest.mark.parametrize("dtype", (torch.float32, torch.float16, torch.bfloat16, torch.complex64, *INTEGRAL))
def test_vector_product(dtype):
    a, b = sample(4, 3, 5, dtype=dtype), sample(1, 3, 5, dtype=dtype, seed=1)
    wide = dtype not in (torch.float16, torch.bfloat16)  # low precision rounds each step of a gradient
    assert_agrees(lambda a, b: torch.linalg.cross(a, b, dim=-2), a, b, backward=wide)
    assert_agrees(lambda a, b: torch.linalg.cross(a.mT, b.mT, dim=2), a, b, backward=wide)
    assert_agrees(lambda a, b: torch.linalg.cross(a[:0], b, dim=1), a, b)
