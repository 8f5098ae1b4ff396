"""What is known not to agree with the CPU, and why. Strict: a case listed here that passes fails the suite.

Keys are (test, OpInfo or module, dtype); dtype ``"*"`` stands for every dtype.
"""

KNOWN_FAILURES: dict[tuple[str, str, str], str] = {}


def known_failure(test: str, name: str, dtype: str) -> str | None:
    """The reason why this case fails, or None if it must pass."""
    return KNOWN_FAILURES.get((test, name, dtype)) or KNOWN_FAILURES.get((test, name, "*"))
