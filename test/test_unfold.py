"""Sliding blocks, their sums and the gradients of windows agree with the CPU."""

import pytest
import torch
import torch.nn.functional as F

from test.agreement import FLOATING, INTEGRAL, assert_agrees, assert_close, sample

pytestmark = pytest.mark.usefixtures("no_fallback")

# name -> (image size, arguments)
BLOCKS = {
    "touching": ((6, 8), dict(kernel_size=2, stride=2)),
    "overlapping": ((7, 9), dict(kernel_size=(3, 2))),
    "padded_and_dilated": ((9, 7), dict(kernel_size=(2, 3), dilation=(3, 2), padding=(1, 2), stride=(2, 1))),
    "gaps": ((11, 10), dict(kernel_size=2, stride=4)),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks(name):
    size, arguments = BLOCKS[name]
    for dtype in (torch.float32, torch.complex64):
        x = sample(2, 3, *size, dtype=dtype)
        assert_agrees(lambda x: F.unfold(x, **arguments), x, rtol=1e-5, atol=1e-5)
        assert_agrees(lambda x: F.fold(F.unfold(x, **arguments), size, **arguments), x, rtol=1e-5, atol=1e-5)
    for dtype in (torch.float16, torch.bfloat16, torch.bool):
        assert_agrees(lambda x: F.unfold(x, **arguments), sample(3, *size, dtype=dtype), backward=False)
    flags = F.unfold(sample(2, 3, *size).gt(1).float(), **arguments).bool()
    assert_agrees(lambda x: F.fold(x, size, **arguments), flags)


def test_blocks_of_views_and_nothing():
    assert_agrees(lambda x: F.unfold(x.permute(0, 3, 1, 2), 2), sample(2, 5, 6, 3))
    assert_agrees(lambda x: F.unfold(x, 2), sample(0, 3, 5, 6))
    out = torch.empty(0, device="metal")
    x = sample(2, 3, 5, 6)
    torch._C._nn.im2col(x.to("metal"), (2, 2), (1, 1), (0, 0), (1, 1), out=out)
    assert_close(out, F.unfold(x, 2))


def test_bad_blocks_raise(device):
    x = sample(2, 3, 5, 6).to(device)
    with pytest.raises(RuntimeError, match="stride should be greater than zero"):
        F.unfold(x, 2, stride=0)
    with pytest.raises(RuntimeError, match="divisible by the product of kernel_size"):
        F.fold(sample(2, 7, 12).to(device), (4, 5), 2)
    with pytest.raises(NotImplementedError):
        F.unfold(x.long(), 2)


@pytest.mark.parametrize("size, step", [(3, 1), (3, 2), (2, 5), (4, 4), (7, 3)])
def test_gradients_of_windows(size, step):
    for dim in (0, 1, -1):
        assert_agrees(lambda x: x.unfold(dim, size, step), sample(9, 8, 10), rtol=1e-5, atol=1e-5)
    assert_agrees(lambda x: x.unfold(1, size, step), sample(3, 9, dtype=torch.complex64), rtol=1e-5, atol=1e-5)
    for dtype in (*FLOATING[:2], *INTEGRAL):  # sums of few small integers are exact
        windows = sample(4, (9 - size) // step + 1, size, dtype=torch.int8).clamp(min=0).to(dtype)
        gradient = torch.ops.aten.unfold_backward
        assert_close(gradient(windows.to("metal"), [4, 9], 1, size, step), gradient(windows, [4, 9], 1, size, step))


def test_windows_of_a_number():
    assert_agrees(lambda x: x.unfold(0, 1, 1), torch.tensor(2.5))
