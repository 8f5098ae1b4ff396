"""Losses agree with the CPU for every reduction, with weights, ignored labels and images."""

import pytest
import torch
from torch.nn import functional as F

from test.agreement import FLOATING, assert_agrees, sample

pytestmark = pytest.mark.usefixtures("no_fallback")

REDUCTIONS = ("none", "mean", "sum")


def labels(high, *shape, dtype=torch.int64):
    return torch.randint(0, high, shape, generator=torch.Generator().manual_seed(3)).to(dtype)


def log_probabilities(*shape, dtype=torch.float32):
    return sample(*shape).log_softmax(min(1, len(shape) - 1)).to(dtype)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape, target", [((9, 5), (9,)), ((5,), ()), ((9000, 3), (9000,)), ((2, 5, 4, 3), (2, 4, 3)), ((2, 5, 7), (2, 7))])
def test_nll_loss(shape, target, reduction):
    x, target = log_probabilities(*shape), labels(shape[min(1, len(shape) - 1)], *target)
    weight = sample(shape[min(1, len(shape) - 1)], seed=5).abs()
    assert_agrees(lambda x: F.nll_loss(x, target.to(x.device), reduction=reduction), x)
    assert_agrees(
        lambda x: F.nll_loss(x, target.to(x.device), weight.to(x.device), ignore_index=1, reduction=reduction), x
    )


@pytest.mark.parametrize("dtype", FLOATING)
def test_nll_loss_of_every_dtype(dtype):
    target = labels(5, 40)
    assert_agrees(lambda x: F.nll_loss(x, target.to(x.device)), log_probabilities(40, 5, dtype=dtype), rtol=1e-2, atol=1e-3)


def test_nll_loss_of_nothing():
    x, target = torch.empty(0, 5), torch.empty(0, dtype=torch.int64)
    assert_agrees(lambda x: F.nll_loss(x, target.to(x.device)), x)
    ignored = torch.full((4,), -100)
    assert_agrees(lambda x: F.nll_loss(x, ignored.to(x.device)), log_probabilities(4, 5))


def test_strided_inputs():
    target = labels(5, 16)
    assert_agrees(lambda x: F.nll_loss(x.t(), target.to(x.device)[::2]), sample(5, 8))
    image_target = labels(5, 2, 6, 4)
    x = sample(2, 6, 4, 5)
    assert_agrees(lambda x: F.nll_loss(x.permute(0, 3, 1, 2), image_target.to(x.device)), x, backward=False)


def test_a_label_out_of_range_raises_and_the_process_lives_on():
    x = log_probabilities(4, 5).to("metal")
    for bad in (5, -1):
        with pytest.raises(RuntimeError, match="out of bounds"):
            F.nll_loss(x, torch.tensor([0, 1, bad, 2], device="metal")).item()
            torch.accelerator.synchronize()
    assert F.nll_loss(x, torch.tensor([0, 1, 4, 2], device="metal")).item() > 0


LOSSES = {
    "cross_entropy": lambda x, t, **k: F.cross_entropy(x, t.softmax(1), **k),
    "cross_entropy_smoothed": lambda x, t, **k: F.cross_entropy(x, t.argmax(1), label_smoothing=0.1, **k),
    "kl_div": lambda x, t, **k: F.kl_div(x.log_softmax(1), t.softmax(1), **k),
    "binary_cross_entropy": lambda x, t, **k: F.binary_cross_entropy(x.sigmoid(), t.sigmoid(), **k),
    "binary_cross_entropy_weighted": lambda x, t, **k: F.binary_cross_entropy(x.sigmoid(), t.sigmoid(), t[0].abs(), **k),
    "binary_cross_entropy_with_logits": lambda x, t, **k: F.binary_cross_entropy_with_logits(x, t.sigmoid(), **k),
    "mse_loss": F.mse_loss,
    "l1_loss": F.l1_loss,
    "smooth_l1_loss": F.smooth_l1_loss,
    "huber_loss": F.huber_loss,
    "soft_margin_loss": lambda x, t, **k: F.soft_margin_loss(x, t.sign(), **k),
    "poisson_nll_loss": lambda x, t, **k: F.poisson_nll_loss(x, t.abs(), **k),
    "gaussian_nll_loss": lambda x, t, **k: F.gaussian_nll_loss(x, t, torch.ones_like(t), **k),
    "hinge_embedding_loss": lambda x, t, **k: F.hinge_embedding_loss(x, t.sign(), **k),
    "margin_ranking_loss": lambda x, t, **k: F.margin_ranking_loss(x[:, 0], x[:, 1], t[:, 0].sign(), **k),
    "cosine_embedding_loss": lambda x, t, **k: F.cosine_embedding_loss(x, t, t[:, 0].sign(), **k),
    "triplet_margin_loss": lambda x, t, **k: F.triplet_margin_loss(x, t, t.flip(0), **k),
    "multilabel_soft_margin_loss": lambda x, t, **k: F.multilabel_soft_margin_loss(x, t.sigmoid(), **k),
}


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", LOSSES)
def test_losses(name, reduction):
    target = sample(6, 9, seed=4)
    assert_agrees(lambda x: LOSSES[name](x, target.to(x.device), reduction=reduction), sample(6, 9), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("loss", [F.mse_loss, F.smooth_l1_loss, F.huber_loss, F.l1_loss])
def test_losses_do_not_warn(loss, recwarn, device):
    loss(sample(6, 9).to(device), sample(6, 9, seed=4).to(device))
    assert not recwarn.list


def test_binary_cross_entropy_at_the_ends():
    x, target = torch.tensor([0.0, 1.0, 0.0, 1.0]), torch.tensor([0.0, 1.0, 1.0, 0.0])
    assert_agrees(lambda x: F.binary_cross_entropy(x, target.to(x.device), reduction="none"), x, backward=False)


@pytest.mark.parametrize("reduction", [0, 1, 2])
def test_losses_into_given_outputs(reduction):
    aten, x, target = torch.ops.aten, log_probabilities(2, 5, 4, 3), labels(5, 2, 4, 3)

    def run(x, target):
        def out():
            return torch.empty(0, device=x.device)

        loss, total = aten.nll_loss2d_forward.output(x, target, None, reduction, -100, output=out(), total_weight=out())
        grad, p = torch.ones_like(loss), x.exp()
        grad_input = torch.empty_like(x.mT).mT  # the CPU does not resize it
        return (
            loss,
            aten.nll_loss2d_backward.grad_input(grad, x, target, None, reduction, -100, total, grad_input=grad_input),
            aten.binary_cross_entropy_backward.grad_input(p, p, p.flip(0), None, reduction, grad_input=torch.empty_like(p)),
        )

    assert_agrees(run, x, target, backward=False)
