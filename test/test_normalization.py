"""Normalisations agree with the CPU: outputs, gradients, statistics, in training and in evaluation."""

import copy

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch import nn
from torch.nn import functional as F

from test.agreement import assert_agrees, assert_close, sample

pytestmark = pytest.mark.usefixtures("no_fallback")

CLOSE = {"rtol": 1e-4, "atol": 1e-4}
LOW = {torch.float16: {"rtol": 1e-2, "atol": 1e-2}, torch.bfloat16: {"rtol": 5e-2, "atol": 5e-2}}


@pytest.mark.parametrize("shape, normalized", [((5, 70), (70,)), ((3, 4, 9), (4, 9)), ((2, 3, 2000), (2000,)), ((2000, 8), (8,)), ((6,), (6,)), ((0, 5), (5,))])
def test_layer_norm(shape, normalized):
    x, weight, bias = sample(*shape), sample(*normalized, seed=1), sample(*normalized, seed=2)
    assert_agrees(lambda x, w, b: F.layer_norm(x, normalized, w, b), x, weight, bias, **CLOSE)
    assert_agrees(lambda x: F.layer_norm(x, normalized), x, **CLOSE)
    assert_agrees(lambda x, w: F.layer_norm(x, normalized, w), x, weight, **CLOSE)


@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("shape", [(4, 6, 5, 7), (3, 6), (2, 6, 1500)])
def test_group_norm(shape, groups):
    x, weight, bias = sample(*shape), sample(6, seed=1), sample(6, seed=2)
    if x.numel() // x.shape[0] // groups > 1:
        assert_agrees(lambda x, w, b: F.group_norm(x, groups, w, b), x, weight, bias, **CLOSE)
        assert_agrees(lambda x: F.group_norm(x, groups), x, **CLOSE)


@pytest.mark.parametrize("width", [1, 31, 33, 49, 256, 257, 1100])
def test_batch_norm_of_rows_of_every_length(width):
    x, weight, bias = sample(3, 7, width), sample(7, seed=1), sample(7, seed=2)
    assert_agrees(lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), x, weight, bias, **CLOSE)
    assert_agrees(lambda x: F.batch_norm(x.transpose(0, 2), None, None, training=True), x, **CLOSE)


@pytest.mark.parametrize("dtype", LOW)
def test_low_precision(dtype):
    x, weight, bias = sample(4, 6, 50, dtype=dtype), sample(6, seed=1), sample(6, seed=2)
    low = weight.to(dtype), bias.to(dtype)
    assert_agrees(lambda x, w, b: F.layer_norm(x.transpose(1, 2), (6,), w, b), x, *low, **LOW[dtype])
    assert_agrees(lambda x, w, b: F.group_norm(x, 3, w, b), x, *low, **LOW[dtype])
    assert_agrees(lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), x, weight, bias, **LOW[dtype])


@pytest.mark.parametrize("dtype", LOW)
def test_saved_statistics_have_the_dtype_that_pytorch_says(dtype):
    def statistics(x):
        w = x.new_ones(4)
        return [
            torch.ops.aten.native_layer_norm(x, [6], None, None, 1e-5),
            torch.ops.aten.native_group_norm(x, w, w, 2, 4, 6, 2, 1e-5),
            torch.ops.aten.native_batch_norm(x, w, w, None, None, True, 0.1, 1e-5),
        ]

    with FakeTensorMode():
        promised = statistics(torch.empty(2, 4, 6, dtype=dtype, device="metal"))
    actual = statistics(sample(2, 4, 6, dtype=dtype).to("metal"))
    assert [[t.dtype for t in result] for result in actual] == [[t.dtype for t in result] for result in promised]


def test_a_large_mean_does_not_cancel():
    x = sample(4, 6, 300) + 1000
    assert_agrees(lambda x: (F.layer_norm(x, (300,)), F.group_norm(x, 2), F.batch_norm(x, None, None, training=True)), x, rtol=1e-3, atol=1e-3)


MODULES = {
    "BatchNorm1d": (lambda: nn.BatchNorm1d(6), (20, 6)),
    "BatchNorm1d_sequence": (lambda: nn.BatchNorm1d(6), (8, 6, 11)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(6), (4, 6, 9, 9)),
    "BatchNorm3d": (lambda: nn.BatchNorm3d(6), (2, 6, 3, 4, 5)),
    "BatchNorm2d_many_channels": (lambda: nn.BatchNorm2d(65), (3, 65, 2, 3)),
    "BatchNorm2d_plain": (lambda: nn.BatchNorm2d(6, affine=False, track_running_stats=False), (4, 6, 3, 3)),
    "BatchNorm2d_cumulative": (lambda: nn.BatchNorm2d(6, momentum=None), (4, 6, 3, 3)),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(6, affine=True, track_running_stats=True), (4, 6, 5, 5)),
    "RMSNorm": (lambda: nn.RMSNorm(6), (4, 6)),
}


def layouts(shape):
    return ["contiguous", "sliced"] + ["channels_last"] * (len(shape) == 4)  # which is for images


