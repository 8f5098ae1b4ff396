"""torch.nn's common layers train on metal as on the CPU: same output, same gradients, nothing falls back."""

import copy

import pytest
import torch
from torch import nn

pytestmark = pytest.mark.usefixtures("no_fallback")


def normal(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def integers(high, *shape):
    return torch.randint(0, high, shape, generator=torch.Generator().manual_seed(1))


class SelfAttention(nn.Module):
    """MultiheadAttention of a sequence with itself, under a causal mask."""

    def __init__(self, width, heads):
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)

    def forward(self, x):
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1], device=x.device)
        return self.attention(x, x, x, attn_mask=mask)[0]


class FirstOutput(nn.Module):
    """A recurrent layer's output without its state."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x)[0]


# name -> (how to build the layer, how to make its inputs)
LAYERS = {
    "Linear": (lambda: nn.Linear(12, 7), lambda: normal(5, 12)),
    "Linear_3d_without_bias": (lambda: nn.Linear(12, 7, bias=False), lambda: normal(2, 5, 12)),
    "Bilinear": (lambda: nn.Bilinear(4, 4, 3), lambda: (normal(5, 4), normal(5, 4))),
    "Conv1d": (lambda: nn.Conv1d(3, 8, 3, padding=1), lambda: normal(2, 3, 11)),
    "Conv2d": (lambda: nn.Conv2d(3, 8, 3, stride=2, padding=1), lambda: normal(2, 3, 9, 9)),
    "Conv2d_grouped_dilated": (lambda: nn.Conv2d(4, 8, 3, dilation=2, groups=2), lambda: normal(2, 4, 9, 9)),
    "Conv2d_depthwise": (lambda: nn.Conv2d(6, 6, 3, padding=1, groups=6), lambda: normal(2, 6, 7, 7)),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(4, 3, 3, stride=2, output_padding=1), lambda: normal(2, 4, 5, 5)),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(6), lambda: normal(8, 6)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(6), lambda: normal(4, 6, 5, 5)),
    "LayerNorm": (lambda: nn.LayerNorm(10), lambda: normal(4, 3, 10)),
    "GroupNorm": (lambda: nn.GroupNorm(2, 6), lambda: normal(4, 6, 5)),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(6, affine=True), lambda: normal(4, 6, 5, 5)),
    "RMSNorm": (lambda: nn.RMSNorm(10), lambda: normal(4, 10)),
    "Embedding": (lambda: nn.Embedding(11, 5, padding_idx=0), lambda: integers(11, 4, 6)),
    "MultiheadAttention": (lambda: SelfAttention(16, 4), lambda: normal(2, 5, 16)),
    "TransformerEncoderLayer": (
        lambda: nn.TransformerEncoderLayer(16, 4, 32, dropout=0.0, batch_first=True),
        lambda: normal(2, 5, 16),
    ),
    "LSTM": (lambda: FirstOutput(nn.LSTM(6, 8, batch_first=True)), lambda: normal(2, 5, 6)),
    "GRU": (lambda: FirstOutput(nn.GRU(6, 8, batch_first=True)), lambda: normal(2, 5, 6)),
    "MaxPool1d": (lambda: nn.MaxPool1d(2), lambda: normal(2, 3, 8)),
    "MaxPool2d": (lambda: nn.MaxPool2d(2, padding=1), lambda: normal(2, 3, 8, 8)),
    "AvgPool1d": (lambda: nn.AvgPool1d(2), lambda: normal(2, 3, 8)),
    "AvgPool2d": (lambda: nn.AvgPool2d(3, stride=2, ceil_mode=True), lambda: normal(2, 3, 8, 8)),
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d(3), lambda: normal(2, 3, 8, 8)),
    "AdaptiveMaxPool2d": (lambda: nn.AdaptiveMaxPool2d(3), lambda: normal(2, 3, 8, 8)),
    "Softmax": (lambda: nn.Softmax(dim=1), lambda: normal(4, 7)),
    "LogSoftmax": (lambda: nn.LogSoftmax(dim=-1), lambda: normal(4, 7)),
    "Flatten": (lambda: nn.Flatten(), lambda: normal(4, 3, 2)),
    "ZeroPad2d": (lambda: nn.ZeroPad2d(2), lambda: normal(2, 3, 4, 4)),
    "Threshold": (lambda: nn.Threshold(0.1, 0.5), lambda: normal(3, 8)),
}
ACTIVATIONS = (
    "CELU ELU GELU GLU Hardshrink Hardsigmoid Hardswish Hardtanh LeakyReLU LogSigmoid Mish PReLU ReLU ReLU6 SELU "
    "Sigmoid SiLU Softplus Softshrink Softsign Tanh Tanhshrink"
)
LAYERS |= {name: (getattr(nn, name), lambda: normal(3, 8) * 2) for name in ACTIVATIONS.split()}


def build(name):
    """The layer under a fixed seed, and its inputs as a tuple."""
    make_layer, make_inputs = LAYERS[name]
    torch.manual_seed(0)
    layer, inputs = make_layer(), make_inputs()
    return layer, inputs if isinstance(inputs, tuple) else (inputs,)


def training_step(layer, inputs, device):
    """Output, input gradients and parameter gradients of one step on `device`."""
    layer = copy.deepcopy(layer).to(device)
    inputs = [x.detach().to(device).requires_grad_(x.is_floating_point()) for x in inputs]
    output = layer(*inputs)
    weights = torch.linspace(0.5, 1.5, output.numel(), device=device).view(output.shape)
    (output * weights).sum().backward()
    return [output.detach(), *(x.grad for x in inputs if x.requires_grad), *(p.grad for p in layer.parameters())]


@pytest.mark.parametrize("name", LAYERS)
def test_layer_trains_as_on_the_cpu(name, device):
    layer, inputs = build(name)
    expected = training_step(layer, inputs, "cpu")
    actual = training_step(layer, inputs, device)
    for a, e in zip(actual, expected, strict=True):
        assert a.device.type == "metal"
        torch.testing.assert_close(a.cpu(), e, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "name", ["BatchNorm2d", "InstanceNorm2d", "TransformerEncoderLayer", "MultiheadAttention", "LSTM", "GRU"]
)
def test_layer_evaluates_as_on_the_cpu(name, device):
    layer, inputs = build(name)
    layer.eval()
    with torch.no_grad():
        expected = layer(*inputs)
        actual = layer.to(device)(*(x.to(device) for x in inputs))
    torch.testing.assert_close(actual.cpu(), expected, rtol=1e-4, atol=1e-4)


# name -> (loss, how to make its input and target)
LOSSES = {
    "CrossEntropyLoss": (nn.CrossEntropyLoss(label_smoothing=0.1), lambda: (normal(5, 7), integers(7, 5))),
    "CrossEntropyLoss_2d": (nn.CrossEntropyLoss(), lambda: (normal(2, 5, 4, 4), integers(5, 2, 4, 4))),
    "NLLLoss": (nn.NLLLoss(ignore_index=2), lambda: (normal(5, 7), integers(7, 5))),
    "MSELoss": (nn.MSELoss(), lambda: (normal(5, 7), normal(5, 7) * 0.5)),
    "L1Loss": (nn.L1Loss(), lambda: (normal(5, 7), normal(5, 7) * 0.5)),
    "SmoothL1Loss": (nn.SmoothL1Loss(), lambda: (normal(5, 7), normal(5, 7) * 3)),
    "HuberLoss": (nn.HuberLoss(delta=0.5), lambda: (normal(5, 7), normal(5, 7) * 3)),
    "BCELoss": (nn.BCELoss(), lambda: (normal(5, 7).sigmoid(), normal(5, 7).gt(0).float())),
    "BCEWithLogitsLoss": (nn.BCEWithLogitsLoss(), lambda: (normal(5, 7), normal(5, 7).gt(0).float())),
    "KLDivLoss": (nn.KLDivLoss(reduction="batchmean"), lambda: (normal(5, 7), normal(5, 7).softmax(1))),
    "PoissonNLLLoss": (nn.PoissonNLLLoss(), lambda: (normal(5, 7), normal(5, 7).abs())),
    "HingeEmbeddingLoss": (nn.HingeEmbeddingLoss(), lambda: (normal(5, 7), normal(5, 7).sign())),
    "SoftMarginLoss": (nn.SoftMarginLoss(), lambda: (normal(5, 7), normal(5, 7).sign())),
    "gaussian_nll_loss": (
        lambda x, target: nn.functional.gaussian_nll_loss(x, target, torch.ones_like(x)),
        lambda: (normal(5, 7), normal(5, 7) * 2),
    ),
    "cosine_embedding_loss": (
        lambda x, other: nn.functional.cosine_embedding_loss(x, other, x.new_ones(len(x))),
        lambda: (normal(5, 7), normal(5, 7).roll(1, 0)),
    ),
    "triplet_margin_loss": (
        lambda x, other: nn.functional.triplet_margin_loss(x, other, other.roll(1, 0)),
        lambda: (normal(5, 7), normal(5, 7) * 2),
    ),
}


@pytest.mark.parametrize("name", LOSSES)
def test_loss_and_its_gradient_are_those_of_the_cpu(name, device):
    loss_function, make_inputs = LOSSES[name]

    def step(device):
        x, target = make_inputs()
        x = x.detach().to(device).requires_grad_()
        loss = loss_function(x, target.to(device))
        loss.backward()
        return loss.detach().cpu(), x.grad.cpu()

    torch.testing.assert_close(step(device), step("cpu"), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", [nn.Dropout, nn.Dropout1d, nn.Dropout2d])
def test_dropout_drops_its_share_and_is_the_identity_in_evaluation(kind, device):
    torch.manual_seed(0)
    layer = kind(0.25).to(device)
    x = torch.ones(64, 64, *([4] * (2 if kind is nn.Dropout2d else 1)), device=device, requires_grad=True)
    y = layer(x)
    kept = y != 0
    assert abs(kept.float().mean().item() - 0.75) < 0.03
    assert torch.equal(y.detach()[kept].cpu(), torch.full((int(kept.sum()),), 1 / 0.75))
    y.sum().backward()
    assert torch.equal((x.grad != 0).cpu(), kept.cpu())
    assert torch.equal(layer.eval()(x).detach().cpu(), x.detach().cpu())
