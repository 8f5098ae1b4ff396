"""Recurrent layers agree with the CPU, forward and backward."""

import copy

import pytest
import torch


@pytest.mark.parametrize("kind", [torch.nn.LSTM, torch.nn.GRU, torch.nn.RNN], ids=lambda k: k.__name__)
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
def test_layer_and_gradients(device, no_fallback, kind, bias):
    torch.manual_seed(0)
    reference = kind(5, 7, num_layers=2, bias=bias, bidirectional=True)
    layer = copy.deepcopy(reference).to(device)
    x = torch.randn(3, 4, 5)
    results = []
    for module, data in ((reference, x.clone().requires_grad_()), (layer, x.to(device).requires_grad_())):
        output, state = module(data)
        (output.square().sum() + sum(s.sum() for s in (state if isinstance(state, tuple) else [state]))).backward()
        results.append([output, data.grad, *(p.grad for p in module.parameters())])
    for expected, actual in zip(*results, strict=True):
        torch.testing.assert_close(actual.cpu(), expected, rtol=1e-4, atol=1e-5)


def test_cell_with_only_one_output_used(device, no_fallback):
    torch.manual_seed(0)
    reference = torch.nn.LSTMCell(3, 4)
    cell = copy.deepcopy(reference).to(device)
    x = torch.randn(2, 3)
    for output in (0, 1):
        reference.zero_grad()
        cell.zero_grad()
        reference(x)[output].sum().backward()
        cell(x.to(device))[output].sum().backward()
        torch.testing.assert_close(cell.weight_ih.grad.cpu(), reference.weight_ih.grad)
