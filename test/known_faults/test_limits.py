"""Sizes and numbers of dimensions beyond which the mps backend has given wrong values without an error."""

import pytest
import torch
import torch.nn.functional as F

from test.agreement import assert_agrees, assert_close, sample

pytestmark = pytest.mark.usefixtures("no_fallback")


def integers(*shape, high=4, seed=0):
    """Small whole numbers as float32, whose sums are exact in any order."""
    return torch.randint(-high, high + 1, shape, generator=torch.Generator().manual_seed(seed)).float()


@pytest.mark.parametrize("k", [32766, 32767, 32768, 40000, 65537])
def test_matrix_products_with_long_inner_dimensions_are_exact(k):
    a, b = integers(3, k), integers(k, 5, seed=1)
    assert_agrees(lambda a, b: (a @ b, a @ b[:, 0], torch.addmm(a[:, :5], a, b)), a, b, backward=False, rtol=0, atol=0)
    assert_agrees(lambda a, b: a.half() @ b.half(), a.sign(), b.sign(), backward=False)


def test_matrix_products_of_many_rows_are_exact():
    a, b = integers(70000, 3), integers(3, 70000, seed=1)
    assert_agrees(lambda a, b: (a @ b[:, :9], a[:9] @ b, b @ a), a, b, backward=False, rtol=0, atol=0)


@pytest.mark.parametrize("batch", [65535, 65536, 65537, 70001])
def test_batches_of_more_than_65536_with_bias(batch):
    x, w, bias = integers(batch, 2, 3), integers(3, 4, seed=1), integers(4, seed=2)

    def compute(x, w, bias):
        broadcast = w.expand(batch, 3, 4)
        return F.linear(x, w.t(), bias), torch.bmm(x, broadcast), torch.baddbmm(bias, x, broadcast)

    assert_agrees(compute, x, w, bias, rtol=0, atol=0)


def test_batch_norm_of_more_than_65536_rows():
    def compute(x, weight, bias):
        return F.batch_norm(x, None, None, weight, bias, training=True)

    assert_agrees(compute, sample(65537, 3), sample(3, seed=1), sample(3, seed=2), rtol=1e-4, atol=1e-3)
    assert_agrees(compute, sample(65538, 2, 1, 2), sample(2, seed=1), sample(2, seed=2), rtol=1e-4, atol=1e-3)


def test_layer_norm_and_softmax_of_more_than_65536_rows():
    def compute(x):
        return F.layer_norm(x, (5,)), x.softmax(1), x.log_softmax(1), x.softmax(0), F.group_norm(x.view(-1, 5, 1), 5)

    assert_agrees(compute, sample(65537, 5), rtol=1e-4, atol=1e-4)


def test_convolution_of_more_than_65536_images():
    def compute(x, w, bias):
        return F.conv1d(x, w, bias, padding=1)

    assert_agrees(compute, integers(65537, 2, 3), integers(2, 2, 3, seed=1), integers(2, seed=2), rtol=0, atol=0)


def test_convolution_of_more_than_65536_channels():
    x, w = integers(1, 65537, 4), integers(65537, 1, 3, seed=1)
    assert_agrees(lambda x, w: F.conv1d(x, w, groups=65537), x, w, rtol=0, atol=0)
    assert_agrees(lambda x, w: F.conv1d(x, w), integers(1, 2, 4), integers(65537, 2, 1, seed=1), rtol=0, atol=0)


def test_pooling_and_interpolation_of_more_than_65536_planes():
    def compute(x):
        return F.max_pool2d(x, 2), F.avg_pool2d(x, 2), F.interpolate(x, scale_factor=2), F.adaptive_avg_pool2d(x, 1)

    assert_agrees(compute, integers(65537, 1, 2, 2))
    assert_agrees(compute, integers(1, 65537, 2, 2))


def test_embedding_with_more_than_65536_rows_and_tokens():
    tokens = torch.randint(0, 70001, (70001,), generator=torch.Generator().manual_seed(0))
    assert_agrees(lambda t, w: F.embedding(t, w), tokens, integers(70001, 3))


MANY_DIMENSIONS = [(2, 3, 2, 3, 4), (2, 1, 3, 2, 2, 3), (2, 2, 2, 1, 3, 2, 2), (1, 2, 1, 2, 2, 1, 2, 3)]


@pytest.mark.parametrize("shape", MANY_DIMENSIONS, ids=len)
def test_scans_along_every_one_of_many_dimensions(shape):
    for dim in range(len(shape)):
        assert_agrees(lambda x: (x.cumsum(dim), x.cumprod(dim), x.cummax(dim), x.logcumsumexp(dim)), sample(*shape))


