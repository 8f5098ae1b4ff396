"""Either kind of tile multiplies right, whichever of them this machine prefers."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import torch
from torch.nn.functional import conv2d, conv_transpose2d

def check(function, *shapes):
    tensors = [torch.randn(shape) for shape in shapes]
    torch.testing.assert_close(function(*(t.to("metal") for t in tensors)).cpu(), function(*tensors), rtol=1e-4, atol=1e-4)

torch.manual_seed(0)
for m, k, n in ((1, 7, 5), (13, 32, 64), (14, 33, 65), (40, 5, 33), (70, 100, 40), (130, 64, 300), (300, 20, 129)):
    check(lambda a, b: a @ b, (m, k), (k, n))
    check(lambda a, b: a.t() @ b, (k, m), (k, n))
    check(lambda a, b: a @ b.t(), (m, k), (n, k))
    check(lambda a, b: a[:, ::2] @ b[::2], (m, k), (k, n))
for kwargs in ({"padding": 1}, {"stride": 2}, {"groups": 2}):
    groups = kwargs.get("groups", 1)
    for last in (False, True):
        form = (lambda t: t.to(memory_format=torch.channels_last)) if last else (lambda t: t)
        check(lambda x, w: conv2d(form(x), form(w), **kwargs), (3, 20, 9, 9), (66, 20 // groups, 3, 3))
        check(lambda x, w: conv_transpose2d(form(x), form(w), **kwargs), (3, 66, 5, 5), (66, 20, 3, 3))
        def gradient(x, w):
            w = form(w).requires_grad_()
            return torch.autograd.grad(conv2d(form(x), w, **kwargs).sum(), w)[0]
        check(gradient, (3, 20, 9, 9), (66, 20 // groups, 3, 3))
"""


def run(kind, script):
    environment = {**os.environ, "TORCH_METAL_GEMM_TILE": kind}
    return subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("kind", ["matrix", "register"])
def test_products_agree_with_the_cpu(kind):
    result = run(kind, SCRIPT)
    assert result.returncode == 0, result.stderr


def test_another_kind_is_an_error_that_names_the_choice():
    result = run("square", "import torch; torch.ones(20, 20, device='metal') @ torch.ones(20, 20, device='metal')")
    assert 'TORCH_METAL_GEMM_TILE is "matrix" or "register", not "square"' in result.stderr
