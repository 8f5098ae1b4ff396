"""One OpInfo and dtype on metal against the CPU: what test_opinfo.py asserts and coverage.py counts.

Samples are made on the CPU, so that both devices see the same numbers, and copied over.
"""

from __future__ import annotations

import contextlib
import itertools
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.utils._pytree import tree_map

import torch_metal
from test.known_failures import units_allowed
from test.opinfo import promises, variants
from test.opinfo.closeness import WIDER, assert_as_exact_as_the_cpu

ROUTES = ("msl", "mps_graph", "host", "fallback")

#: OpInfos whose values are random or uninitialised: what has to agree is dtype and shape.
RANDOM = {
    *("bernoulli", "cauchy", "exponential", "geometric", "log_normal", "multinomial", "normal", "normal.number_mean"),
    *("normal.in_place", "uniform", "rand_like", "randint", "randint_like", "randn", "randn_like"),
    *("empty", "empty_like", "empty_permuted", "empty_strided", "new_empty", "new_empty_strided"),
    *("nn.functional.alpha_dropout", "nn.functional.dropout", "nn.functional.dropout2d", "nn.functional.dropout3d"),
    *("nn.functional.feature_alpha_dropout.with_train", "nn.functional.rrelu"),
    *("nn.functional.fractional_max_pool2d", "nn.functional.fractional_max_pool3d"),
    *("nn.functional.multi_head_attention_forward", "nn.functional.scaled_dot_product_attention"),
    *("svd_lowrank", "pca_lowrank", "torch.ops.aten._flash_attention_forward"),
}

_FLOAT32 = dict.fromkeys((torch.float16, torch.bfloat16), torch.float32)


def name_of(op) -> str:
    """``"linalg.svd"``, or with its variant: ``"std_mean.unbiased"``."""
    return f"{op.name}.{op.variant_test_name}" if op.variant_test_name else op.name


def dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def dtypes_of(op) -> list[torch.dtype]:
    return sorted(op.supported_dtypes("metal"), key=dtype_name)


#: All (OpInfo, dtype) pairs that op_db has for a PrivateUse1 device, in its order.
PAIRS = [(op, dtype) for op in op_db for dtype in dtypes_of(op)]


@dataclass(frozen=True)
class Variant:
    """A way to call an OpInfo, and which of them can be called so in which dtypes."""

    function: Callable
    applies: Callable = lambda op, dtype: True
    with_gradients: bool = False


def _differentiable(op, dtype) -> bool:
    return dtype in op.supported_backward_dtypes("metal")


VARIANTS = {
    "forward": Variant(variants.call),
    "backward": Variant(variants.backward, _differentiable, with_gradients=True),
    "double_backward": Variant(
        variants.double_backward, lambda op, dtype: op.supports_gradgrad and _differentiable(op, dtype), True
    ),
    "forward_mode": Variant(
        variants.forward_mode, lambda op, dtype: op.supports_forward_ad and _differentiable(op, dtype), True
    ),
    "noncontiguous": Variant(variants.noncontiguous),
    "out": Variant(variants.out, lambda op, dtype: op.supports_out),
    "in_place": Variant(variants.in_place, lambda op, dtype: op.inplace_variant is not None),
    "conjugated": Variant(variants.conjugated, lambda op, dtype: dtype.is_complex),
}


@dataclass
class Outcome:
    """What became of one pair. Errors are empty if all samples agreed."""

    op: str
    dtype: str
    errors: dict[str, str] = field(default_factory=dict)  #: by variant; empty if all samples agreed
    operators: dict[str, dict[str, int]] = field(default_factory=dict)  #: calls by operator and route

    @property
    def error(self) -> str:
        return next(filter(None, self.errors.values()), "")

    @property
    def worst_route(self) -> str:
        """Of all operator calls; ``"none"`` if there was none (views)."""
        taken = [route for counts in self.operators.values() for route in ROUTES if counts[route]]
        return max(taken, key=ROUTES.index, default="none")

    @property
    def fallen_back(self) -> list[str]:
        return [name for name, counts in self.operators.items() if counts["fallback"]]


