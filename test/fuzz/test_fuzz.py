"""Random kernels do what a reference says that knows nothing of the compiler. For more: python -m test.fuzz."""

import pytest

from test.fuzz.generator import generate
from test.fuzz.regressions import FOLDER, replay
from test.fuzz.run import check_all
from test.mslc.library import DEFAULT_TARGET, Target, other_cpus

KERNELS = 300
SHARES = 6  # so that pytest's workers divide the work
CROSS_KERNELS = 24


def mismatches(seeds: range, target: Target = DEFAULT_TARGET) -> str:
    return "\n\n".join(m.report() for m in check_all(seeds, 1, target) if m)


@pytest.mark.parametrize("share", range(SHARES))
def test_random_kernels_do_what_the_reference_says(share):
    count = KERNELS // SHARES
    assert mismatches(range(share * count, (share + 1) * count)) == ""


@pytest.mark.parametrize("cpu", other_cpus())
def test_random_kernels_do_the_same_on_other_cpus(cpu):
    assert mismatches(range(CROSS_KERNELS), Target.named(cpu)) == ""


@pytest.mark.parametrize("cpu", other_cpus())
def test_kernels_that_once_went_wrong_are_right_on_other_cpus(cpu):
    wrong = {path.name: what for path in FOLDER.glob("*.json") if (what := replay(path, Target.named(cpu)))}
    assert wrong == {}


def test_the_reference_is_not_blind():
    """Kernels write most of what they are compared by, and not all the same."""
    for seed in range(1, 6):
        out = generate(seed).expected()["out"]
        assert (out != 0).mean() > 0.3
        assert len(set(out.tolist())) > min(10, len(out) // 4)


def test_a_wrong_value_is_seen():
    kernel = generate(1)
    launch = kernel.launch()
    expected = kernel.expected()
    for name in launch.buffers:
        if name in kernel.outputs:
            launch.buffers[name][:] = kernel.outputs[name].type.to_memory(expected[name])
        elif name in kernel.atomics:
            launch.buffers[name][:] = expected[name]
    assert kernel.mismatch(launch.buffers) is None
    launch.buffers["out"][3] ^= 1
    assert "[3]" in kernel.mismatch(launch.buffers)
