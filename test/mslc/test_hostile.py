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


# What nests without end: the body of a kernel with so many levels.
DEEP = {
    "parentheses": lambda n: f"x[0] = {'(' * n}1{')' * n};",
    "blocks": lambda n: "{" * n + "x[0] = 1;" + "}" * n,
    "negations": lambda n: f"x[0] = {'- ' * n}1;",
    "casts": lambda n: f"x[0] = {'(int)' * n}1;",
    "calls": lambda n: f"x[0] = {'abs(' * n}1{')' * n};",
    "sums": lambda n: f"x[0] = {'x[1] + ' * n}1;",
    "commas": lambda n: f"x[0] = ({'x[1], ' * n}1);",
    "conditions": lambda n: f"x[0] = {'x[1] ? 2 : ' * n}1;",
    "ifs": lambda n: f"{'if (x[1] == 0) ' * n}x[0] = 1;",
    "loops": lambda n: f"{'for (;;) ' * n}x[0] = 1;",
    "else": lambda n: "if (x[1] == 1) x[0] = 2; else " * n + "x[0] = 1;",
    "templates": lambda n: f"x[0] = Deep<{n}>::value;",
    "macros": lambda n: "x[0] = M23;",
}
DEEP_HELPERS = (
    "template <int n> struct Deep { enum { value = Deep<n - 1>::value }; };\n"
    "template <> struct Deep<0> { enum { value = 1 }; };\n"
    "#define M0 1 + 1\n" + "".join(f"#define M{i} M{i - 1} + M{i - 1}\n" for i in range(1, 24))
)


@pytest.mark.parametrize("kind", DEEP)
def test_what_nests_too_deep_is_an_error_and_the_process_goes_on(kind):
    error = "nest|deep|depth|more than"
    with pytest.raises(CompileError, match=error):
        Library(PRELUDE + DEEP_HELPERS + f"kernel void k(device int* x) {{ {DEEP[kind](100_000)} }}")


@pytest.mark.parametrize("kind", [kind for kind in DEEP if kind not in ("macros", "loops")])
def test_what_nests_as_deep_as_people_write_compiles(kind):
    x = np.zeros(2, np.int32)
    kernel = Library(PRELUDE + DEEP_HELPERS + f"kernel void k(device int* x) {{ {DEEP[kind](120)} }}").kernel("k")
    kernel([x], [1], [1])
    assert x[0] == 1


@pytest.mark.parametrize("kind", ["negations", "casts"])
def test_the_compilers_stack_bears_a_statement_of_almost_the_most_tokens(kind):
    x, count = np.zeros(2, np.int32), {"negations": 99_000, "casts": 33_000}[kind]
    kernel = Library(PRELUDE + f"kernel void k(device int* x) {{ {DEEP[kind](count)} }}").kernel("k")
    kernel([x], [1], [1])
    assert x[0] == 1


def test_ten_thousand_lines_compile():
    lines = "\n".join(f"  a += {n};" for n in range(10_000))
    x = np.zeros(64, np.int32)
    source = f"kernel void k(device int* x, uint i [[thread_position_in_grid]]) {{\n  int a = i;\n{lines}\n  x[i] = a;\n}}"
    Library(PRELUDE + source).kernel("k")([x], [64], [32])
    assert (x == np.arange(64) + sum(range(10_000))).all()


def test_a_table_may_have_more_elements_than_a_statement_tokens():
    table = ", ".join(str(i % 1000) for i in range(100_000))
    x = np.zeros(2, np.int32)
    source = f"constant int table[] = {{{table}}};\nkernel void k(device int* x) {{ x[0] = table[x[1] + 99999]; }}"
    Library(PRELUDE + source).kernel("k")([x], [1], [1])
    assert x[0] == 999


def test_variables_that_leave_the_stack_are_an_error_and_large_ones_run():
    def source(count):
        return PRELUDE + (
            f"kernel void k(device int* x, uint i [[thread_position_in_grid]]) {{ int a[{count}];"
            f" for (int j = 0; j < {count}; ++j) a[j] = x[j & 31] + j; x[i] = a[x[i] + i]; }}"
        )

    with pytest.raises(CompileError, match="kernel 'k': variables take .* bytes of a thread's memory; 2097152 is the most"):
        Library(source(1_000_000)).kernel("k")
    x = np.zeros(64, np.int32)
    Library(source(20_000)).kernel("k")([x], [64], [32])
    assert (x[:32] == np.arange(32)).all()


def test_a_grid_of_two_to_the_31_threads_runs_and_counts_right():
    kernel = Library(
        PRELUDE + "kernel void k(device uint* x, uint i [[thread_position_in_grid]], uint g [[threadgroup_position_in_grid]],"
        " uint n [[threads_per_grid]], uint groups [[threadgroups_per_grid]]) {"
        " if (g > 1 && g < 2097150) return; x[i & 2047] += 1; if (i == 2147483647) { x[2048] = n; x[2049] = groups; } }"
    ).kernel("k")
    x = np.zeros(2050, np.uint32)
    kernel([x], [1 << 31], [1024])
    assert (x[:2048] == 2).all() and x[2048] == 1 << 31 and x[2049] == 1 << 21
    with pytest.raises(RuntimeError, match=r"at most 2\^62 threads"):
        kernel([x], [1 << 31] * 3, [1024])


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
