"""Where PyTorch promises less than what the CPU happens to do, or something else: what to compare instead."""

from __future__ import annotations

import dataclasses

import torch
from torch.nn.modules.linear_cross_entropy_options import LinearCrossEntropyOptions
from torch.utils._pytree import tree_flatten, tree_map

#: OpInfos that name the position of one of several equal elements, any of them; their arguments before dim.
TIES = {"argsort": 0, "kthvalue": 1, "mode": 0, "msort": 0, "sort": 0, "topk": 1}

#: OpInfos whose tensors beside the input stay on the CPU whatever the device.
HOST_ARGUMENTS = {"tensor_split"}

#: OpInfos whose statistics are in the input's dtype on the CPU, in float32 elsewhere: so say PyTorch's meta functions
#: (test_normalization.py holds the dtypes against them).
FLOAT32_STATISTICS = {"native_layer_norm", "native_batch_norm", "_native_batch_norm_legit", "_batch_norm_with_update"}

_HALF = (torch.float16, torch.bfloat16)


def _scaled_mm(a, b, scale_a, scale_b, bias=None, scale_result=None, out_dtype=None, use_fast_accum=False, *, out=None):
    """Scales are numbers, as in all samples."""
    dtype = out_dtype or (out.dtype if out is not None else a.dtype)
    exact = (a.double() @ b.double()) * scale_a.double() * scale_b.double()
    if bias is not None:
        exact = exact + bias.double()
    result = exact.float().to(dtype)
    return result if out is None else out.resize_(result.shape).copy_(result)


#: What OpInfos compute, where the CPU's result depends on which CPU it is.
_EXACT = {"torch._scaled_mm": _scaled_mm}


def on_the_cpu(name: str, op):
    """What to compare metal with: the OpInfo, or a function in its place."""
    return _EXACT.get(name, op)


def with_accumulation_in(dtype, sample):
    """The sample with its way of summing named, in the dtype or its inputs' own for None, where PyTorch chooses one by
    the kind of device."""
    options = sample.kwargs.get("options")
    if _chooses_accumulation(options, sample.input.dtype if options else None):
        sample = sample.transform(lambda value: value)
        sample.kwargs["options"] = _accumulating_in(dtype, options)
    return sample


def set_accumulation(dtype, module) -> None:
    """The same for a module."""
    options = getattr(module, "options", None)
    if _chooses_accumulation(options, next(module.parameters()).dtype if options else None):
        module.options = _accumulating_in(dtype, options)


def _chooses_accumulation(options, dtype) -> bool:
    return isinstance(options, LinearCrossEntropyOptions) and dtype in _HALF


def _accumulating_in(dtype, options):
    open_choice = options.chunking_method == "auto" and options.batch_chunk_size is None
    chunking = "aspect_ratio" if open_choice else options.chunking_method
    return dataclasses.replace(options, acc_policy="accurate", acc_dtype=dtype, chunking_method=chunking)


def leaves_ties_open(name: str, sample) -> bool:
    return name in TIES and not sample.kwargs.get("stable")


def without_ties(sample):
    """The sample with an input whose elements all differ, in the same order."""
    x = sample.input.detach()
    ranks = x.flatten().argsort(stable=True).argsort().reshape(x.shape)
    if x.dtype in _HALF:  # neighbours, from 1 on
        distinct = (ranks + x.new_ones(()).view(torch.int16)).to(torch.int16).view(x.dtype)
    else:
        distinct = ranks.to(x.dtype)
    sample.input = distinct.requires_grad_(sample.input.requires_grad)
    return sample


def _is_named(tree) -> bool:
    return isinstance(tree, tuple) and hasattr(tree, "values") and hasattr(tree, "indices")


def values_at_positions(name: str, sample, results):
    """Results of an OpInfo of TIES on the CPU: positions become what the input has there. They are all different."""
    before = TIES[name]
    dim = sample.kwargs.get("dim", sample.args[before] if len(sample.args) > before else -1)
    source = sample.input.detach().cpu()

    def values_at(indices):
        keeps_dim = indices.dim() == source.dim()
        at = indices if keeps_dim else indices.unsqueeze(dim)
        if at.dim() and at.numel():
            ordered = at.sort(dim)[0]
            assert ordered.diff(dim=dim).ne(0).all(), "one position twice"
        found = source.gather(dim, at)
        return found if keeps_dim else found.squeeze(dim)

    def settled(result):
        if _is_named(result):
            return result[0], values_at(result[1])
        return values_at(result) if name == "argsort" else result

    return tree_map(settled, results, is_leaf=_is_named)


def with_float32_statistics(actual, expected, wide):
    """The CPU's results with those in half precision that metal has in float32 replaced by a computation in float32."""

    def settled(a, e, w):
        return w if isinstance(e, torch.Tensor) and e.dtype in _HALF and a.dtype == torch.float32 else e

    return [settled(*leaves) for leaves in zip(*(tree_flatten(tree)[0] for tree in (actual, expected, wide)))]
