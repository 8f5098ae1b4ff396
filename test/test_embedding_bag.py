"""Bags of embeddings and their gradients agree with the CPU."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from test.agreement import FLOATING, assert_agrees, sample

pytestmark = pytest.mark.usefixtures("no_fallback")

MODES = ("sum", "mean", "max")
INDICES = torch.tensor([3, 1, 4, 1, 5, 0, 2, 6, 5, 3])
OFFSETS = torch.tensor([0, 3, 3, 7])  # the second bag is empty


def bag(**arguments):
    """A function of a table and perhaps weights of the samples."""

    def function(table, weights=None):
        device = table.device
        indices, offsets = arguments.get("indices", INDICES), arguments.get("offsets", OFFSETS)
        options = {k: v for k, v in arguments.items() if k not in ("indices", "offsets")}
        offsets = None if offsets is None else offsets.to(device)
        return F.embedding_bag(indices.to(device), table, offsets, per_sample_weights=weights, **options)

    return function


@pytest.mark.parametrize("padding", [None, 3, -2])
@pytest.mark.parametrize("mode", MODES)
def test_modes(mode, padding):
    assert_agrees(bag(mode=mode, padding_idx=padding), sample(7, 5))


@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_gradient_scaled_by_frequency(mode, device):
    """Not compared with the CPU, which takes the counts of other rows."""
    table = sample(7, 5).to(device).requires_grad_()
    plain, scaled = (
        torch.autograd.grad(bag(mode=mode, scale_grad_by_freq=scale)(table).square().sum(), table)[0]
        for scale in (False, True)
    )
    counts = INDICES.bincount(minlength=7).unsqueeze(1)
    torch.testing.assert_close(scaled.cpu(), plain.cpu() / counts)


@pytest.mark.parametrize("norm", [2.0, 1.0])
def test_rows_are_kept_short(norm, device):
    on_cpu = sample(7, 5)
    on_metal = on_cpu.to(device)
    for table in (on_cpu, on_metal):
        F.embedding(INDICES.to(table.device)[:4], table, max_norm=1.5, norm_type=norm)
        F.embedding_bag(INDICES.to(table.device), table.t().contiguous().t(), OFFSETS.to(table.device), max_norm=1.0)
    torch.testing.assert_close(on_metal.cpu(), on_cpu)


@pytest.mark.parametrize("padding", [None, 1])
def test_weights_of_samples(padding):
    assert_agrees(bag(mode="sum", padding_idx=padding), sample(7, 37), sample(10, seed=1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_forms_of_indices(mode):
    assert_agrees(bag(mode=mode, indices=INDICES.view(5, 2), offsets=None), sample(7, 5))
    assert_agrees(bag(mode=mode, indices=INDICES.int(), offsets=OFFSETS.int()), sample(7, 5))
    assert_agrees(bag(mode=mode, indices=INDICES.int()), sample(7, 5))
    assert_agrees(bag(mode=mode, offsets=torch.tensor([0, 3, 10]), include_last_offset=True), sample(7, 5))
    assert_agrees(bag(mode=mode, indices=INDICES[:0], offsets=torch.tensor([0, 0])), sample(7, 5))


@pytest.mark.parametrize("mode", MODES)
def test_strided_tables(mode):
    assert_agrees(lambda x: bag(mode=mode)(x.t()[:, ::2]), sample(10, 7))


@pytest.mark.parametrize("mode, dtype", list(itertools.product(MODES, FLOATING[:2])))
def test_low_precision(mode, dtype):
    tolerance = 2e-2 if dtype == torch.bfloat16 else 2e-3
    assert_agrees(bag(mode=mode), sample(7, 5, dtype=dtype), rtol=tolerance, atol=tolerance)


def test_module(device):
    torch.manual_seed(0)
    on_cpu = torch.nn.EmbeddingBag(9, 4, mode="mean", padding_idx=2)
    on_metal = torch.nn.EmbeddingBag(9, 4, mode="mean", padding_idx=2).to(device)
    on_metal.load_state_dict(on_cpu.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(on_metal(INDICES.to(device), OFFSETS.to(device)).cpu(), on_cpu(INDICES, OFFSETS))


def test_gradient_without_the_bag_of_each_index(device):
    """The CPU's forward function may leave it out."""
    table, grad = sample(7, 5), sample(4, 5, seed=1)
    _, bags, sizes, largest = torch._embedding_bag(table.to(device), INDICES.to(device), OFFSETS.to(device))
    known, unknown = (
        torch.ops.aten._embedding_bag_backward(
            grad.to(device), INDICES.to(device), OFFSETS.to(device), b, sizes, largest, 7, False, 0, False, None
        )
        for b in (bags, bags[:0])
    )
    assert torch.equal(known, unknown) and known.abs().sum() > 0


def test_what_is_out_of_range_raises(device):
    table = torch.ones(3, 2, device=device)
    for indices, offsets, message in (
        ([0, 3], [0], "found idx to be 3"),
        ([0, -1], [0], "found idx to be -1"),
        ([0, 1], [1], r"offsets\[0\] has to be 0"),
        ([0, 1], [0, 3], "can not be greater than input's length 2"),
    ):
        with pytest.raises(RuntimeError, match=message):
            F.embedding_bag(torch.tensor(indices).to(device), table, torch.tensor(offsets).to(device))
            torch.accelerator.synchronize()