@pytest.mark.parametrize("name, layout", [(n, layout) for n, (_, shape) in MODULES.items() for layout in layouts(shape)])
def test_modules_train_and_evaluate(name, layout):
    make, shape = MODULES[name]
    torch.manual_seed(0)
    reference = make()
    for parameter in reference.parameters():
        nn.init.normal_(parameter)
    module = copy.deepcopy(reference).to("metal")

    def arranged(x):
        if layout == "channels_last":
            return x.contiguous(memory_format=torch.channels_last)
        return torch.cat([x, x], 0)[::2] if layout == "sliced" else x

    def step(module, device, seed):
        x = sample(*shape, seed=seed).to(device).requires_grad_()
        y = module(arranged(x))
        grads = torch.autograd.grad(y, [x, *module.parameters()], sample(*y.shape, seed=9).to(device))
        return y, grads, list(module.buffers())

    for seed in (1, 2):
        assert_close(step(module, "metal", seed), step(reference, "cpu", seed), **CLOSE)
    module.eval(), reference.eval()
    assert_close(step(module, "metal", 3), step(reference, "cpu", 3), **CLOSE)


def test_batch_norm_keeps_the_memory_format():
    x = sample(2, 3, 4, 5).to("metal").contiguous(memory_format=torch.channels_last)
    y = F.batch_norm(x, None, None, training=True)
    assert y.is_contiguous(memory_format=torch.channels_last)


def test_output_mask():
    args = [t.to("metal") for t in (sample(4, 3, 5, seed=1), sample(4, 3, 5), sample(3, seed=2))]
    mean, rstd = args[1].mean((0, 2)), 1 / (args[1].var((0, 2), correction=0) + 1e-5).sqrt()
    gx, gw, gb = torch.ops.aten.native_batch_norm_backward(*args, None, None, mean, rstd, True, 1e-5, [False, True, False])
    assert gx is None and gb is None and gw.shape == (3,)


def test_wrong_shapes_raise():
    x = sample(2, 3, 4).to("metal")
    with pytest.raises(RuntimeError):
        F.layer_norm(x, (5,))
    with pytest.raises(RuntimeError):
        F.batch_norm(x, torch.zeros(4, device="metal"), torch.ones(4, device="metal"))


@pytest.mark.parametrize("dim", [0, 2])
def test_weight_norm(dim):
    v = sample(4, 5, 6)
    g = sample(*(size if d == dim else 1 for d, size in enumerate(v.shape)), seed=1)
    fused = torch.ops.aten._weight_norm_interface

    def normalized(v, g):
        return fused(v, g, dim)[0]

    assert_agrees(normalized, v, g)
    strided, g_strided = v.mT.contiguous().mT.to("metal"), g.to("metal")  # the CPU takes contiguous tensors alone
    assert_close(fused(strided, g_strided, dim), fused(v, g, dim))
    assert_agrees(lambda v, g: fused(v, g, dim), v.bfloat16(), g.bfloat16(), backward=False, rtol=2e-2, atol=2e-2)


def test_weight_norm_of_a_layer():
    def step(device):
        torch.manual_seed(0)
        layer = nn.utils.parametrizations.weight_norm(nn.Linear(3, 4)).to(device)
        layer(sample(5, 3).to(device)).square().sum().backward()
        return [p.grad for p in layer.parameters()]

    assert_close(step("metal"), step("cpu"))


@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 5), (2, 3, 4, 5)])
def test_batch_norm_statistics(shape):
    def update(x):
        mean, variance = sample(3, seed=1).to(x.device), sample(3, seed=2).abs().to(x.device)
        stats = torch.ops.aten.batch_norm_update_stats(x, mean, variance, 0.3)
        return (*stats, mean, variance)

    assert_agrees(update, sample(*shape), backward=False)


def test_batch_norm_into_given_outputs():
    x, weight, bias = (sample(*shape).to("metal") for shape in ((4, 3, 5), (3,), (3,)))

    def outputs(count):
        return [torch.empty(0, device="metal") for _ in range(count)]

    no_stats = torch.ops.aten._native_batch_norm_legit
    expected = no_stats.no_stats(x, weight, bias, True, 0.1, 1e-5)
    assert_close(no_stats.no_stats_out(x, weight, bias, True, 0.1, 1e-5, **named(outputs(3))), cpu(expected))
    update = torch.ops.aten._batch_norm_with_update
    running = torch.zeros(3, device="metal"), torch.ones(3, device="metal")
    given = [*outputs(3), torch.empty(0, dtype=torch.uint8, device="metal")]
    results = update.out(x, weight, bias, *running, 0.1, 1e-5, **named(given))
    assert_close(results[:3], cpu(expected))
    assert all(a is b for a, b in zip(results, given)) and running[0].any()


def named(outputs):
    return dict(zip(("out", "save_mean", "save_invstd", "reserve"), outputs))


def cpu(tensors):
    return [t.cpu() for t in tensors]
