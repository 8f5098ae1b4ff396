"""channels_last in, channels_last out: results have the strides that they have on the CPU."""

import pytest
import torch
import torch.nn.functional as F

UNARY = ["abs", "exp", "sigmoid", "tanh", "neg", "round", "isfinite", "clone", "sqrt", "log1p", "erf", "logical_not"]
ACTIVATIONS = ["relu", "gelu", "silu", "elu", "selu", "hardswish", "mish", "softplus", "leaky_relu", "dropout"]
# Of images [2, 6, 4, 8] and their like in three dimensions.
IMAGES = {
    **{name: (lambda x, f=getattr(torch, name): f(x)) for name in UNARY},
    **{name: (lambda x, f=getattr(F, name): f(x)) for name in ACTIVATIONS},
    "add": lambda x: x + x,
    "a number": lambda x: 2 - x,
    "broadcast": lambda x: x * x[:, :, :1, :1],
    "a dense operand": lambda x: x + torch.ones(x.shape, device=x.device),
    "comparison": lambda x: x > x[:1],
    "where": lambda x: torch.where(x > 0, x, 0),
    "clamp": lambda x: x.clamp(-1, 1),
    "lerp": lambda x: x.lerp(x + 1, 0.5),
    "conversion": lambda x: x.half(),
    "empty_like": lambda x: torch.zeros_like(x),
    "max_pool2d": lambda x: F.max_pool2d(x, 2, return_indices=True),
    "avg_pool2d": lambda x: F.avg_pool2d(x, 2),
    "adaptive_avg_pool2d": lambda x: F.adaptive_avg_pool2d(x, 2),
    "adaptive_max_pool2d": lambda x: F.adaptive_max_pool2d(x, 2),
    "batch_norm": lambda x: F.batch_norm(x, None, None, training=True),
    "instance_norm": lambda x: F.instance_norm(x),
    # PyTorch makes the operands of its gradient contiguous on every device but the CPU.
    "group_norm": lambda x: F.group_norm(x.detach(), 2),
    "conv2d": lambda x: F.conv2d(x, torch.ones(4, 6, 3, 3, device=x.device)),
    "grouped conv2d": lambda x: F.conv2d(x, torch.ones(6, 1, 3, 3, device=x.device), groups=6),
    "conv_transpose2d": lambda x: F.conv_transpose2d(x, torch.ones(6, 4, 3, 3, device=x.device), stride=2),
    "nearest": lambda x: F.interpolate(x, scale_factor=2),
    "bilinear": lambda x: F.interpolate(x, size=(5, 5), mode="bilinear"),
    "bicubic": lambda x: F.interpolate(x, size=(5, 5), mode="bicubic"),
    "antialiased": lambda x: F.interpolate(x, size=(2, 3), mode="bilinear", antialias=True),
    "constant padding": lambda x: F.pad(x, (1, 1)),
    "reflection": lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect"),
    "replication": lambda x: F.pad(x, (1, 1, 1, 1), mode="replicate"),
    "channel_shuffle": lambda x: F.channel_shuffle(x, 3),
    "cat": lambda x: torch.cat((x, x), 1),
}
VOLUMES = {
    "relu": lambda x: F.relu(x),
    "add": lambda x: x + x,
    "max_pool3d": lambda x: F.max_pool3d(x, 2),
    "avg_pool3d": lambda x: F.avg_pool3d(x, 2),
    "batch_norm": lambda x: F.batch_norm(x, None, None, training=True),
    "nearest": lambda x: F.interpolate(x, scale_factor=2),
    "reflection": lambda x: F.pad(x, (1, 1, 1, 1, 1, 1), mode="reflect"),
    "replication": lambda x: F.pad(x, (1, 1, 1, 1, 1, 1), mode="replicate"),
}


def strides(function, x, format):
    """Of the results and, where there are any, of the gradient."""
    x = x.contiguous(memory_format=format).requires_grad_()
    results = function(x)
    results = results if isinstance(results, tuple) else (results,)
    found = [result.stride() for result in results]
    if results[0].requires_grad:
        found.append(torch.autograd.grad(results[0].float().sum(), x)[0].stride())
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("function", IMAGES.values(), ids=IMAGES.keys())
def test_images(function):
    for format in (torch.channels_last, torch.contiguous_format):
        on_cpu, on_metal = (strides(function, torch.rand(2, 6, 4, 8, device=d), format) for d in ("cpu", "metal"))
        assert on_metal == on_cpu


@pytest.mark.parametrize("function", VOLUMES.values(), ids=VOLUMES.keys())
def test_volumes(function):
    for format in (torch.channels_last_3d, torch.contiguous_format):
        on_cpu, on_metal = (strides(function, torch.rand(2, 6, 4, 8, 6, device=d), format) for d in ("cpu", "metal"))
        assert on_metal == on_cpu


def test_modules_in_channels_last_keep_it_from_end_to_end():
    results = []
    for device in ("cpu", "metal"):
        torch.manual_seed(0)
        layers = torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.ReLU(), torch.nn.MaxPool2d(2)
        model = torch.nn.Sequential(*layers).to(device, memory_format=torch.channels_last)
        x = torch.rand(2, 3, 8, 8).to(device, memory_format=torch.channels_last)
        out = model(x)
        out.sum().backward()
        results.append((out.stride(), model[0].weight.grad.stride(), model[0].weight.stride()))
    assert results[0] == results[1]
