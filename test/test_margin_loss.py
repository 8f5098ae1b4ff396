"""Margin losses agree with the CPU for every reduction, with weights and from one sample to many."""

import pytest
import torch
from torch.nn import functional as F

from test.agreement import assert_agrees, sample

pytestmark = pytest.mark.usefixtures("no_fallback")

REDUCTIONS = ("none", "mean", "sum")
SHAPES = [(), (7,), (4, 5), (3, 70), (0, 5)]


def labels(high, shape):
    return torch.randint(0, high, shape, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_multi_margin_loss(shape, reduction):
    x, classes = sample(*shape), shape[-1] if shape else 1
    if reduction != "none" and 0 in shape:
        return  # the CPU leaves the result as it is allocated
    weight, target = sample(classes, seed=4).abs(), labels(classes, shape[:-1])
    for p in (1, 2):
        assert_agrees(lambda x, t: F.multi_margin_loss(x, t, p, reduction=reduction), x, target)
    assert_agrees(lambda x, t: F.multi_margin_loss(x, t, 1, 0.7, weight.to(x.device), reduction=reduction), x, target)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", SHAPES[:-1], ids=str)
def test_multilabel_margin_loss(shape, reduction):
    target = labels(shape[-1] if shape else 1, shape)
    if shape:
        target[..., -3:] = -1
        target[..., 1] = target[..., 0]
    assert_agrees(lambda x, t: F.multilabel_margin_loss(x, t, reduction=reduction), sample(*shape), target)


def test_no_label_and_every_label():
    for target in (torch.full((2, 4), -1), torch.tensor([[0, 1, 2, 3], [3, 3, 3, 3]])):
        assert_agrees(lambda x, t: torch.ops.aten.multilabel_margin_loss_forward(x, t, 1), sample(2, 4), target)


def test_strided_inputs():
    assert_agrees(lambda x, t: F.multi_margin_loss(x.t(), t[::2]), sample(5, 4), labels(5, (8,)))
    assert_agrees(lambda x, t: F.multilabel_margin_loss(x.t(), t.t()), sample(5, 4), labels(5, (5, 4)))


def test_a_label_out_of_range_raises():
    x = sample(2, 4).to("metal")
    bad = [(F.multi_margin_loss, [0, 4]), (F.multilabel_margin_loss, [[0, 4, -1, -1], [-2, 0, 0, 0]])]
    for function, target in bad:
        with pytest.raises(RuntimeError, match="out of range"):
            function(x, torch.tensor(target, device="metal")).item()
            torch.accelerator.synchronize()
    with pytest.raises(ValueError, match="only p == 1 and p == 2"):
        F.multi_margin_loss(x, torch.tensor([0, 1], device="metal"), p=3)


@pytest.mark.parametrize("reduction", [0, 1, 2])
def test_margin_losses_into_given_outputs(reduction):
    aten, x, target = torch.ops.aten, sample(4, 5), labels(5, (4,))
    several = torch.tensor([[0, 2, -1, 0, 0]] * 4)

    def run(x, target, several):
        def out(*shape):
            return torch.empty(*shape, device=x.device)

        grad = torch.ones(4 if reduction == 0 else (), device=x.device)
        loss, mask = aten.multilabel_margin_loss_forward.output(x, several, reduction, output=out(0), is_target=out(0))
        return (
            aten.multi_margin_loss_backward.grad_input(grad, x, target, 1, 1, None, reduction, grad_input=out(0)),
            loss,
            mask,
            aten.multilabel_margin_loss_backward.grad_input(grad, x, several, reduction, mask, grad_input=out(0)),
        )

    assert_agrees(run, x, target, several, backward=False)
