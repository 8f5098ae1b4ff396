"""The CTC loss and its gradient agree with the CPU."""

import pytest
import torch
from torch.nn import functional as F

from test.agreement import assert_agrees, sample

pytestmark = pytest.mark.usefixtures("no_fallback")

CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def labels(classes, *shape):
    return torch.randint(1, classes, shape, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_rows_of_targets(reduction):
    x, targets = sample(12, 3, 6).log_softmax(2), labels(6, 3, 5)
    targets[1, 2] = targets[1, 1]  # repeated labels need a blank between them
    assert_agrees(lambda x, t: F.ctc_loss(x, t, (12, 11, 9), (5, 4, 0), reduction=reduction), x, targets, **CLOSE)


def test_concatenated_targets_and_lengths_as_tensors():
    x, targets = sample(9, 3, 5).log_softmax(2), labels(5, 7).int()
    lengths = torch.tensor([9, 8, 7]), torch.tensor([3, 0, 4])
    assert_agrees(lambda x, t: F.ctc_loss(x, t, *lengths), x, targets, **CLOSE)
    assert_agrees(lambda x, t: F.ctc_loss(x, t, *(length.to(x.device) for length in lengths)), x, targets, **CLOSE)
    assert_agrees(lambda x, t: F.ctc_loss(x[:, 0], t[:3], (9,), (3,)), x, targets, **CLOSE)


def test_another_blank_strides_and_many_states():
    x = sample(2, 90, 7)
    targets = labels(7, 2, 40) - 1

    def loss(x, targets):
        return F.ctc_loss(x.transpose(0, 1).log_softmax(2), targets, (90, 80), (40, 33), blank=6)

    assert_agrees(loss, x, targets, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("zero_infinity", [False, True])
def test_targets_that_do_not_fit(zero_infinity):
    x, targets = sample(4, 2, 5).log_softmax(2), labels(5, 2, 4)
    targets[0] = 2  # four equal labels take seven steps

    def loss(x, targets):
        return F.ctc_loss(x, targets, (4, 4), (4, 2), reduction="none", zero_infinity=zero_infinity)

    assert_agrees(loss, x, targets, **CLOSE)


def test_bad_arguments_are_refused():
    x, targets = sample(4, 2, 5).log_softmax(2).to("metal"), labels(5, 2, 3).to("metal")
    for lengths in (((5, 4), (3, 3)), ((4, 4), (4, 3)), ((4,), (3, 3)), ((4, 4), (-1, 3))):
        with pytest.raises(RuntimeError):
            F.ctc_loss(x, targets, *lengths)
    with pytest.raises(RuntimeError, match="blank"):
        F.ctc_loss(x, targets, (4, 4), (3, 3), blank=5)
    with pytest.raises(RuntimeError, match="out of range"):
        F.ctc_loss(x, targets + 4, (4, 4), (3, 3)).item()
        torch.accelerator.synchronize()
