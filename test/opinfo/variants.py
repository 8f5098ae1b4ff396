"""The ways in which an OpInfo is called: each a function of (op, sample) whose result must be the same on both devices."""

from __future__ import annotations

import torch
from torch.testing._internal.common_utils import noncontiguous_like
from torch.utils._pytree import tree_flatten, tree_map


def tensors(tree) -> list[torch.Tensor]:
    return [t for t in tree_flatten(tree)[0] if isinstance(t, torch.Tensor)]


def call(op, sample):
    return op(sample.input, *sample.args, **sample.kwargs)


def _weights(outputs, seed=7):
    """Fixed numbers, one for each element of the outputs, which every dtype holds exactly."""
    generator = torch.Generator().manual_seed(seed)
    return [(torch.randint(-4, 5, t.shape, generator=generator) / 2).to(t.dtype).to(t.device) for t in outputs]


def _differentiable(op, sample, function=call):
    """The outputs that have a gradient, and the leaves that they have it by."""
    outputs = [t for t in tensors(sample.output_process_fn_grad(function(op, sample))) if t.requires_grad]
    leaves = [t for t in tensors((sample.input, sample.args, sample.kwargs)) if t.requires_grad]
    return outputs, leaves


def gradients(outputs, leaves, **arguments):
    """Of the leaves, by a weighted sum of the outputs."""
    if not outputs or not leaves:
        return []
    return list(torch.autograd.grad(outputs, leaves, _weights(outputs), allow_unused=True, **arguments))


def double_gradients(outputs, leaves):
    """The leaves' gradients that have gradients themselves, and those."""
    first = [g for g in gradients(outputs, leaves, create_graph=True) if g is not None and g.requires_grad]
    return [first, gradients(first, leaves)]


def backward(op, sample):
    """Gradients of the sample's leaves by a weighted sum of all differentiable outputs."""
    return gradients(*_differentiable(op, sample))


def double_backward(op, sample):
    """Gradients of the gradients."""
    return double_gradients(*_differentiable(op, sample))


def forward_mode(op, sample):
    """Values and tangents, with a fixed tangent for each tensor that wants a gradient."""
    with torch.autograd.forward_ad.dual_level():

        def dual(t):
            if not isinstance(t, torch.Tensor) or not t.requires_grad:
                return t
            return torch.autograd.forward_ad.make_dual(t.detach(), _weights([t])[0])

        outputs = tensors(call(op, sample.transform(dual)))
        return [tuple(torch.autograd.forward_ad.unpack_dual(t)) for t in outputs]


def noncontiguous(op, sample):
    """Inputs with gaps between their elements, then transposed in memory."""

    def gappy(t):
        return noncontiguous_like(t) if isinstance(t, torch.Tensor) and t.layout == torch.strided else t

    def transposed(t):
        if not isinstance(t, torch.Tensor) or t.layout != torch.strided or t.dim() < 2:
            return t
        return t.mT.contiguous().mT

    return [call(op, sample.transform(gappy)), call(op, sample.transform(transposed))]


def _outputs_like(result, make):
    return tree_map(lambda t: make(t) if isinstance(t, torch.Tensor) else t, result)


def out(op, sample):
    """Given outputs: with strides of their own, which they keep, and empty ones, which are resized. Sparse ones come with
    the places of their elements."""

    def strided(t):
        wide = t.new_full((*t.shape, 2), True if t.dtype == torch.bool else 1)
        return wide[..., 0]

    results = []
    whole = call(op, sample)
    if any(t.layout != torch.strided for t in tensors(whole)):
        return op(sample.input, *sample.args, **sample.kwargs, out=_outputs_like(whole, torch.clone))
    for make in (strided, lambda t: t.new_empty(0)):
        given = _outputs_like(call(op, sample), make)
        before = [(t.data_ptr(), t.stride()) for t in tensors(given)] if make is strided else None
        returned = op(sample.input, *sample.args, **sample.kwargs, out=given)
        assert all(r is g for r, g in zip(tensors(returned), tensors(given))), "returns another tensor than out"
        assert before in (None, [(t.data_ptr(), t.stride()) for t in tensors(given)]), "out= was reallocated or restrided"
        results.append(returned)
    return results


def in_place(op, sample):
    """On a whole tensor, and on every other element of one whose rest stays as it is."""
    whole = sample.input.clone()
    wide = torch.stack([sample.input, torch.zeros_like(sample.input)], -1)
    for target in (whole, wide[..., 0]):
        returned = op.inplace_variant(target, *sample.args, **sample.kwargs)
        assert returned is target, "returns another tensor than its input"
    return [whole, wide]


def conjugated(op, sample):
    """Complex inputs as lazily conjugated, and as lazily negated, views."""

    def lazy(t, view):
        if not isinstance(t, torch.Tensor) or not t.is_complex():
            return t
        return view(t)

    return [
        call(op, sample.transform(lambda t: lazy(t, lambda t: t.conj().resolve_conj().conj()))),
        call(op, sample.transform(lambda t: lazy(t, lambda t: torch._neg_view(t)))),
    ]
