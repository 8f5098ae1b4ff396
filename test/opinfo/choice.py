"""Which (entry, dtype) pairs of a database this run takes: ``TORCH_METAL_OPINFO`` says."""

import os
from collections.abc import Callable

import torch


def chosen(entries, dtypes_of: Callable) -> set[tuple[str, torch.dtype]]:
    """(name in tests, dtype) of every entry with one of its dtypes in turn, of all pairs (``all``), or of a part of
    them (``2/8``)."""
    choice = os.environ.get("TORCH_METAL_OPINFO", "each")
    pairs = [(entry, dtype) for entry in entries for dtype in dtypes_of(entry)]
    if choice == "each":
        turns = ((entry, i, dtypes_of(entry)) for i, entry in enumerate(entries))
        pairs = [(entry, dtypes[i % len(dtypes)]) for entry, i, dtypes in turns if dtypes]
    elif choice != "all":
        part, parts = map(int, choice.split("/"))
        pairs = pairs[part - 1 :: parts]
    return {(entry.formatted_name, dtype) for entry, dtype in pairs}
