"""What is known not to agree with the CPU, and why. Strict: a case listed here that passes fails the suite.

Keys are (test, OpInfo or module, dtype); dtype ``"*"`` stands for every dtype.
"""

_CPU_IGNORES_STRIDES = "the CPU writes a strided out= as if it were contiguous, also past its end"
_SPARSE = "metal has no sparse tensors"

KNOWN_FAILURES: dict[tuple[str, str, str], str] = {
    ("out", "nn.functional.avg_pool3d", "float32"): _CPU_IGNORES_STRIDES,
    ("out", "nn.functional.avg_pool3d", "int64"): _CPU_IGNORES_STRIDES,
    **{
        (test, name, "*"): _SPARSE
        for name, tests in {
            "to_sparse": ("forward", "backward", "double_backward", "noncontiguous", "conjugated"),
            "sparse.sampled_addmm": ("forward", "backward", "double_backward", "noncontiguous", "conjugated", "out"),
        }.items()
        for test in tests
    },
}


def known_failure(test: str, name: str, dtype: str) -> str | None:
    """The reason why this case fails, or None if it must pass."""
    return KNOWN_FAILURES.get((test, name, dtype)) or KNOWN_FAILURES.get((test, name, "*"))
