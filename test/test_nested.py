"""Nested tensors agree with the CPU: layout jagged with gradients, layout strided as nn.TransformerEncoder uses it."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from test.agreement import FLOATING, assert_agrees, assert_close, sample

pytestmark = [
    pytest.mark.usefixtures("no_fallback"),
    pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors"),
]

OFFSETS = torch.tensor([0, 3, 4, 9, 11])
TOLERANCE = {torch.float32: dict(rtol=1e-5, atol=1e-5), torch.float16: dict(rtol=1e-2, atol=1e-2),
             torch.bfloat16: dict(rtol=3e-2, atol=3e-2)}  # fmt: skip


def jagged(values, offsets=OFFSETS):
    """Sequences of 3, 1, 5 and 2 positions, packed in `values`."""
    return torch.nested.nested_tensor_from_jagged(values, offsets.to(values.device))


def heads(nested):
    return nested.unflatten(-1, [2, 4]).transpose(1, 2)


def values(nested):
    return nested.values()


FUNCTIONS = {
    "arithmetic": lambda x: values(x * 2 + x - 0.5),
    "gelu": lambda x: values(F.gelu(x)),
    "where": lambda x: values(torch.where(x > 0, x, 0.1 * x)),
    "layer_norm": lambda x: values(F.layer_norm(x, (8,))),
    "rms_norm": lambda x: values(F.rms_norm(x, (8,))),
    "softmax": lambda x: values(F.softmax(x, -1)),
    "softmax_of_positions": lambda x: values(F.softmax(x, 1)),
    "sum": lambda x: values(x.sum(-1)),
    "sum_of_positions": lambda x: x.sum(1),
    "mean_of_positions": lambda x: x.mean(1),
    "max_of_positions": lambda x: x.amax(1),
    "padded": lambda x: torch.nested.to_padded_tensor(x, 7.0),
    "padded_further": lambda x: torch.nested.to_padded_tensor(x, -1.0, (4, 9, 8)),
    "unbind": lambda x: list(x.unbind()),
    "select": lambda x: x.select(0, 2),
    "chunk": lambda x: values(x.chunk(2, -1)[1]),
    "cat": lambda x: values(torch.cat([x, 2 * x], -1)),
    "clone": lambda x: values(x.clone()),
    "dtype": lambda x: values(x.to(torch.float16)),
    "matmul": lambda x: values(torch.matmul(x, sample(8, 3, seed=2).to(x.device, x.dtype))),
    "attention": lambda x: values(F.scaled_dot_product_attention(heads(x), heads(x * 2), heads(x + 1))),
}


#: Of which PyTorch has no gradient yet.
FORWARD_ONLY = {"sum", "sum_of_positions", "mean_of_positions"}


def assert_jagged_agrees(name, dtype):
    backward = name not in FORWARD_ONLY
    assert_agrees(lambda v: FUNCTIONS[name](jagged(v)), sample(11, 8, dtype=dtype), backward=backward, **TOLERANCE[dtype])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_jagged(name):
    assert_jagged_agrees(name, torch.float32)


@pytest.mark.parametrize("dtype", FLOATING[:2])
@pytest.mark.parametrize("name", ["layer_norm", "padded", "sum_of_positions", "attention"])
def test_jagged_in_low_precision(name, dtype):
    assert_jagged_agrees(name, dtype)


def test_transformer_block_of_jagged_sequences():
    def block(v, *weights):
        x = jagged(v)
        q, k, w = (heads(F.linear(F.layer_norm(x, (8,)), weight)) for weight in weights[:3])
        attended = F.scaled_dot_product_attention(q, k, w).transpose(1, 2).flatten(-2)
        return values(x + F.linear(F.gelu(attended), weights[3]))

    assert_agrees(block, sample(11, 8), *(sample(8, 8, seed=i) for i in range(4)), rtol=1e-4, atol=1e-4)


def test_built_and_moved(device):
    parts = [sample(2, 3), sample(4, 3, seed=1)]
    built = torch.nested.nested_tensor(parts, layout=torch.jagged, device=device)
    for nested in (
        built,
        torch.nested.as_nested_tensor([p.to(device) for p in parts], layout=torch.jagged),
        torch.nested.nested_tensor(parts, layout=torch.jagged).to(device),
    ):
        assert_close(list(nested.unbind()), parts)
    torch.testing.assert_close(list(built.cpu().unbind()), parts)


def test_narrow():
    starts, lengths = torch.tensor([0, 2, 1]), torch.tensor([3, 1, 4])

    def narrow(x):
        bounds = starts.to(x.device), lengths.to(x.device)
        return values(torch.nested.narrow(x, 1, *bounds, layout=torch.jagged).contiguous())

    assert_agrees(narrow, sample(3, 5, 2), backward=False)


def to_padded(packed, offsets, length, padding=0.0):
    return torch.ops.aten._jagged_to_padded_dense_forward(packed, [offsets.to(packed.device)], [length], padding)


def to_packed(padded, offsets, total=None):
    return torch.ops.aten._padded_dense_to_jagged_forward(padded, [offsets.to(padded.device)], total)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.bool, torch.float64])
def test_moves_between_packed_and_padded(dtype):
    packed = sample(11, 2, 3).mul(4).to(dtype)
    for offsets in (OFFSETS, OFFSETS.int(), torch.tensor([0, 0, 7, 7, 11])):
        for length in (2, 5, 6):  # some sequences are cut off
            assert_agrees(lambda p: to_padded(p, offsets, length, 1.0), packed, backward=False)
        padded = sample(4, 7, 2, 3).mul(4).to(dtype)
        for total in (11, None):
            assert_agrees(lambda p: to_packed(p, offsets, total), padded, backward=False)


def test_positions_that_padding_cut_off_come_back_as_zero(device):
    packed = to_packed(torch.ones(4, 2, 3, device=device), OFFSETS, 11)
    assert packed[:, 0].tolist() == [1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 1]


def test_no_sequences(device):
    none = torch.zeros(1, dtype=torch.long)
    assert to_padded(torch.ones(0, 3, device=device), none, 4).shape == (0, 4, 3)
    assert to_packed(torch.ones(0, 4, 3, device=device), none, 0).shape == (0, 3)


def test_offsets_outside_of_the_values_raise(device):
    padded = to_padded(torch.ones(5, 3, device=device), torch.tensor([0, 9]), 4)
    with pytest.raises(RuntimeError, match="sequence 0 from 0 to 9 is not within the 5 positions"):
        padded.cpu()


# Layout strided


def strided(device, parts=((3, 8), (1, 8), (5, 8))):
    return torch.nested.nested_tensor([sample(*shape, seed=i) for i, shape in enumerate(parts)], device=device)


def strided_heads(nested):
    return nested.reshape(nested.size(0), -1, 2, 4).transpose(1, 2).contiguous()


STRIDED = {
    "unbind": lambda x: list(x.unbind()),
    "padded": lambda x: x.to_padded_tensor(3.0),
    "padded_further": lambda x: x.to_padded_tensor(3.0, (3, 7, 9)),
    "relu": lambda x: list(F.relu(x).unbind()),
    "add": lambda x: list((x + x * 2).unbind()),
    "linear": lambda x: list(F.linear(x, sample(4, 8).to(x.device), sample(4).to(x.device)).unbind()),
    "layer_norm": lambda x: list(F.layer_norm(x, (8,), sample(8).to(x.device), sample(8).to(x.device)).unbind()),
    "softmax": lambda x: list(F.softmax(x, -1).unbind()),
    "bmm": lambda x: list(torch.bmm(x, x.transpose(1, 2)).unbind()),
    "clone": lambda x: list(x.clone().unbind()),
    "attention": lambda x: list(F.scaled_dot_product_attention(*[strided_heads(x)] * 3).unbind()),
}


@pytest.mark.parametrize("name", STRIDED)
def test_strided(name, device):
    assert_close(STRIDED[name](strided(device)), STRIDED[name](strided("cpu")), rtol=1e-5, atol=1e-5)


def test_strided_gradients():
    def scores(*parts):
        x = torch.nested.as_nested_tensor(list(parts))
        hidden = F.softmax(F.gelu(F.linear(x, sample(6, 8).to(x.device), sample(6).to(x.device))), -1)
        return torch.matmul(hidden, hidden.transpose(1, 2)).to_padded_tensor(0.0)

    assert_agrees(scores, sample(3, 8), sample(1, 8, seed=1), sample(5, 8, seed=2), rtol=1e-4, atol=1e-5)


def test_strided_moves(device):
    there = strided("cpu").to(device)
    assert_close(list(there.unbind()), list(strided("cpu").unbind()))
    torch.testing.assert_close(list(there.cpu().unbind()), list(strided("cpu").unbind()))


def test_strided_without_a_kernel_is_refused(device):
    with pytest.raises(NotImplementedError, match="no kernel for nested tensors on metal"):
        strided(device).sum(-1)


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_encoder_packs_padded_sequences(activation, device):
    """nn.TransformerEncoder in inference: a padding mask makes it compute with nested tensors."""
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(16, 4, 32, activation=activation, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2).eval()
    x, mask = sample(3, 5, 16), torch.zeros(3, 5, dtype=torch.bool)
    mask[0, 4:] = mask[2, 2:] = True
    with torch.no_grad():
        expected = encoder(x, src_key_padding_mask=mask)
        actual = copy.deepcopy(encoder).to(device)(x.to(device), src_key_padding_mask=mask.to(device))
    torch.testing.assert_close(actual.cpu(), expected, rtol=1e-4, atol=1e-5)
