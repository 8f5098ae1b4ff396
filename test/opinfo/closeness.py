"""When a result of metal counts as right."""

import math
from collections.abc import Callable

import torch
from torch.utils._pytree import tree_flatten

#: What a reference is computed in.
WIDER = {
    **dict.fromkeys((torch.float16, torch.bfloat16, torch.float32), torch.float64),
    **dict.fromkeys((torch.complex32, torch.complex64), torch.complex128),
}


def assert_as_exact_as_the_cpu(actual, expected, reference: Callable[[], object], units: int = 0) -> None:
    """Trees of CPU tensors and numbers: metal's result, the CPU's, and a function that computes it in wider types.

    Right is what torch.testing.assert_close accepts with its own tolerances, or else what is as close to the wider
    result as the CPU's own; with ``units``, also what is off by at most so many in the last place of the largest element
    of all results, or four times what the CPU is off by in any of them. Shapes, dtypes and everything that is not rounded
    must be the same.
    """
    actual, expected = _leaves(actual), _leaves(expected)
    assert len(actual) == len(expected), f"{len(actual)} results, the CPU has {len(expected)}"
    precise = None
    for i, (a, e) in enumerate(zip(actual, expected)):
        if not isinstance(e, torch.Tensor):
            assert a == e or a != a and e != e, f"{a!r}, the CPU has {e!r}"
            continue
        try:
            torch.testing.assert_close(a, e, equal_nan=True)
        except AssertionError:
            if a.shape != e.shape or a.dtype != e.dtype or not (a.dtype.is_floating_point or a.dtype.is_complex):
                raise
            precise = precise if precise is not None else _leaves(reference())
            if not _is_as_exact(a, e, precise[i]) and not (units and _are_as_exact(actual, expected, precise, units)):
                raise


def assert_rounded_few_times(actual, precise) -> None:
    """Trees of CPU tensors: metal's result where the CPU has none in that dtype, and the CPU's in wider types. Apart by
    at most 8 units in the last place of the tensor's largest element."""
    for a, p in zip(*(tree_flatten(tree)[0] for tree in (actual, precise)), strict=True):
        if isinstance(p, torch.Tensor):
            largest = p.nan_to_num(0, 0, 0).abs().max().item() if p.numel() else 0.0
            atol = 8 * torch.finfo(a.dtype).eps * largest if a.dtype.is_floating_point else 0
            torch.testing.assert_close(a.to(p.dtype), p, rtol=0, atol=atol, equal_nan=True)


def _leaves(tree) -> list:
    """The leaves of a tree, sparse tensors as the layout, the size and the dense tensors that they are made of."""
    return [part for leaf in tree_flatten(tree)[0] for part in _parts(leaf)]


def _parts(leaf) -> list:
    if not isinstance(leaf, torch.Tensor) or leaf.layout == torch.strided:
        return [leaf]
    leaf = leaf.detach()
    if leaf.layout == torch.sparse_coo:
        leaf = leaf.coalesce()
        indices = [leaf.indices()]
    elif leaf.layout in (torch.sparse_csr, torch.sparse_bsr):
        indices = [leaf.crow_indices(), leaf.col_indices()]
    else:
        indices = [leaf.ccol_indices(), leaf.row_indices()]
    return [leaf.layout, leaf.shape, *indices, leaf.values()]


def _widened(t: torch.Tensor) -> torch.Tensor:
    return t.detach().resolve_conj().resolve_neg().to(torch.complex128 if t.dtype.is_complex else torch.float64)


def _error(value: torch.Tensor, reference: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Distance from the reference; 0 where both are NaN, the same infinity, or beyond what the dtype can hold."""
    overflows = value.isinf() & (value == _widened(reference.to(dtype)))
    same = (value == reference) | (value.isnan() & reference.isnan()) | overflows
    return torch.where(same, 0.0, (value - reference).abs())


def _are_as_exact(actual: list, expected: list, reference: list, units: int) -> bool:
    """The same for all results of a call together, whose sums may cancel in one of them alone."""
    tensors = [t for t in zip(actual, expected, reference) if isinstance(t[0], torch.Tensor) and t[0].numel()]
    unit = max(torch.finfo(a.dtype).eps for a, _, _ in tensors)
    size, error, cpu_error = 0.0, 0.0, 0.0
    for a, e, r in tensors:
        dtype, a, e, r = a.dtype, _widened(a), _widened(e), _widened(r)
        size = max(size, torch.where(r.isfinite(), r.abs(), 0.0).max().item())
        error = max(error, _error(a, r, dtype).max().item())
        cpu_error = max(cpu_error, _error(e, r, dtype).max().item())
    return math.isfinite(error) and error <= max(4 * cpu_error, units * unit * size)


def _is_as_exact(actual: torch.Tensor, expected: torch.Tensor, reference: torch.Tensor) -> bool:
    """No element is further from the reference than four times the CPU's largest error and a few units in its own last
    place, unless it is what the CPU has."""
    dtype, unit = actual.dtype, torch.finfo(actual.dtype).eps
    actual, expected, reference = _widened(actual), _widened(expected), _widened(reference)
    if reference.shape != actual.shape:
        return False
    cpu_error = _error(expected, reference, dtype)
    finite = cpu_error[cpu_error.isfinite()]
    largest = finite.max() if finite.numel() else 0.0
    size = torch.where(reference.isfinite(), reference.abs(), 0.0)
    close = _error(actual, reference, dtype) <= 4 * largest + 8 * unit * size
    return bool((close | _error(actual, expected, dtype).eq(0)).all())
