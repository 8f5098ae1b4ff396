"""mslc run: kernels on arrays from files and from the command line."""

import numpy as np
import pytest

from .tool import PRELUDE, mslc

SOURCE = PRELUDE + """
struct Pair { float x; int y; };
kernel void scale(device float* x, constant float& by, uint i [[thread_position_in_grid]]) { x[i] *= by; }
kernel void place(device uint2* out, uint2 p [[thread_position_in_grid]], uint2 grid [[threads_per_grid]],
                  uint2 group [[threadgroup_position_in_grid]]) {
  out[p.y * grid.x + p.x] = uint2(p.x + 10 * p.y, group.x + 10 * group.y);
}
kernel void unpack(device float* x, device long* y, device const Pair* pairs, uint i [[thread_position_in_grid]]) {
  x[i] = pairs[i].x;
  y[i] = pairs[i].y;
}
kernel void sum(device float* out, constant float3& v, constant packed_float3* w) {
  *out = v.x + 10 * v.y + 100 * v.z + w[1].z;
}
kernel void reverse(device int* x, threadgroup int* shared, uint t [[thread_index_in_threadgroup]]) {
  shared[t] = x[t];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  x[t] = shared[63 - t];
}
kernel void overrun(device float* x, uint i [[thread_position_in_grid]]) { x[i + 4096] = 1; }
template <typename T>
kernel void same(device const T* x, device T* y, uint i [[thread_position_in_grid]]) { y[i] = x[i]; }
#define SAME(T) template [[host_name("same_" #T)]] kernel void same<T>(device const T*, device T*, uint);
SAME(bool) SAME(char) SAME(uchar) SAME(short) SAME(ushort) SAME(int) SAME(uint) SAME(long) SAME(ulong)
SAME(half) SAME(bfloat) SAME(float) SAME(float2)
"""
TYPES = {
    "bool": "?", "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "long": "i8",
    "ulong": "u8", "half": "f2", "bfloat": "V2", "float": "f4", "float2": "c8",
}  # fmt: skip


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "k.metal"
    path.write_text(SOURCE)
    return path


@pytest.fixture
def run(source):
    def run(kernel, *arguments):
        return mslc("run", source, "--kernel", kernel, *arguments)

    return run


def succeed(result):
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def test_help_names_every_option():
    for arguments in (["--help"], ["k.metal", "--grid", 8, "-h"]):
        text = succeed(mslc("run", *arguments))
        for option in ("--grid", "--threadgroup", "--kernel", "--save", "--time", "--threads", "zeros:SHAPE"):
            assert option in text


@pytest.mark.parametrize("name", TYPES)
def test_arrays_of_every_type_go_in_and_out_as_they_are(name, run, tmp_path):
    random = np.random.default_rng(0)
    bits = random.integers(0, 2 if name == "bool" else 256, 64 * np.dtype(TYPES[name]).itemsize, dtype=np.uint8)
    x = bits.view(TYPES[name]).reshape(4, 16)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", np.zeros_like(x))
    files = [f"x={tmp_path}/x.npy", f"y={tmp_path}/y.npy", "--save", f"y={tmp_path}/y.npy"]
    assert succeed(run(f"same_{name}", "--grid", 64, *files)) == ""
    y = np.load(tmp_path / "y.npy")
    assert (y.dtype, y.shape) == (x.dtype, x.shape)
    assert y.tobytes() == x.tobytes()


def test_files_of_the_later_format_are_read(run, tmp_path):
    with open(tmp_path / "x.npy", "wb") as file:
        np.lib.format.write_array(file, np.full(3, 1.5, "f4"), version=(3, 0))
    assert succeed(run("scale", "--grid", 3, f"x={tmp_path}/x.npy", "by=2")).split() == ["x", "float32[3]", "3", "3", "3"]


def test_numbers_and_filled_arrays(run):
    assert succeed(run("scale", "--grid", 4, "x=0.5,-1e3,inf,nan", "by=-2")).split()[2:] == ["-1", "2000", "-inf", "nan"]
    assert succeed(run("scale", "--grid", 12, "x=arange:3,4", "by=1")).split()[1:] == (
        "float32[3,4] 0 1 2 3 ... 8 9 10 11".split()
    )
    values = [float(x) for x in succeed(run("scale", "--grid", 8, "x=random:8", "by=1")).split()[2:]]
    assert all(0 <= x < 1 for x in values) and len(set(values)) == 8
    assert succeed(run("same_uchar", "--grid", 3, "x=0xff,1,0", "y=zeros:3")).split()[1:] == ["uint8[3]", "255", "1", "0"]
    assert succeed(run("same_bool", "--grid", 3, "x=true,0,1", "y=zeros:3")).split()[2:] == ["true", "false", "true"]


def test_vectors_of_three_are_padded_unless_packed(run):
    assert succeed(run("sum", "--grid", 1, "out=zeros:1", "v=1,2,3", "w=0,0,0,0,0,5000")).split()[2:] == ["5321"]


