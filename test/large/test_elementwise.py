"""Element-wise operators, copies, fills and random numbers on large tensors."""

import pytest
import torch

from test.large.sizes import BEYOND_31, BEYOND_32, landmarks, marked, marks


def test_an_operator_reaches_every_element_out_of_place_and_in_place():
    x = marked()
    assert marks(x + 1, plus=1)
    x.mul_(3).sub_(2)
    assert marks(x, step=3, plus=-2)


def test_comparisons_and_selections():
    x = marked()
    assert (x > 0).sum().item() == len(landmarks(BEYOND_32))
    assert marks(torch.where(x > 0, x, 7 * x))


def test_two_operands_and_broadcasting():
    x = marked(2**16 * 2**16).view(2**16, 2**16)
    x += torch.arange(2**16, device="metal").remainder(5).to(torch.int8).unsqueeze(1)
    x -= x[:, -1:].clone()
    # Two rows end with a mark, which their other elements lose; two begin with two marks.
    assert x[-1, -1] == 0 and x[2**15, 0] == 4 and (x != 0).sum() == 2 * (2**16 - 1) + 4


@pytest.mark.needs(6)
def test_every_other_element_in_place():
    x = torch.zeros(BEYOND_32, dtype=torch.int8, device="metal")
    x[1::2].add_(1)
    assert x.sum().item() == BEYOND_32 // 2
    assert [x[at].item() for at in landmarks(BEYOND_32)] == [at % 2 for at in landmarks(BEYOND_32)]


@pytest.mark.needs(11)
def test_half_precision_of_more_than_4_gigabytes():
    x = torch.full((BEYOND_31,), 0.5, dtype=torch.float16, device="metal")
    x[-1] = 3
    y = x * 2
    assert y[-1] == 6 and y[2**31] == 1 and (y.view(torch.int16) == 0x3C00).sum().item() == BEYOND_31 - 1


def test_copies_dense_converting_and_of_8_bytes():
    x = marked()
    assert marks(x.clone())
    assert marks(x.to(torch.uint8))
    del x
    wide = marked(2**29 + 5, torch.int64)
    assert marks(wide.clone())


def test_copies_of_transposed_and_permuted_matrices():
    x = marked(65537 * 65536).view(65537, 65536)
    y = x.t().contiguous()
    assert [y[at % 65536, at // 65536].item() for at in landmarks(x.numel())] == list(range(1, 10))
    assert y.count_nonzero() == 9
    assert marks(y.t().contiguous())


def test_copies_between_slices():
    x, y = marked(65537 * 65536).view(65537, 65536), torch.zeros(65537, 65536, dtype=torch.int8, device="metal")
    y[1:, :-1].copy_(x[:-1, 1:])
    shifted = [(at // 65536 + 1, at % 65536 - 1) for at in landmarks(x.numel())]
    inside = [(row, column) for row, column in shifted if row < 65537 and column >= 0]
    assert all(y[place] > 0 for place in inside) and y.count_nonzero() == len(inside)


@pytest.mark.needs(6)
def test_copies_to_and_from_the_host():
    x = torch.zeros(BEYOND_31, dtype=torch.int8)
    x[[0, 2**31 - 1, 2**31, BEYOND_31 - 1]] = torch.tensor([1, 2, 3, 4], dtype=torch.int8)
    y = x.to("metal")
    assert [y[at].item() for at in (0, 2**31 - 1, 2**31, BEYOND_31 - 1)] == [1, 2, 3, 4] and y.sum() == 10
    assert torch.equal(y[2**31 - 5 :].cpu(), x[2**31 - 5 :])


@pytest.mark.needs(6)
def test_fill_whole_offset_and_strided():
    x = torch.full((BEYOND_32,), 3, dtype=torch.int8, device="metal")
    assert x.sum().item() == 3 * BEYOND_32
    x[2**32 - 3 :].fill_(1)
    assert x.sum().item() == 3 * (2**32 - 3) + (BEYOND_32 - 2**32 + 3)
    x[::3].zero_()
    assert (x == 0).sum().item() == (BEYOND_32 + 2) // 3 and x[2**32 + 2] == 0 and x[2**32 + 1] == 1


def test_flip_and_roll():
    x = marked()
    y = x.flip(0)
    assert [y[BEYOND_32 - 1 - at].item() for at in landmarks(BEYOND_32)] == list(range(1, 10)) and y.sum() == 45
    del y
    y = x.roll(5)
    assert [y[(at + 5) % BEYOND_32].item() for at in landmarks(BEYOND_32)] == list(range(1, 10)) and y.sum() == 45


@pytest.mark.parametrize("dimensions", [(0,), (1,), (0, 1)])
def test_flip_of_a_matrix(dimensions):
    x = marked(65537 * 65536).view(65537, 65536)
    y = x.flip(dimensions)
    for number, at in enumerate(landmarks(x.numel())):
        row, column = at // 65536, at % 65536
        place = (65536 - row if 0 in dimensions else row, 65535 - column if 1 in dimensions else column)
        assert y[place] == number + 1
    assert y.count_nonzero() == 9


@pytest.mark.parametrize("upper", [True, False])
def test_triangles(upper):
    x = torch.ones(65537, 65536, dtype=torch.int8, device="metal")
    y = x.triu(3) if upper else x.tril(3)
    del x
    counts = y.sum(1).cpu()
    rows = torch.arange(65537)
    expected = (65536 - rows - 3).clamp(min=0) if upper else (rows + 4).clamp(max=65536)
    assert torch.equal(counts, expected)


@pytest.mark.needs(6)
def test_random_numbers_fill_all_of_it():
    x = torch.empty(BEYOND_32, dtype=torch.int8, device="metal").random_(0, 100)
    assert x.min() == 0 and x.max() == 99
    assert abs(x.sum().item() / BEYOND_32 - 49.5) < 0.01
    pieces = [x[at : at + 10_000].float().mean().item() for at in (0, 2**31 - 5000, 2**31, 2**32 - 5000, 2**32)]
    assert all(abs(mean - 49.5) < 2 for mean in pieces)
    assert not torch.equal(x[:10_000], x[2**31 : 2**31 + 10_000])
    assert not torch.equal(x[:10_000], x[2**32 : 2**32 + 10_000])


@pytest.mark.needs(6)
def test_bernoulli_fills_all_of_it():
    x = torch.empty(BEYOND_32, dtype=torch.bool, device="metal").bernoulli_(0.25)
    assert abs(x.sum().item() / BEYOND_32 - 0.25) < 1e-3
    assert abs(x[2**32 :].float().mean().item() - 0.25) < 0.02


@pytest.mark.needs(6)
def test_ranges_that_kernels_cannot_count_raise():
    out = torch.empty(BEYOND_32, dtype=torch.int8, device="metal")
    with pytest.raises(NotImplementedError, match="metal: arange of 4295032835 elements"):
        torch.arange(BEYOND_32, out=out)
