"""Reductions, scans and orders of large tensors."""

import pytest
import torch

from test.large.sizes import BEYOND_31, BEYOND_32, landmarks, marked


@pytest.mark.needs(6)
def test_reductions_of_everything():
    x = marked()
    assert x.sum().item() == 45 and x.count_nonzero().item() == 9
    assert x.max().item() == 9 and x.argmax().item() == BEYOND_32 - 1
    assert x.amin().item() == 0 and x.any().item() and not x.all().item()
    x[2**32 + 1] = -5
    assert x.argmin().item() == 2**32 + 1 and x.min(0).indices.item() == 2**32 + 1


@pytest.mark.parametrize("shape", [(3, 2**31 + 5), (2**16 + 1, 2**16), (2**31 + 1, 2), (2**28 + 1, 16)])
def test_reductions_along_either_dimension(shape):
    rows, columns = shape
    x = torch.zeros(shape, dtype=torch.int8, device="metal")
    x[rows - 1, columns - 1] = 3
    x[rows // 2, 1] = -2
    for dim in (0, 1):
        most, least = x.amax(dim), x.amin(dim)
        assert most[-1] == 3 and most.count_nonzero() == 1
        assert least[(1, rows // 2)[dim]] == -2 and least.count_nonzero() == 1
        del most, least


@pytest.mark.needs(11)
def test_means_and_variances_of_more_than_2_to_the_31_halves():
    x = torch.ones(BEYOND_31, dtype=torch.bfloat16, device="metal")
    x[::2] = 3
    assert x.mean().item() == 2 and x.var().item() == 1 and x.norm(1).item() == pytest.approx(2 * BEYOND_31, rel=0.01)


def test_running_sums():
    x = marked()
    y = x.cumsum(0, dtype=torch.int8)
    sums = [sum(range(n + 2)) for n in range(9)]
    assert [y[at].item() for at in landmarks(BEYOND_32)] == sums and y[2**32 - 2] == sums[4]


@pytest.mark.parametrize("shape", [(2**27 + 1, 2), (2**27 + 1, 32)])
def test_running_sums_of_many_rows(shape):
    x = torch.ones(shape, dtype=torch.int8, device="metal")
    y = x.cumsum(1, dtype=torch.int8)
    assert torch.equal(y[-1].cpu(), torch.arange(1, shape[1] + 1, dtype=torch.int8))
    assert torch.equal(y.amin(0), y.amax(0)) and torch.equal(y.amax(0), y[0])


@pytest.mark.needs(11)
def test_sorting_many_rows():
    x = torch.zeros(2**27 + 1, 2, dtype=torch.int8, device="metal")
    x[:, 0] = 1
    values, indices = x.sort(1)
    assert (values[:, 0] == 0).all() and (values[:, 1] == 1).all()
    assert (indices[:, 0] == 1).all() and (indices[:, 1] == 0).all()


def test_topk_of_more_than_2_to_the_32_elements():
    x = marked()
    values, indices = x.topk(5)
    assert values.tolist() == [9, 8, 7, 6, 5]
    assert indices.tolist() == landmarks(BEYOND_32)[:3:-1]


@pytest.mark.needs(11)
def test_softmax_of_many_rows():
    x = torch.zeros(65537, 32768, dtype=torch.bfloat16, device="metal")
    y = x.softmax(1)
    del x
    assert (y.view(torch.int16) == torch.tensor(2.0**-15, dtype=torch.bfloat16).view(torch.int16)).all()


@pytest.mark.needs(11)
def test_softmax_of_one_long_row():
    x = torch.full((2**31 + 2**20,), -100.0, dtype=torch.bfloat16, device="metal")
    x[-1] = x[2**31 - 1] = 5
    y = x.softmax(0)
    assert y[-1] == 0.5 and y[2**31 - 1] == 0.5 and y.sum().item() == 1
