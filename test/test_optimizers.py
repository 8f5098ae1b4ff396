"""Optimisers move parameters as on the CPU: single tensor, foreach and fused; and foreach operators agree by themselves."""

import pytest
import torch

import torch_metal
from test.agreement import assert_close, sample

pytestmark = pytest.mark.usefixtures("no_fallback")

OPTIMIZERS = {
    "sgd": (torch.optim.SGD, {"lr": 0.1}),
    "sgd_momentum": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.1, "weight_decay": 0.01}),
    "sgd_nesterov": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    "adam": (torch.optim.Adam, {"lr": 0.01}),
    "adam_amsgrad": (torch.optim.Adam, {"lr": 0.01, "amsgrad": True, "weight_decay": 0.02, "betas": (0.8, 0.95)}),
    "adamw": (torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.1, "maximize": True}),
}
SHAPES = [(5, 7), (33,), (), (2, 3, 4), (0, 3), (5000,)]


def parameters(device, dtype=torch.float32):
    return [torch.nn.Parameter(sample(*shape, seed=i).to(device, dtype)) for i, shape in enumerate(SHAPES)]


def train(device, optimizer, options, steps=4, dtype=torch.float32):
    params = parameters(device, dtype)
    optimizer = optimizer(params, **options)
    for step in range(steps):
        optimizer.zero_grad()
        for i, p in enumerate(params):
            p.grad = sample(*p.shape, seed=100 * step + i).to(device, dtype)
        optimizer.step()
    return params


