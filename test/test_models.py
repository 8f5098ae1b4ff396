"""The models of bench/, shrunk: training on metal follows the CPU's, nothing falls back, memory stays flat."""

import copy

import pytest
import torch

from bench.architectures import WORKLOADS
from bench.architectures.language import generate
from bench.losses import train_both

pytestmark = pytest.mark.usefixtures("no_fallback")

STEPS = 5  # python -m bench.losses goes on for longer, in full size


@pytest.mark.parametrize("name", WORKLOADS)
def test_losses_follow_the_cpu_step_by_step_and_memory_is_flat(name):
    curves = train_both(WORKLOADS[name], STEPS, size=8, tiny=True)
    assert curves.difference() < 2e-5
    assert curves.allocated[1] == curves.allocated[-1] > 0  # the first step makes the optimizer's state


@pytest.mark.parametrize("name", WORKLOADS)
def test_losses_follow_the_cpu_under_autocast(name):
    assert train_both(WORKLOADS[name], STEPS, size=8, tiny=True, autocast=True).difference() < 2e-2


@pytest.mark.parametrize("name", WORKLOADS)
@pytest.mark.parametrize("autocast", [False, True])
def test_training_never_makes_the_host_wait(name, autocast, device):
    workload = WORKLOADS[name]
    model = workload.build(tiny=True).to(device)
    optimizer = workload.optimizer(model)
    batches = [tuple(t.to(device) for t in batch) for batch in workload.batches(2, 4, tiny=True)]
    torch.metal.set_sync_debug_mode("error")
    try:
        for batch in batches:
            workload.step(model, optimizer, batch, autocast)
    finally:
        torch.metal.set_sync_debug_mode("default")


@pytest.mark.parametrize("name", WORKLOADS)
def test_evaluation_agrees_with_the_cpu(name, device):
    workload = WORKLOADS[name]
    torch.manual_seed(0)
    model = workload.build(tiny=True).eval()
    (batch,) = workload.batches(1, 4, tiny=True)
    expected = workload.evaluate(model, batch, autocast=False)
    actual = workload.evaluate(copy.deepcopy(model).to(device), tuple(t.to(device) for t in batch), autocast=False)
    torch.testing.assert_close(actual.cpu(), expected, rtol=1e-5, atol=1e-6)


def test_generation_with_a_cache_chooses_the_tokens_of_the_cpu(device):
    workload = WORKLOADS["GPT-2"]
    torch.manual_seed(0)
    model = workload.build(tiny=True).eval()
    prompt = workload.batches(1, 3, tiny=True)[0][0]
    expected = generate(model, prompt, 20)
    assert torch.equal(generate(copy.deepcopy(model).to(device), prompt.to(device), 20).cpu(), expected)
    assert expected.shape == (3, prompt.shape[1] + 20)
