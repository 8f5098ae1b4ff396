"""How a case of PyTorch's databases ends: it agrees and nothing falls back, or known_failures.py says why not."""

from __future__ import annotations

import unittest
import warnings
from collections.abc import Callable

import torch

import torch_metal
from test.known_failures import known_failure


def settle(case: unittest.TestCase, test: str, name: str, dtype: str, error: str) -> None:
    """Fails if the case failed and is not declared, or is declared and passed. dtype ``"*"``: the case has none."""
    reason = known_failure(test, name, dtype)
    if reason and not error:
        case.fail(f"passes, though known_failures.py says: {reason}")
    if error and not reason:
        case.fail(error)


def error_of(function: Callable, *arguments) -> str:
    """What function(*arguments) raises, or which operators it let fall back; empty if neither."""
    torch_metal.reset_route_counts()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            function(*arguments)
            torch.accelerator.synchronize()
        except Exception as error:
            return f"{type(error).__name__}: {error}"[:1000]
    fallen = ", ".join(torch_metal.fallback_operators())
    return f"falls back: {fallen}" if fallen else ""