@pytest.mark.parametrize("form", ["single", "foreach", "fused"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_agrees_with_the_cpu(name, form):
    optimizer, options = OPTIMIZERS[name]
    how = {"foreach": form == "foreach", "fused": form == "fused"}
    if form == "fused":
        how.pop("foreach")
    cpu = train("cpu", optimizer, options | {"foreach": False})
    assert_close(train("metal", optimizer, options | how), cpu, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", ["sgd_momentum", "adamw"])
def test_fused_half_precision(name):
    optimizer, options = OPTIMIZERS[name]
    metal = train("metal", optimizer, options | {"fused": True}, dtype=torch.bfloat16)
    cpu = train("cpu", optimizer, options | {"foreach": False}, dtype=torch.bfloat16)
    assert_close(metal, cpu, rtol=3e-2, atol=3e-2)


def test_fused_with_a_tensor_as_learning_rate():
    lr = torch.tensor(0.05)
    metal = train("metal", torch.optim.Adam, {"lr": lr.to("metal"), "fused": True})
    assert_close(metal, train("cpu", torch.optim.Adam, {"lr": 0.05, "foreach": False}), rtol=2e-5, atol=2e-6)


def test_fused_takes_one_launch_for_many_parameters():
    params = [torch.nn.Parameter(torch.ones(3, device="metal")) for _ in range(40)]
    optimizer = torch.optim.SGD(params, lr=0.5, fused=True)
    for p in params:
        p.grad = torch.ones_like(p)
    optimizer.step()
    assert all(p.tolist() == [0.5] * 3 for p in params)


def test_infinite_gradients_skip_a_fused_step():
    params, grads = [torch.ones(5, device="metal")], [torch.full((5,), 8.0, device="metal")]
    for found, expected in ((1.0, 1.0), (0.0, 0.0)):
        torch._fused_sgd_(params, grads, [], weight_decay=0.0, momentum=0.0, lr=0.5, dampening=0.0, nesterov=False,
                          maximize=False, is_first_step=True, grad_scale=torch.tensor(4.0, device="metal"),
                          found_inf=torch.tensor(found, device="metal"))  # fmt: skip
        assert params[0].tolist() == [expected] * 5
    assert grads[0].tolist() == [2.0] * 5


def test_gradient_scaler():
    p = torch.nn.Parameter(torch.ones(4, device="metal"))
    optimizer = torch.optim.SGD([p], lr=0.5)
    scaler = torch.amp.GradScaler("metal", init_scale=8.0, growth_interval=2)
    assert scaler.scale(torch.ones((), device="metal")).item() == 8.0
    for gradient, expected, scale in ((1.0, 0.5, 8.0), (float("inf"), 0.5, 4.0), (1.0, 0.0, 4.0), (1.0, -0.5, 8.0)):
        p.grad = torch.full_like(p, gradient) * scaler.get_scale()
        scaler.step(optimizer)
        scaler.update()
        assert p.tolist() == [expected] * 4 and scaler.get_scale() == scale


def lists(device, dtype=torch.float32, count=100):
    sizes = [(i % 7, 11) for i in range(count)]
    return [[(sample(*s, seed=3 * i + k).abs() + 0.5).to(device, dtype) for i, s in enumerate(sizes)] for k in range(3)]


FOREACH = {
    "sqrt": lambda a, b, c: torch._foreach_sqrt(a),
    "neg": lambda a, b, c: torch._foreach_neg(a),
    "add_scalar": lambda a, b, c: torch._foreach_add(a, 2),
    "mul_scalars": lambda a, b, c: torch._foreach_mul(a, [0.5 * i for i in range(len(a))]),
    "add_list": lambda a, b, c: torch._foreach_add(a, b, alpha=0.3),
    "sub_list": lambda a, b, c: torch._foreach_sub(a, b, alpha=0.3),
    "div_list": lambda a, b, c: torch._foreach_div(a, b),
    "maximum": lambda a, b, c: torch._foreach_maximum(a, b),
    "pow": lambda a, b, c: torch._foreach_pow(a, 1.5),
    "addcmul": lambda a, b, c: torch._foreach_addcmul(a, b, c, value=0.3),
    "addcdiv_scalars": lambda a, b, c: torch._foreach_addcdiv(a, b, c, [0.1 * i for i in range(len(a))]),
    "addcmul_tensor": lambda a, b, c: torch._foreach_addcmul(a, b, c, torch.arange(float(len(a)))),
    "lerp": lambda a, b, c: torch._foreach_lerp(a, b, 0.3),
    "lerp_list": lambda a, b, c: torch._foreach_lerp(a, b, c),
    "norm": lambda a, b, c: torch._foreach_norm(a),
}


@pytest.mark.parametrize("name", FOREACH)
def test_foreach(name):
    assert_close(FOREACH[name](*lists("metal")), FOREACH[name](*lists("cpu")), rtol=1e-5, atol=1e-6)


def test_foreach_in_place():
    results = []
    for device in ("metal", "cpu"):
        a, b, c = lists(device)
        torch._foreach_add_(a, 1)
        torch._foreach_mul_(a, b)
        torch._foreach_addcdiv_(a, b, c, value=-0.2)
        torch._foreach_lerp_(a, c, 0.1)
        torch._foreach_sqrt_(b)
        torch._foreach_zero_(c)
        torch._foreach_mul_(b, torch.tensor(0.5, device=device))
        results.append([*a, *b, *c])
    assert_close(*results, rtol=1e-5, atol=1e-6)


def test_foreach_of_mixed_lists_goes_tensor_by_tensor():
    def run(device):
        a = [torch.arange(4, device=device), sample(3, 5).to(device).t(), sample(2).to(device, torch.float16)]
        return torch._foreach_add(a, 1.5) + torch._foreach_mul(a, a)

    assert_close(run("metal"), run("cpu"))


def test_foreach_uses_few_launches():
    a, b, _ = lists("metal", count=48)
    torch_metal.reset_route_counts()
    torch._foreach_add_(a, b)
    assert torch_metal.route_counts()["msl"] == 1


def test_clipping_of_gradients():
    def run(device):
        params = parameters(device)
        for p in params:
            p.grad = p.detach() * 3
        norm = torch.nn.utils.clip_grad_norm_(params, 1.0)
        return [norm] + [p.grad for p in params]

    assert_close(run("metal"), run("cpu"), rtol=1e-5, atol=1e-6)
