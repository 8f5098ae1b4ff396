"""Random kernels do what a reference says that knows nothing of the compiler. For more: python -m test.fuzz."""

import os

import pytest

from test.fuzz.generator import Kernel
from test.fuzz.run import check_all

KERNELS = 500
SHARES = 4  # so that pytest's workers divide the work


@pytest.mark.parametrize("share", range(SHARES))
def test_random_kernels_do_what_the_reference_says(share):
    count = KERNELS // SHARES
    processes = 1 if "PYTEST_XDIST_WORKER" in os.environ else os.cpu_count()
    mismatches = [m for m in check_all(range(share * count, (share + 1) * count), processes) if m]
    assert not mismatches, "\n\n".join(m.report() for m in mismatches)


def test_the_reference_is_not_blind():
    """Kernels write most of what they are compared by, and not all the same."""
    kernel = Kernel(1)
    expected = kernel.expected()
    assert (expected["out_i"] != kernel.outputs["out_i"]).mean() > 0.3
    assert len(set(expected["out_i"].tolist())) > 10
