"""The ways in which a module is used, and the moves between devices that come with them.

A use is a function of (module, arguments, keyword arguments) whose result must be the same on both devices.
"""

from __future__ import annotations

import copy

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils.rnn import PackedSequence
from torch.testing._internal.common_utils import noncontiguous_like
from torch.utils._pytree import tree_map

from test.opinfo import promises
from test.opinfo.closeness import WIDER
from test.opinfo.variants import double_gradients, gradients, tensors


def mapped(function, tree):
    """The tree with every tensor replaced, also those of packed sequences (their batch sizes stay on the CPU)."""

    def replaced(leaf):
        if isinstance(leaf, PackedSequence):
            data, indices, inverse = (t if t is None else function(t) for t in (leaf[0], leaf[2], leaf[3]))
            return PackedSequence(data, leaf.batch_sizes, indices, inverse)
        return function(leaf) if isinstance(leaf, torch.Tensor) else leaf

    return tree_map(replaced, tree, is_leaf=lambda leaf: isinstance(leaf, PackedSequence))


def unpacked(outputs) -> list[torch.Tensor]:
    """All tensors of a module's outputs."""
    return tensors(tree_map(lambda o: tuple(o) if isinstance(o, PackedSequence) else o, outputs,
                            is_leaf=lambda o: isinstance(o, PackedSequence)))  # fmt: skip


def moved(tree, device: str, wider: bool = False):
    """A copy of the tree with its tensors on the device, in float64 if asked; those that want gradients are leaves."""

    def move(t):
        dtype = WIDER.get(t.dtype, t.dtype) if wider else t.dtype
        return t.detach().clone().to(device, dtype).requires_grad_(t.requires_grad)

    return mapped(move, tree)


def moved_module(module, device: str, wider: bool = False):
    module = copy.deepcopy(module)
    promises.set_accumulation(None if wider else torch.float32, module)
    if wider:
        for dtype, wide in WIDER.items():
            module._apply(lambda t, dtype=dtype, wide=wide: t.to(wide) if t.dtype == dtype else t)
    return module.to(device)


def _differentiable(module, args, kwargs):
    """All outputs, those that have a gradient, and the leaves that they have it by."""
    outputs = unpacked(module(*args, **kwargs))
    leaves = [t for t in [*unpacked((args, kwargs)), *module.parameters()] if t.requires_grad]
    return outputs, [t for t in outputs if t.requires_grad], leaves


def outputs_and_gradients(module, args, kwargs):
    """Outputs, gradients of inputs and parameters, and the buffers afterwards."""
    outputs, differentiable, leaves = _differentiable(module, args, kwargs)
    return [outputs, gradients(differentiable, leaves), list(module.buffers())]


def second_derivatives(module, args, kwargs):
    with sdpa_kernel(SDPBackend.MATH):  # the CPU's fused one has no second derivative
        _, differentiable, leaves = _differentiable(module, args, kwargs)
        return double_gradients(differentiable, leaves)


def inference(module, args, kwargs):
    """Outputs without autograd: some modules take a shorter way."""
    with torch.no_grad():
        return unpacked(module(*args, **kwargs))


def noncontiguous_inputs(module, args, kwargs):
    """Inputs with gaps between their elements."""

    def gappy(t):
        return noncontiguous_like(t.detach()).requires_grad_(t.requires_grad) if t.is_floating_point() else t

    return outputs_and_gradients(module, mapped(gappy, args), mapped(gappy, kwargs))


CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}


def _formatted(t):
    format = CHANNELS_LAST.get(t.dim(), torch.contiguous_format)
    return t.detach().contiguous(memory_format=format).requires_grad_(t.requires_grad)


def channels_last(module, args, kwargs):
    """Outputs and gradients with channels_last inputs, then with the module's parameters so too."""
    results = []
    for _ in range(2):
        results.append(outputs_and_gradients(module, mapped(_formatted, args), mapped(_formatted, kwargs)))
        for p in module.parameters():
            p.data = _formatted(p.data)
    return results


def lost_formats(module, actual, expected) -> list[str]:
    """Outputs of a batch that are channels_last on the CPU and not on metal. One may be channels_last where the CPU
    makes it contiguous, not the other way round."""
    dim = 5 if type(module).__name__.endswith("3d") else 4
    lost = []
    for a, e in zip(actual, expected):
        if e.dim() != dim or e.is_contiguous() or not e.is_contiguous(memory_format=CHANNELS_LAST[dim]):
            continue
        if not a.is_contiguous(memory_format=CHANNELS_LAST[dim]):
            lost.append(f"{tuple(a.shape)} has strides {a.stride()}, on the CPU {e.stride()}")
    return lost