def test_grid_and_threadgroup_have_up_to_three_dimensions(run, tmp_path):
    save = ["--save", f"out={tmp_path}/out.npy"]
    succeed(run("place", "--grid", "5,3", "--threadgroup", "2,2", "out=zeros:3,5", *save))
    out = np.load(tmp_path / "out.npy")
    assert out.shape == (3, 5, 2)
    assert out[..., 0].tolist() == [[x + 10 * y for x in range(5)] for y in range(3)]
    assert out[..., 1].tolist() == [[x // 2 + 10 * (y // 2) for x in range(5)] for y in range(3)]


def test_structures_come_from_files(run, tmp_path):
    pairs = np.array([(0.5, -3), (1.5, 4)], [("x", "f4"), ("y", "i4")])
    np.save(tmp_path / "pairs.npy", pairs.view("V8"))
    result = succeed(run("unpack", "--grid", 2, f"pairs={tmp_path}/pairs.npy", "x=zeros:2", "y=zeros:2"))
    assert [line.split() for line in result.splitlines()] == [["x", "float32[2]", "0.5", "1.5"], ["y", "int64[2]", "-3", "4"]]


def test_threadgroup_memory_is_given_in_bytes(run):
    result = succeed(run("reverse", "--grid", 64, "--threadgroup", 64, "x=arange:64", "shared=256"))
    assert result.split()[2:] == "63 62 61 60 ... 3 2 1 0".split()


def test_threads_share_the_work_and_time_is_printed(run):
    arguments = ["--grid", 100000, "x=arange:100000", "by=2"]
    one, many = run("scale", *arguments), run("scale", *arguments, "--threads", 3, "--time", 5)
    assert succeed(many).splitlines()[0] == succeed(one).splitlines()[0]
    assert succeed(many).splitlines()[1].startswith("  time: median ") and many.stdout.rstrip().endswith("of 5")


def test_a_kernel_that_leaves_its_buffer_ends_with_3(run):
    result = run("overrun", "--grid", 8, "x=zeros:8")
    assert result.returncode == 3 and "kernel 'overrun' was stopped: it accessed memory at 0x" in result.stderr


MISTAKES = {
    "no argument 'z'; it takes 'x', 'by'": ("scale", ["--grid", 8, "z=1"]),
    "needs a value for argument 'by' (constant float&)": ("scale", ["--grid", 8, "x=ones:8"]),
    "argument 'x' (device float*) is given twice": ("scale", ["--grid", 8, "x=ones:8", "0=ones:8"]),
    "(constant float&) takes 4 bytes, not 8": ("scale", ["--grid", 8, "x=ones:8", "by=1,2"]),
    "cannot read 'no.npy': No such file": ("scale", ["--grid", 8, "x=no.npy", "by=1"]),
    "'1..5' is not a number": ("scale", ["--grid", 8, "x=ones:8", "by=1..5"]),
    "'0' is not a number above zero": ("scale", ["--grid", 8, "x=ones:0", "by=1"]),
    "256 does not fit into uchar": ("same_uchar", ["--grid", 1, "x=256", "y=zeros:1"]),
    "-1 does not fit into uint": ("same_uint", ["--grid", 1, "x=-1", "y=zeros:1"]),
    "give zeros or a file": ("unpack", ["--grid", 1, "pairs=ones:1", "x=zeros:1", "y=zeros:1"]),
    "no kernel named 'spin'": ("spin", ["--grid", 8]),
    "needs --grid": ("scale", ["x=ones:8", "by=1"]),
    "more than three dimensions": ("scale", ["--grid", "1,2,3,4"]),
    "2048 threads; 'scale' takes at most 1024": ("scale", ["--grid", 4096, "--threadgroup", 2048, "x=ones:8", "by=1"]),
    "has no buffer 'y'": ("scale", ["--grid", 8, "x=ones:8", "by=1", "--save", "y=y.npy"]),
    "unknown option '--gird'": ("scale", ["--gird", 8]),
}  # fmt: skip


@pytest.mark.parametrize("complaint", MISTAKES)
def test_mistakes_are_named(complaint, run):
    kernel, arguments = MISTAKES[complaint]
    result = run(kernel, *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert complaint in result.stderr and "mslc run --help" in result.stderr


def test_a_choice_of_kernels_is_listed(source):
    result = mslc("run", source, "--grid", 8)
    assert result.returncode == 2 and "choose one with --kernel: 'scale', 'place'" in result.stderr


BAD_FILES = {
    "takes float32, but": lambda path: np.save(path, np.zeros(8)),
    "in Fortran order": lambda path: np.save(path, np.zeros((4, 2), "f4", order="F")),
    "big-endian": lambda path: np.save(path, np.zeros(8, ">f4")),
    "are not numbers": lambda path: np.save(path, np.array(["text"])),
    "not an .npy file": lambda path: path.write_text("float32 1 2 3 4"),
    "cut short": lambda path: (np.save(path, np.zeros(8, "f4")), path.write_bytes(path.read_bytes()[:-1])),
}


@pytest.mark.parametrize("complaint", BAD_FILES)
def test_files_that_cannot_be_used_are_named(complaint, run, tmp_path):
    path = tmp_path / "x.npy"
    BAD_FILES[complaint](path)
    result = run("scale", "--grid", 8, f"x={path}", "by=1")
    assert result.returncode == 2 and str(path) in result.stderr and complaint in result.stderr
