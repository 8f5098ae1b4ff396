"""Whole trainings: metal's loss curve is the CPU's, for every kind of optimiser, with nothing falling back."""

import pytest
import torch
from torch import nn

from examples.digits import data
from examples.digits.models import MODELS
from examples.digits.train import train

pytestmark = pytest.mark.usefixtures("no_fallback")


@pytest.mark.parametrize("name", MODELS)
def test_digits_losses_follow_the_cpu_step_by_step(name):
    digits = data.load()
    metal, cpu = (train(name, digits, device, epochs=2) for device in ("metal", "cpu"))
    torch.testing.assert_close(torch.tensor(metal.losses), torch.tensor(cpu.losses), rtol=1e-3, atol=1e-3)
    assert metal.losses[-1] < metal.losses[0] / 2


OPTIMIZERS = {
    "SGD": (torch.optim.SGD, {"lr": 0.05}),
    "SGD_momentum": (torch.optim.SGD, {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-3}),
    "Adam": (torch.optim.Adam, {"lr": 0.01}),
    "Adam_amsgrad": (torch.optim.Adam, {"lr": 0.01, "amsgrad": True}),
    "AdamW": (torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.1}),
}
WAYS = {"single": {"foreach": False}, "foreach": {"foreach": True}, "fused": {"fused": True}}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_follows_the_cpu(name, way):
    kind, options = OPTIMIZERS[name]

    def weights(device, **way):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 2)).to(device)
        optimizer = kind(model.parameters(), **options, **way)
        x, target = torch.randn(16, 6).to(device), torch.randn(16, 2).to(device)
        for _ in range(8):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), target).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        return [p.detach().cpu() for p in model.parameters()]

    torch.testing.assert_close(weights("metal", **WAYS[way]), weights("cpu", foreach=False), rtol=1e-4, atol=1e-5)


def test_a_model_moves_over_by_changing_one_string():
    def gradient(device):
        torch.manual_seed(0)
        x = torch.arange(12.0, device=device).reshape(3, 4)
        layer = nn.Linear(4, 2).to(device)
        layer(x).square().mean().backward()
        return layer.weight.grad.cpu()

    torch.testing.assert_close(gradient("metal"), gradient("cpu"))


def test_parameters_stay_the_same_objects_when_a_module_moves(device):
    """So layers that share a weight still do, and an optimizer made before still has it."""
    model = nn.ModuleList([nn.Embedding(4, 3), nn.Linear(3, 4, bias=False)])
    model[1].weight = model[0].weight
    weight, optimizer = model[0].weight, torch.optim.SGD(model.parameters(), lr=1.0)
    model[0].weight.grad = torch.ones(4, 3)
    model.to(device)
    assert weight.is_metal and weight.grad.is_metal and model[0].weight is model[1].weight is weight
    before = weight.detach().cpu()
    optimizer.zero_grad()
    model[1](model[0](torch.arange(4, device=device))).sum().backward()
    optimizer.step()
    model.to(device).cpu()
    assert not weight.is_metal and model[1].weight is weight
    expected = before.clone().requires_grad_()
    nn.functional.linear(expected, expected).sum().backward()
    torch.testing.assert_close(weight, before - expected.grad)
