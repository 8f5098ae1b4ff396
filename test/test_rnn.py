"""Recurrent layers agree with the CPU, forward and backward."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from test.agreement import assert_agrees, gradients, sample
from test.opinfo.modules import unpacked

pytestmark = pytest.mark.usefixtures("no_fallback")

KINDS = [nn.LSTM, nn.GRU, nn.RNN]
CELLS = [nn.LSTMCell, nn.GRUCell, nn.RNNCell]
TOLERANCE = {
    torch.float64: dict(rtol=1e-10, atol=1e-12),
    torch.float32: dict(rtol=1e-4, atol=1e-5),
    torch.float16: dict(rtol=1e-2, atol=2e-3),
    torch.bfloat16: dict(rtol=5e-2, atol=2e-2),
}


def named(kind):
    return kind.__name__


def assert_module_agrees(module, *inputs, dtype=torch.float32, call=None):
    """Outputs, and gradients of inputs and parameters, on metal and on the CPU."""
    call = call or (lambda m, *given: m(*given))
    wide = dtype if dtype == torch.float64 else torch.float32

    def run(device, dtype):
        there = copy.deepcopy(module).to(device, dtype)
        given = [[t.to(device, dtype).requires_grad_() for t in g] if isinstance(g, tuple) else
                 g.to(device, dtype).requires_grad_() for g in inputs]  # fmt: skip
        given = [tuple(g) if isinstance(g, list) else g for g in given]
        outputs = unpacked(call(there, *given))
        return [*outputs, *gradients(outputs, [*unpacked(given), *there.parameters()])]

    for actual, expected in zip(run("metal", dtype), run("cpu", wide), strict=True):
        assert actual.device.type == "metal" and actual.dtype == dtype
        torch.testing.assert_close(actual.detach().cpu().to(wide), expected.detach(), **TOLERANCE[dtype])


def layer(kind, *sizes, seed=0, **options):
    torch.manual_seed(seed)
    return kind(*sizes, **options)


OPTIONS = {
    "plain": {},
    "no bias": dict(bias=False),
    "batch first": dict(batch_first=True),
    "bidirectional": dict(num_layers=2, bidirectional=True),
    "no bias, bidirectional": dict(num_layers=2, bias=False, bidirectional=True),
    "every unit dropped between layers": dict(num_layers=3, dropout=1.0),
}


@pytest.mark.parametrize("kind", KINDS, ids=named)
@pytest.mark.parametrize("options", OPTIONS)
def test_layer_and_gradients(kind, options):
    assert_module_agrees(layer(kind, 5, 7, **OPTIONS[options]), sample(3, 4, 5))


@pytest.mark.parametrize(
    "kind, dtype",
    [(kind, torch.float64) for kind in KINDS]
    + [(kind, dtype) for kind in (nn.LSTM, nn.GRU) for dtype in (torch.float16, torch.bfloat16)],
)
def test_dtypes(kind, dtype):
    assert_module_agrees(layer(kind, 5, 7, num_layers=2, bidirectional=True), sample(3, 4, 5), dtype=dtype)


def test_relu_layer():
    assert_module_agrees(layer(nn.RNN, 5, 7, nonlinearity="relu", num_layers=2), sample(3, 4, 5))


@pytest.mark.parametrize("bidirectional", [False, True])
def test_projections(bidirectional):
    module = layer(nn.LSTM, 5, 7, num_layers=2, proj_size=3, bidirectional=bidirectional)
    states = 2 * (1 + bidirectional)
    assert_module_agrees(module, sample(3, 4, 5), (sample(states, 4, 3, seed=1), sample(states, 4, 7, seed=2)))


@pytest.mark.parametrize("kind", KINDS, ids=named)
def test_first_states(kind):
    state = sample(2, 4, 7, seed=1)
    first = (state, sample(2, 4, 7, seed=2)) if kind is nn.LSTM else state
    assert_module_agrees(layer(kind, 5, 7, num_layers=2), sample(3, 4, 5), first)


@pytest.mark.parametrize("kind", KINDS, ids=named)
def test_one_sequence_without_a_batch(kind):
    assert_module_agrees(layer(kind, 5, 7, bidirectional=True), sample(3, 5))


@pytest.mark.parametrize("kind", KINDS, ids=named)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("sorted_", [True, False], ids=["sorted", "unsorted"])
def test_packed_sequences(kind, bidirectional, sorted_):
    lengths = torch.tensor([5, 3, 3, 1] if sorted_ else [3, 1, 5, 3])

    def call(module, x):
        packed = pack_padded_sequence(x, lengths, enforce_sorted=sorted_)
        output, state = module(packed)
        padded, of_each = pad_packed_sequence(output, padding_value=2.0)
        assert of_each.tolist() == lengths.tolist()
        return padded, state

    assert_module_agrees(layer(kind, 5, 7, num_layers=2, bidirectional=bidirectional), sample(5, 4, 5), call=call)


@pytest.mark.parametrize("kind", KINDS, ids=named)
def test_strided_inputs(kind):
    assert_module_agrees(layer(kind, 5, 7), sample(4, 3, 10), call=lambda m, x: m(x.transpose(0, 1)[..., ::2]))


@pytest.mark.parametrize("kind", KINDS, ids=named)
def test_dropout_between_layers_is_drawn_anew(kind, device):
    module = layer(kind, 5, 64, num_layers=2, dropout=0.5).to(device)
    x = sample(3, 4, 5).to(device)
    assert not torch.equal(module(x)[0], module(x)[0])
    module.eval()
    assert torch.equal(module(x)[0], module(x)[0])


@pytest.mark.parametrize("kind", CELLS, ids=named)
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
def test_cells(kind, bias):
    state = (sample(3, 7, seed=1), sample(3, 7, seed=2)) if kind is nn.LSTMCell else sample(3, 7, seed=1)
    for given in ((sample(3, 5),), (sample(3, 5), state)):
        assert_module_agrees(layer(kind, 5, 7, bias=bias), *given)


@pytest.mark.parametrize("output", [0, 1], ids=["hidden", "cell"])
def test_cell_with_only_one_output_used(output):
    assert_module_agrees(layer(nn.LSTMCell, 3, 4), sample(2, 3), call=lambda m, x: m(x)[output])


@pytest.mark.parametrize("kind", [nn.LSTMCell, nn.GRUCell], ids=named)
def test_second_derivatives(kind):
    module = layer(kind, 3, 4)

    def curvature(x):
        there = copy.deepcopy(module).to(x.device, x.dtype)
        out = there(x)
        out = out[0] if isinstance(out, tuple) else out
        (slope,) = torch.autograd.grad(out.square().sum(), x, create_graph=True)
        return slope.square().sum()

    assert_agrees(curvature, sample(2, 3), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU], ids=named)
def test_inference(kind):
    def call(module, x):
        with torch.no_grad():
            return module.eval()(x)

    assert_module_agrees(layer(kind, 5, 7, num_layers=2), sample(3, 4, 5), call=call)


def test_wrong_sizes_are_refused(device):
    module = layer(nn.LSTM, 5, 7).to(device)
    with pytest.raises(RuntimeError, match="input.size\\(-1\\) must be equal to input_size. Expected 5, got 4"):
        module(torch.ones(3, 2, 4, device=device))
    with pytest.raises(RuntimeError, match="do not fit a state"):
        torch.ops.aten._thnn_fused_gru_cell(*(torch.ones(2, 12, device=device),) * 2, torch.ones(2, 5, device=device))