@pytest.mark.parametrize("shape", MANY_DIMENSIONS, ids=len)
def test_sorting_along_every_one_of_many_dimensions(shape):
    distinct = torch.randperm(torch.Size(shape).numel(), generator=torch.Generator().manual_seed(0)).view(shape).float()
    with_nan = torch.where(distinct % 7 == 0, float("nan"), distinct)
    for dim in range(len(shape)):
        k = (shape[dim] + 1) // 2

        def compute(x):
            return x.sort(dim), x.argsort(dim, descending=True), x.topk(k, dim), x.kthvalue(k, dim), x.median(dim)

        assert_agrees(compute, distinct)
        assert_agrees(lambda x: (x.nanmedian(dim), x.median(dim).values), with_nan, backward=False)


@pytest.mark.parametrize("k", [1, 16, 17, 100])
def test_topk_of_any_k(k):
    x = torch.randperm(300, generator=torch.Generator().manual_seed(0)).float().view(3, 100)
    assert_agrees(lambda x: (x.topk(k), x.topk(k, largest=False), x.topk(min(k, 3), 0)), x)


def test_argsort_of_more_than_2_to_the_22_elements(device):
    size = 2**22 + 3
    order = torch.randperm(size, generator=torch.Generator().manual_seed(0))
    x = order.to(device)
    assert torch.equal(x.argsort()[x].cpu(), torch.arange(size))  # the sort of a permutation inverts it
    values, indices = x.sort(descending=True)
    assert torch.equal(values.cpu(), torch.arange(size - 1, -1, -1))
    assert torch.equal(order[indices.cpu()], values.cpu())


def test_indices_and_counts_beyond_what_float32_holds(device):
    # 2^24 + 1 is the first whole number that a float does not hold.
    size = 2**24 + 3
    x = torch.zeros(size, dtype=torch.bool, device=device)
    x[2**24 + 1] = True
    assert x.nonzero().item() == 2**24 + 1
    assert x.to(torch.uint8).argmax().item() == 2**24 + 1
    assert x.logical_not().sum().item() == size - 1
    assert x.logical_not().cumsum(0)[-1].item() == size - 1
    assert torch.arange(size, device=device)[-1].item() == size - 1
    where = torch.tensor([2**24 + 1], device=device)
    assert x.take(where).item() and x[where].item() and x.index_select(0, where).item() and x.gather(0, where).item()


INTEGERS = {
    torch.int32: [2**24 + 1, -(2**24 + 1), 2**31 - 1, -(2**31) + 1, 2**30 + 7, 3],
    torch.int64: [2**24 + 1, -(2**33 + 7), 2**63 - 1, -(2**63 - 1), 2**53 + 1, 3],
}


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_integers_are_never_rounded_through_floats(dtype):
    x = torch.tensor(INTEGERS[dtype], dtype=dtype)

    def compute(x):
        return (
            *(x.abs(), x.neg(), x.sign(), x.clamp(min=-5), x.clamp(max=2**24 + 1), x // 3, x % 1000003, x.fmod(10)),
            *(x == 2**24 + 1, x > 2**24, torch.maximum(x, x.flip(0)), torch.where(x > 0, x, -x), x.max(), x.min()),
            *(x.sort().values, x.cummax(0).values, x.amax(), x.unique(), x.topk(3).values, x.median()),
            *(torch.full_like(x, 2**24 + 1), x.masked_fill(x > 0, 2**24 + 3), x.remainder(-7), x ^ (x - 1)),
            x.div(7, rounding_mode="trunc"),
        )

    assert_agrees(compute, x, backward=False)


def test_boolean_masks_of_many_shapes():
    def compute(x, mask):
        y, z = x.clone(), x.clone()
        y[mask] = -1
        z[mask[:, 0]] = 2
        return x[mask], x[mask[:, 0]], x[:, mask[0]], x.masked_select(mask), y, z, x[~mask].sum(), x.t()[mask.t()]

    for shape in [(2, 7), (33, 5), (1, 1), (300, 129)]:
        mask = sample(*shape, seed=3) > 0.3
        assert_agrees(compute, sample(*shape), mask, backward=False)
        assert_agrees(compute, sample(*shape, dtype=torch.int64), mask, backward=False)
        assert_agrees(compute, sample(*shape), torch.zeros(shape, dtype=torch.bool), backward=False)


def test_boolean_mask_with_many_true_elements(device):
    x = torch.arange(300_007)
    mask = x % 3 == 1
    assert_close(x.to(device)[mask.to(device)], x[mask])
    y = x.to(device).clone()
    y[mask.to(device)] = torch.arange(mask.sum(), device=device)
    x[mask] = torch.arange(mask.sum())
    assert_close(y, x)


@pytest.mark.parametrize("sizes", [(100_000, 50_000), (70_001, 69_999), (50_000, 100_001)])
def test_pooling_of_long_rows(sizes):
    # Products of the sizes do not fit 32 bits.
    before, after = sizes
    x = integers(1, 2, before)
    assert_agrees(lambda x: (F.adaptive_avg_pool1d(x, after), F.adaptive_max_pool1d(x, after)), x)
    assert_agrees(lambda x: (F.max_pool1d(x, 2), F.avg_pool1d(x, 2)), x)
