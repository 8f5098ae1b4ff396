"""What is known not to agree with the CPU, and why. Strict: a case listed here that passes fails the suite.

Keys are (test, OpInfo or module, dtype); dtype ``"*"`` stands for every dtype.
"""

_CPU_IGNORES_STRIDES = "the CPU writes a strided out= as if it were contiguous, also past its end"

_CANCELS = "sums that cancel: five to ten times the CPU's rounding error, at most 2e-5 of the largest element"

KNOWN_FAILURES: dict[tuple[str, str, str], str] = {
    ("out", "nn.functional.avg_pool3d", "float32"): _CPU_IGNORES_STRIDES,
    ("out", "nn.functional.avg_pool3d", "int64"): _CPU_IGNORES_STRIDES,
    **{
        ("out", "narrow_copy", dtype): _CPU_IGNORES_STRIDES  # float64 and complex128 are the CPU's own
        for dtype in (
            *("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32"),
            *("complex32", "complex64"),
        )
    },
    ("errors", "narrow_copy", "*"): "an IndexError that says the valid dimensions; the CPU has an internal assertion",
    **{
        ("backward", f"_segment_reduce.{kind}", "bfloat16"): "each of equal extrema has all of a negative gradient on the CPU"
        for kind in ("lengths", "offsets")
    },
    ("forward", "torch._scaled_mm", "*"): "where sums of large products cancel, metal has 0 and the CPU what it rounded away",
    ("channels_last", "nn.NLLLoss", "float32"): "the CPU's backward refuses channels_last, metal's does not",
    ("second_derivatives", "nn.GRU", "float32"): "PyTorch's differentiable GRU cell rounds more than the CPU's layer",
    **{
        ("double_backward", name, dtype): _CANCELS
        for name, dtype in (
            ("index_reduce.prod", "float32"),
            ("linalg.householder_product", "float32"),
            ("linalg.tensorsolve", "float32"),
            ("pow", "complex64"),
        )
    },
    **{
        ("double_backward", "linalg.vector_norm", dtype): "exactly 0; a unit in the last place of the summands is left"
        for dtype in ("bfloat16", "float16")
    },
    ("conjugated", "matrix_exp", "complex64"): _CANCELS,
    ("forward_mode", "matrix_exp", "complex64"): _CANCELS,
    ("forward_mode", "nn.functional.normalize", "bfloat16"): "exactly 0; units in the last place of large summands are left",
    **{
        ("conjugated", name, "complex32"): "the CPU cannot read its own view of complex halves, conjugated and negated"
        for name in ("conj", "H", "mH")
    },
    ("forward_mode", "erfinv", "float32"): "c10/metal's erfinv is off by 2 ulp near 1, where the derivative is large",
}


def known_failure(test: str, name: str, dtype: str) -> str | None:
    """The reason why this case fails, or None if it must pass."""
    return KNOWN_FAILURES.get((test, name, dtype)) or KNOWN_FAILURES.get((test, name, "*"))
