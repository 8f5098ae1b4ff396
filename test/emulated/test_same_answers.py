"""Kernels give the same answers on every CPU that mslc makes code for; AArch64 is emulated.

docs/mslc-internals.md names the commands that run all tests of the standard library, and many random kernels, there.
"""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from test.emulated.emulator import EmulationError
from test.mslc.elementwise import PRELUDE
from test.mslc.library import EmulatedKernel, Library, Target, other_cpus

SOURCE = (Path(__file__).parent / "kernels.metal").read_text()
REFERENCE, *OTHERS = other_cpus() or [None]
THREADS, GROUP = 4096, 256


@cache
def library(cpu: str) -> Library:
    return Library(SOURCE, Target.named(cpu))


def floats(seed: int, dtype: type) -> np.ndarray:
    """Any bits, and numbers of usual size; THREADS of them."""
    random, bits = np.random.default_rng(seed), np.dtype(f"u{np.dtype(dtype).itemsize}")
    usual = 4 * random.standard_normal(THREADS)
    if dtype is np.uint16:  # bfloat
        usual_bits = (usual.astype("f4").view("u4") >> 16).astype("u2")
    else:
        usual_bits = usual.astype(dtype).view(bits)
    any_bits = random.integers(0, np.iinfo(bits).max, THREADS, bits, endpoint=True)
    return np.where(random.random(THREADS) < 0.5, any_bits, usual_bits).view(dtype)


def usual(seed: int, dtype: type) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(THREADS).astype(dtype)


def whole(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-(2**31), 2**31, THREADS, "i4")


def bfloats(values: np.ndarray) -> np.ndarray:
    return (values.view("u4") >> 16).astype("u2")


def zeros(per_thread: int, dtype: type) -> np.ndarray:
    return np.zeros(THREADS * per_thread, dtype)


# Of each kernel: its buffers, the results first.
KERNELS = {
    "functions": lambda: [zeros(24, np.float32), floats(1, np.float32), floats(2, np.float32)],
    "halves": lambda: [zeros(9, np.float16), floats(3, np.float16), floats(4, np.float16), floats(5, np.float32)],
    "bfloats": lambda: [zeros(9, np.uint16), floats(6, np.uint16), floats(7, np.uint16), floats(8, np.float32)],
    "integers": lambda: [zeros(8, np.int64), whole(9), whole(10)],
    "lanes": lambda: [zeros(6, np.float32), usual(11, np.float32)],
    "atomics": lambda: [np.zeros(6, np.uint32), whole(12)],
    "product_float": lambda: [np.zeros(64, np.float32), usual(13, np.float32), usual(14, np.float32)],
    "product_half": lambda: [np.zeros(64, np.float16), usual(15, np.float16), usual(16, np.float16)],
    "product_bfloat": lambda: [np.zeros(64, np.float32), bfloats(usual(17, np.float32)), bfloats(usual(18, np.float32))],
    "barriers": lambda: [zeros(1, np.float32), usual(19, np.float32)],
}


def results(name: str, cpu: str, **launch) -> np.ndarray:
    buffers = KERNELS[name]()
    grid, group = ((32,), (32,)) if name.startswith("product") else ((THREADS,), (GROUP,))
    library(cpu).kernel(name)(buffers, grid, group, [4 * GROUP] if name == "barriers" else [], **launch)
    return buffers[0]


def comparable(name: str, values: np.ndarray) -> np.ndarray:
    """Bits, with one NaN: which it is, CPUs choose."""
    if name == "bfloats":
        return np.where((values & 0x7FFF) > 0x7F80, np.uint16(0x7FC0), values)
    if values.dtype.kind != "f":
        return values
    return np.where(np.isnan(values), np.nan, values).view(f"u{values.itemsize}")


@pytest.mark.parametrize("cpu", OTHERS)
@pytest.mark.parametrize("name", KERNELS)
def test_kernels_give_the_same_answers_on_every_cpu(name, cpu):
    right, got = (comparable(name, results(name, c)) for c in (REFERENCE, cpu))
    assert len(np.unique(right)) >= 5  # there is something to compare
    assert np.flatnonzero(right != got).tolist() == []


@pytest.mark.skipif("aarch64" not in OTHERS, reason="this machine is none that emulates AArch64")
class TestEmulatedExecutor:
    def test_threads_share_atomics(self):
        for _ in range(3):
            assert (results("atomics", "aarch64", threads=4) == results("atomics", REFERENCE)).all()

    def test_a_kernel_that_leaves_its_memory_is_stopped(self):
        source = "kernel void poke(device int* x, constant ulong& at) { x[at] = 7; }"
        poke = Library(PRELUDE + source, Target.named("aarch64")).kernel("poke")
        with pytest.raises(EmulationError, match="'poke' was stopped: it accessed memory"):
            poke([np.zeros(4, np.int32), np.array([1 << 40], np.uint64)], (1,), (1,))
        x = np.zeros(4, np.int32)
        poke([x, np.array([2], np.uint64)], (1,), (1,))
        assert x.tolist() == [0, 0, 7, 0]

    def test_code_for_another_machine_is_refused(self):
        native = Library(SOURCE, Target()).code("integers")
        with pytest.raises(EmulationError, match="not an object for this machine"):
            EmulatedKernel(native)([], (1,), (1,))
