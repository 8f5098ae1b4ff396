"""What is known not to agree with the CPU, and why. Strict: a case listed here that passes fails the suite.

Keys are (test, OpInfo or module, dtype); dtype ``"*"`` stands for every dtype.
"""

_CPU_IGNORES_STRIDES = "the CPU writes a strided out= as if it were contiguous, also past its end"

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
    ("channels_last", "nn.NLLLoss", "float32"): "the CPU's backward refuses channels_last, metal's does not",
    **{
        ("conjugated", name, "complex32"): "the CPU cannot read its own view of complex halves, conjugated and negated"
        for name in ("conj", "H", "mH")
    },
    ("forward_mode", "erfinv", "float32"): "c10/metal's erfinv is off by 2 ulp near 1, where the derivative is large",
}

#: Sums that cancel, matrices of bad condition, and PyTorch's differentiable GRU cell, which rounds more often than the
#: CPU's layer. How exact the CPU is depends on which CPU it is, so these have bounds: units in the last place of the
#: largest element of all results. (Normalising one number by its own size is exactly 0 and leaves what its summands,
#: thousands of times larger, round to.)
UNITS_ALLOWED: dict[tuple[str, str, str], int] = {
    ("conjugated", "matrix_exp", "complex64"): 40,
    ("double_backward", "index_reduce.prod", "float32"): 8,
    ("double_backward", "linalg.householder_product", "complex64"): 100,
    ("double_backward", "linalg.householder_product", "float32"): 100,
    ("double_backward", "linalg.tensorsolve", "float32"): 30,
    ("double_backward", "linalg.vector_norm", "bfloat16"): 2,
    ("double_backward", "linalg.vector_norm", "float16"): 2,
    ("double_backward", "pow", "complex64"): 20,
    ("forward_mode", "matrix_exp", "complex64"): 20,
    ("forward_mode", "nn.functional.normalize", "bfloat16"): 3000,
    ("forward_mode", "nn.functional.normalize", "float32"): 200,
    ("second_derivatives", "nn.GRU", "float32"): 8,
}


def known_failure(test: str, name: str, dtype: str) -> str | None:
    """The reason why this case fails, or None if it must pass."""
    return KNOWN_FAILURES.get((test, name, dtype)) or KNOWN_FAILURES.get((test, name, "*"))


def units_allowed(test: str, name: str, dtype: str) -> int:
    """By how many units in the last place of the largest element of all results they may be off; 0 if as exact as the
    CPU's they must be."""
    return UNITS_ALLOWED.get((test, name, dtype), 0)
