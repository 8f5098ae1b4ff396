"""Sources and launches that want to do harm end in an error or run; nothing crashes."""

import numpy as np
import pytest

from .library import CompileError, Library
from .tool import PRELUDE, compile_source, mslc


@pytest.fixture
def run(tmp_path):
    def run(source, *arguments, **environment):
        (tmp_path / "k.metal").write_text(PRELUDE + source)
        return mslc("run", tmp_path / "k.metal", *arguments, **environment)

    return run


ENDLESS = """
kernel void wait(device atomic_int* flag, device int* done, uint i [[thread_position_in_grid]]) {
  done[i] = 1;
  BARRIER;
  while (atomic_load_explicit(flag, memory_order_relaxed) == 0) BARRIER;
  done[i] = 2;
}
"""
LOOPS = {"straight": "", "fibers": "threadgroup_barrier(mem_flags::mem_threadgroup)"}


@pytest.mark.parametrize("options", [[], ["--validate"]], ids=["plain", "validating"])
@pytest.mark.parametrize("barrier", LOOPS.values(), ids=LOOPS)
def test_an_endless_loop_is_stopped_at_the_time_limit(run, barrier, options):
    arguments = ["--grid", 64, "flag=zeros:1", "done=zeros:64", "-D", f"BARRIER={barrier}", *options]
    result = run(ENDLESS, *arguments, TORCH_METAL_TIME_LIMIT=0.5)
    assert result.returncode == 3, result.stderr
    assert "kernel 'wait' was stopped: it ran for longer than TORCH_METAL_TIME_LIMIT, which is 0.5 s" in result.stderr


def test_a_kernel_within_its_time_runs(run):
    result = run(ENDLESS, "--grid", 64, "flag=1", "done=zeros:64", "-D", "BARRIER=", TORCH_METAL_TIME_LIMIT=30)
    assert result.returncode == 0 and "2 2 2 2" in result.stdout


def test_a_time_limit_that_is_no_number_is_refused(run):
    result = run(ENDLESS, "--grid", 64, "flag=1", "done=zeros:64", "-D", "BARRIER=", TORCH_METAL_TIME_LIMIT="soon")
    assert result.returncode == 2 and "TORCH_METAL_TIME_LIMIT: 'soon' is not a number of seconds" in result.stderr


def test_an_access_of_memory_that_is_not_there_is_an_error_and_the_process_goes_on():
    library = Library(PRELUDE + "kernel void poke(device int* x, constant ulong& at) { x[at] = 7; }")
    poke = library.kernel("poke")
    x = np.zeros(4, np.int32)
    for _ in range(3):
        with pytest.raises(RuntimeError, match="kernel 'poke' was stopped: it accessed memory at 0x.*validation mode"):
            poke([x, np.array([1 << 44], np.uint64)], [1], [1])
    poke([x, np.array([2], np.uint64)], [1], [1])
    assert x.tolist() == [0, 0, 7, 0]


def test_templates_five_hundred_deep_compile(run):
    result = run(
        "template <int n> struct Deep { enum { value = Deep<n - 1>::value + 1 }; };\n"
        "template <> struct Deep<0> { enum { value = 0 }; };\n"
        "kernel void k(device int* x) { x[0] = Deep<500>::value; }",
        "--grid", 1, "x=zeros:1",
    )  # fmt: skip
    assert result.returncode == 0 and "500" in result.stdout, result.stderr


def test_31_buffers_are_taken_and_a_32nd_refused():
    def source(count):
        parameters = ", ".join(f"device int* b{i} [[buffer({i})]]" for i in range(count))
        return PRELUDE + f"kernel void k({parameters}) {{ " + " ".join(f"b{i}[0] = {i};" for i in range(count)) + " }"

    buffers = [np.zeros(1, np.int32) for _ in range(31)]
    Library(source(31)).kernel("k")(buffers, [1], [1])
    assert [int(b[0]) for b in buffers] == list(range(31))
    with pytest.raises(CompileError, match="31"):
        Library(source(32))


def test_a_structure_of_64_kilobytes_is_copied_whole():
    library = Library(PRELUDE + "struct Big { uint x[16384]; };\n"
                      "kernel void k(constant Big& in, device Big& out) { Big copy = in; copy.x[7] += 1; out = copy; }")  # fmt: skip
    x, y = np.arange(16384, dtype=np.uint32), np.zeros(16384, np.uint32)
    library.kernel("k")([x, y], [1], [1])
    x[7] += 1
    assert (x == y).all()


def test_grids_that_are_too_large_and_threadgroups_of_no_threads_are_refused():
    kernel = Library(PRELUDE + "kernel void k(device int* x) { x[0] = 1; }").kernel("k")
    x = np.zeros(1, np.int32)
    with pytest.raises(RuntimeError, match=r"at most 2\^31 threads"):
        kernel([x], [(1 << 31) + 1], [1])
    for group in ([0], [1025], [32, 0, 1], [641, 6700417, 4]):
        with pytest.raises(RuntimeError, match="a threadgroup has 1 to 1024 threads"):
            kernel([x], [8], group)
    kernel([x], [0], [1])
    assert x[0] == 0
