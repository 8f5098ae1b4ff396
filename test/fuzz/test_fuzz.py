"""Random kernels do what a reference says that knows nothing of the compiler. For more: python -m test.fuzz."""

import platform
from pathlib import Path

import pytest

from test.fuzz.generator import generate
from test.fuzz.run import Target, check_all

KERNELS = 300
SHARES = 6  # so that pytest's workers divide the work
CROSS_KERNELS = 24


def mismatches(seeds: range, target: Target = Target()) -> str:
    return "\n\n".join(m.report() for m in check_all(seeds, 1, target) if m)


@pytest.mark.parametrize("share", range(SHARES))
def test_random_kernels_do_what_the_reference_says(share):
    count = KERNELS // SHARES
    assert mismatches(range(share * count, (share + 1) * count)) == ""


def runnable_cpus() -> list[str]:
    """Levels of x86-64 that this machine has."""
    flags = set(Path("/proc/cpuinfo").read_text().split())
    levels = {"x86-64-v3": {"avx2", "fma", "f16c"}, "x86-64-v4": {"avx512f", "avx512bw", "avx512dq", "avx512vl"}}
    return [name for name, needed in levels.items() if needed <= flags]


OTHER_CPUS = [Target(cpu) for cpu in runnable_cpus()]
if platform.machine() == "x86_64":
    OTHER_CPUS.append(Target(emulated=True))


@pytest.mark.parametrize("target", OTHER_CPUS, ids=lambda target: target.cpu or "aarch64")
def test_random_kernels_do_the_same_on_other_cpus(target):
    assert mismatches(range(CROSS_KERNELS), target) == ""


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
