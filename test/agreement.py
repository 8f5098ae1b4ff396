"""One function on two devices: what every operator test compares with."""

import torch
from torch.utils._pytree import tree_flatten, tree_map_only

FLOATING = (torch.float16, torch.bfloat16, torch.float32)
INTEGRAL = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def sample(*shape, dtype=torch.float32, seed=0):
    """The same random tensor at every call; integers are small and of both signs where the dtype has them."""
    generator = torch.Generator().manual_seed(seed)
    if dtype.is_floating_point or dtype.is_complex:
        return torch.randn(shape, generator=generator, dtype=torch.complex64 if dtype.is_complex else None).to(dtype)
    low = -4 if dtype.is_signed else 0
    return torch.randint(low, 5, shape, generator=generator).to(dtype)


def gradients(outputs, inputs):
    """Gradients of the floating inputs by a fixed sum of all differentiable outputs. Its weights are halves of small
    integers, which every dtype holds exactly."""
    outputs = [o for o in tree_flatten(outputs)[0] if isinstance(o, torch.Tensor) and o.requires_grad]
    inputs = [i for i in inputs if isinstance(i, torch.Tensor) and i.requires_grad]
    weights = [(sample(*o.shape, dtype=torch.int8, seed=7) / 2).to(o.device, o.dtype) for o in outputs]
    return torch.autograd.grad(outputs, inputs, weights, materialize_grads=True) if outputs and inputs else ()


def assert_agrees(function, *inputs, backward=True, **tolerance):
    """function(*inputs) on metal is what it is on the CPU: values, dtypes, shapes, gradients. Low precision is
    compared with the CPU's result in float32."""

    def run(device, dtype=None):
        def prepared(t):
            t = t.detach().to(device, dtype if dtype and t.dtype in (torch.float16, torch.bfloat16) else t.dtype)
            differentiable = backward and (t.is_floating_point() or t.is_complex())
            return t.requires_grad_() if differentiable else t

        moved = tree_map_only(torch.Tensor, prepared, inputs)
        outputs = function(*moved)
        return outputs, gradients(outputs, moved) if backward else ()

    assert_close(run("metal"), run("cpu", torch.float32), **tolerance)


def assert_close(metal, cpu, **tolerance):
    """Both are trees of tensors; floating results of the CPU may be wider."""

    def narrowed(m, c):
        assert m.device.type == "metal" and m.shape == c.shape, (m.device, m.shape, c.shape)
        m = m.detach().cpu()
        return m, c.detach().to(m.dtype) if m.is_floating_point() and c.is_floating_point() else c.detach()

    flat_metal, flat_cpu = (
        [t for t in tree_flatten(tree)[0] if isinstance(t, torch.Tensor)] for tree in (metal, cpu)
    )
    assert len(flat_metal) == len(flat_cpu)
    for m, c in zip(flat_metal, flat_cpu):
        m, c = narrowed(m, c)
        torch.testing.assert_close(m, c, equal_nan=True, **tolerance)
