"""Which way operator calls took: a Metal kernel, MPSGraph, the host by design, or the fallback."""

from torch_metal import native


def route_counts() -> dict[str, int]:
    """Operator calls since the last reset, by route.

    ``msl``: a kernel in Metal Shading Language. ``mps_graph``: an MPSGraph node, which PyTorch's CPU library computes
    on the software device. ``host``: on the CPU by design, for what no Apple GPU has (float64, complex128).
    ``fallback``: on the CPU because there is no kernel yet. Views and other calls that touch no element count nowhere.
    """
    return native.route_counts()


def reset_route_counts() -> None:
    """Sets all counts, and those of :func:`fallback_operators`, to zero."""
    native.reset_route_counts()


def fallback_operators() -> dict[str, int]:
    """The operators that fell back since the last reset, with their counts. ``TORCH_METAL_FALLBACK=error`` makes a
    fallback a NotImplementedError instead."""
    return native.fallback_operators()


def record_operators(on: bool) -> None:
    """Whether calls are also counted by operator, for :func:`operator_routes`. Costs a lock a call; off at first."""
    native.record_operators(on)


def operator_routes() -> dict[str, dict[str, int]]:
    """Calls of each operator (``"mul.out"``) since the last reset, by the worst route taken in it or in the operators
    that it calls itself."""
    return {name.removeprefix("aten::"): counts for name, counts in native.operator_routes().items()}