def check_pair(op, dtype: torch.dtype, names=("forward", "backward"), samples: int | None = None) -> Outcome:
    """Runs the named variants that apply on the pair's samples (the first ``samples`` of them). A failure is in the
    outcome; nothing is raised."""
    outcome = Outcome(name_of(op), dtype_name(dtype))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names:
            if VARIANTS[name].applies(op, dtype):
                units = units_allowed(name, outcome.op, outcome.dtype)
                outcome.errors[name] = _first_error(op, dtype, VARIANTS[name], samples, units, outcome)
    return outcome


def _first_error(op, dtype, variant: Variant, samples: int | None, units: int, outcome: Outcome) -> str:
    torch.manual_seed(0)
    inputs = op.sample_inputs("cpu", dtype, requires_grad=variant.with_gradients)
    for i, sample in enumerate(itertools.islice(inputs, samples)):
        if variant.with_gradients and promises.leaves_ties_open(name_of(op), sample):
            sample = promises.without_ties(sample)
        try:
            _check(op, variant.function, sample, units, outcome)
        except Exception as error:
            return f"sample {i}: {type(error).__name__}: {error}"[:1000]
    return ""


def _check(op, function, sample, units: int, outcome: Outcome) -> None:
    """function(op, sample) on metal is what it is on the CPU; if the CPU refuses the sample, so must metal, except where
    the CPU only has no kernel in that dtype: metal's result is then held against the CPU's in wider types."""
    precise = promises.with_accumulation_in(None, sample)
    sample = promises.with_accumulation_in(torch.float32, sample)
    refusal = None
    try:
        expected = function(promises.on_the_cpu(name_of(op), op), moved(sample, "cpu"))
    except Exception as cpu_error:
        refusal = cpu_error
    on_metal = moved_to_metal(op, sample)
    try:
        with _recorded(outcome):
            actual = function(op, on_metal)
            torch.accelerator.synchronize()
    except Exception:
        if refusal:
            return
        raise
    if refusal:
        if "not implemented for" not in str(refusal):
            raise AssertionError(f"metal accepts what the CPU refuses: {refusal}")
        wide = _in_wider_types(function, op, precise)
        expected = tree_map(lambda a, w: w.to(a.dtype) if isinstance(w, torch.Tensor) else w, actual, wide)
    if name_of(op) in RANDOM:
        described = [[(t.dtype, t.shape) for t in variants.tensors(tree)] for tree in (actual, expected)]
        assert described[0] == described[1], described
        return
    actual = tree_map(lambda t: t.detach().cpu() if isinstance(t, torch.Tensor) else t, actual)
    if promises.leaves_ties_open(name_of(op), sample):
        actual, expected = (promises.values_at_positions(name_of(op), sample, r) for r in (actual, expected))
    if name_of(op) in promises.FLOAT32_STATISTICS:
        wide = function(op, moved(sample, "cpu", _FLOAT32))
        expected = promises.with_float32_statistics(actual, expected, wide)
    assert_as_exact_as_the_cpu(actual, expected, lambda: _in_wider_types(function, op, precise), units)


def _in_wider_types(function, op, sample):
    """What the CPU computes in float64. Integers become that too where they become floating-point numbers at all."""
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        return function(op, moved(sample, "cpu", WIDER))
    finally:
        torch.set_default_dtype(default)


@contextlib.contextmanager
def _recorded(outcome: Outcome):
    """Adds the operator calls of the block to the outcome."""
    torch_metal.reset_route_counts()
    torch_metal.record_operators(True)
    try:
        yield
    finally:
        torch_metal.record_operators(False)
        for name, counts in torch_metal.operator_routes().items():
            total = outcome.operators.setdefault(name, dict.fromkeys(ROUTES, 0))
            for route in ROUTES:
                total[route] += counts[route]


def moved_to_metal(op, sample):
    result = moved(sample, "metal")
    if name_of(op) in promises.HOST_ARGUMENTS:
        result.args = moved(sample, "cpu").args
    return result


def moved(sample, device: str, dtypes: dict | None = None):
    """A copy of the sample on the device; tensors that want gradients are leaves. ``dtypes`` maps dtypes to others."""

    def move(value):
        if isinstance(value, torch.dtype):
            return (dtypes or {}).get(value, value)
        copy = value.detach().clone().to(device, (dtypes or {}).get(value.dtype, value.dtype))
        return copy.requires_grad_() if value.requires_grad else copy

    result = sample.transform(move)
    if "device" in result.kwargs:
        result.kwargs["device"] = device
    return result
