"""Which library computes matrix products and convolutions: kernels in Metal Shading Language, or MPSGraph.

Both give the same results up to rounding. ``automatic``, the default, takes MPSGraph for what is large enough for it
(float32 and bfloat16) and MSL for the rest. A preference is a preference: what MPSGraph cannot do, or is known to do
wrongly, goes to MSL all the same. :func:`torch_metal.route_counts` shows which way calls went.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from torch_metal import native

# In the order of csrc/ops/library_choice.h.
FAMILIES = ("matmul", "convolution")
LIBRARIES = ("automatic", "msl", "mps_graph")


def _number(names: tuple[str, ...], kind: str, name: str) -> int:
    if name not in names:
        raise ValueError(f"no {kind} {name!r}: expected one of {', '.join(names)}")
    return names.index(name)


def preferred_library(family: str, library: str | None = None) -> str:
    """The library that is preferred for a family of operators, set to ``library`` first if that is given.

    ``family``: ``"matmul"`` (mm, addmm, bmm, baddbmm, linear ...) or ``"convolution"`` (forward and gradients).
    ``library``: ``"automatic"``, ``"msl"`` or ``"mps_graph"``. Holds for all threads. ValueError for other names.
    """
    number = _number(FAMILIES, "family", family)
    if library is not None:
        native.set_preferred_library(number, _number(LIBRARIES, "library", library))
    return LIBRARIES[native.preferred_library(number)]


@contextmanager
def prefer(**libraries: str) -> Iterator[None]:
    """Prefers libraries within a block: ``with torch_metal.backends.prefer(matmul="msl", convolution="mps_graph")``."""
    before = {family: preferred_library(family) for family in libraries}
    try:
        for family, library in libraries.items():
            preferred_library(family, library)
        yield
    finally:
        for family, library in before.items():
            preferred_library(family, library)
