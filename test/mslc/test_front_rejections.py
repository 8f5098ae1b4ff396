"""What is no MSL is rejected where it is wrong; what is nearly the same and right compiles."""

import pytest

from .elementwise import PRELUDE
from .library import CompileError, Library
from .rejections import cases, errors

CASES = cases()
# Words of the dialect underneath, and of the rewrites.
INTERNALS = ("opencl_", "sycl", "__global", "__local", "__private", "__construct", "__msl", "__attribute__", "ext_vector")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_wrong_source_is_rejected_where_it_is_wrong(case):
    assert case.errors, "a case needs a caret"
    with pytest.raises(CompileError) as caught:
        Library(PRELUDE + "#line 1\n" + case.wrong)
    assert errors(str(caught.value)) == case.errors
    assert not [word for word in INTERNALS if word in str(caught.value)]


@pytest.mark.parametrize("case", [case for case in CASES if case.right], ids=lambda case: case.name)
def test_near_miss_compiles(case):
    Library(PRELUDE + case.right)


def test_there_are_enough_cases():
    """A file that is not found, or not understood, would make no test fail."""
    assert len(CASES) >= 250 and len({case.name for case in CASES}) == len(CASES)
