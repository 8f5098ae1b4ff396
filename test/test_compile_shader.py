"""torch_metal.compile_shader behaves as torch.mps.compile_shader."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import torch_metal

SOURCE = """
#include <metal_stdlib>
#include <c10/metal/error.h>
using namespace metal;
kernel void full(device float* out, constant float& value, uint i [[thread_position_in_grid]]) { out[i] = value; }
kernel void add_int(device int* x, constant int& n, uint i [[thread_position_in_grid]]) { x[i] += n; }
kernel void scale(device float* x, constant float* by, uint i [[thread_position_in_grid]]) { x[i] *= by[i % 3]; }
kernel void place(device int* out, constant uint2& size, uint2 p [[thread_position_in_grid]],
                  uint2 group [[threads_per_threadgroup]]) { out[p.y * size.x + p.x] = p.y * 100 + p.x + 10000 * group.x; }
kernel void complain(device float* x, device c10::metal::ErrorMessages* errors, uint i [[thread_position_in_grid]]) {
  if (i == 3) TORCH_REPORT_ERROR(errors, "value ", int(i), " is bad");
}
kernel void reverse(device int* x, threadgroup int* shared [[threadgroup(0)]], uint t [[thread_index_in_threadgroup]],
                    uint n [[threads_per_threadgroup]]) {
  shared[t] = x[t];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  x[t] = shared[n - 1 - t];
}
kernel void two_blocks(device int* out, threadgroup int* a [[threadgroup(0)]], threadgroup int* b [[threadgroup(2)]],
                       uint t [[thread_index_in_threadgroup]]) {
  a[t] = t;
  b[t] = 100 + t;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  out[t] = a[3 - t] + 1000 * b[t];
}
[[max_total_threads_per_threadgroup(64)]] kernel void fixed(device int* x, uint i [[thread_position_in_grid]]) {
  threadgroup int shared[32];
  shared[i % 32] = i;
  x[i] = shared[i % 32];
}
template <typename T>
kernel void give(device T* out, constant T& value) { *out = value; }
#define GIVE(T) template [[host_name("give_" #T)]] kernel void give<T>(device T*, constant T&);
GIVE(bool) GIVE(char) GIVE(uchar) GIVE(short) GIVE(ushort) GIVE(int) GIVE(uint) GIVE(long) GIVE(half) GIVE(bfloat)
GIVE(float) GIVE(float3)
struct Mixed { long n; float x; bool b; };
kernel void fields(device float* out, constant Mixed& m) { *out = m.n + m.x + (m.b ? 1000 : 0); }
"""

TORCH_TYPES = {
    "bool": torch.bool, "char": torch.int8, "uchar": torch.uint8, "short": torch.int16, "ushort": torch.uint16,
    "int": torch.int32, "uint": torch.uint32, "long": torch.int64, "half": torch.float16, "bfloat": torch.bfloat16,
    "float": torch.float32,
}  # fmt: skip


@pytest.fixture(scope="module")
def shader():
    return torch_metal.compile_shader(SOURCE)


def test_kernels_are_attributes(shader):
    assert {"full", "add_int", "scale", "place", "complain"} <= set(dir(shader))
    assert shader.full.thread_execution_width == 32
    assert shader.full.max_threads_per_threadgroup == 1024
    with pytest.raises(AttributeError, match="nothing"):
        shader.nothing


def test_numbers_and_default_grid(shader, device):
    x = torch.zeros(1000, device=device)
    shader.full(x, 3.5)
    assert x.cpu().tolist() == [3.5] * 1000


def test_numbers_can_be_cast(shader, device):
    x = torch.arange(5, dtype=torch.int32).to(device)
    shader.add_int(x, 7, arg_casts="int32")
    shader.add_int(x, 1, arg_casts={1: "int32"})
    assert x.cpu().tolist() == [8, 9, 10, 11, 12]


def test_lists_are_arrays(shader, device):
    x = torch.ones(6, device=device)
    shader.scale(x, [1.0, 2.0, 3.0])
    assert x.cpu().tolist() == [1, 2, 3, 1, 2, 3]


def test_two_dimensional_grid_and_group_size(shader, device):
    out = torch.zeros(3, 5, dtype=torch.int32, device=device)
    shader.place(out, [5, 3], threads=(5, 3), group_size=(4, 1), arg_casts="uint32")
    values = out.cpu() % 10000
    assert values.tolist() == [[y * 100 + x for x in range(5)] for y in range(3)]


def test_views_are_passed_with_their_offset(shader, device):
    x = torch.zeros(10, device=device)
    shader.full(x[4:8], 1.0)
    assert x.cpu().tolist() == [0] * 4 + [1] * 4 + [0] * 2


def test_wrong_arguments_are_refused(shader, device):
    x = torch.zeros(4, device=device)
    with pytest.raises(RuntimeError, match="takes 2 arguments, got 1"):
        shader.full(x)
    with pytest.raises(RuntimeError, match="on metal"):
        shader.full(torch.zeros(4), 1.0)
    with pytest.raises(RuntimeError, match="threads"):
        shader.full(x, 1.0, group_size=2048)
    with pytest.raises(RuntimeError, match=r"A threadgroup of 'full' has 1 to 1024 threads, not 0 x 1 x 1"):
        shader.full(x, 1.0, group_size=0)


@pytest.mark.parametrize("value", ["text", None, 1j, {}, [[1.0]], [None], object()])
def test_what_is_no_number_is_a_type_error(value, shader, device):
    with pytest.raises(TypeError, match=r"Argument 1 \('value'\) of 'full': a kernel takes tensors, numbers"):
        shader.full(torch.zeros(4, device=device), value)


def test_tensors_elsewhere_are_refused(shader, device):
    with pytest.raises(RuntimeError, match=r"Argument 0 \('out'\) of 'full': expected a tensor on metal, got one on cpu"):
        shader.full(torch.zeros(4), 1.0)


@pytest.mark.parametrize("dtype", ["bool", "char", "uchar", "short", "ushort", "int", "uint", "long", "half", "bfloat", "float"])
def test_numbers_become_the_type_that_the_kernel_declares(dtype, shader, device):
    out = torch.zeros(4, dtype=TORCH_TYPES[dtype], device=device)
    give = getattr(shader, f"give_{dtype}")
    give(out, 1, threads=1)
    assert out[0].item() == 1
    give(out, torch.tensor(0, dtype=torch.int64), threads=1)
    assert out[0].item() == 0
    if out.dtype.is_floating_point:
        give(out, -2.5, threads=1)
        assert out[0].item() == -2.5
    else:
        with pytest.raises(TypeError, match=f"2.5 is not a whole number, as {dtype} needs"):
            give(out, 2.5)


LIMITS = {"bool": (0, 1), "char": (-128, 127), "uchar": (0, 255), "short": (-(2**15), 2**15 - 1), "ushort": (0, 2**16 - 1),
          "int": (-(2**31), 2**31 - 1), "uint": (0, 2**32 - 1), "long": (-(2**63), 2**63 - 1)}  # fmt: skip


@pytest.mark.parametrize("dtype", LIMITS)
def test_integers_out_of_range_are_an_overflow(dtype, shader, device):
    out = torch.zeros(1, dtype=TORCH_TYPES[dtype], device=device)
    give = getattr(shader, f"give_{dtype}")
    for limit, beyond in zip(LIMITS[dtype], (LIMITS[dtype][0] - 1, LIMITS[dtype][1] + 1)):
        give(out, limit)
        assert out.cpu().item() == limit
        with pytest.raises(OverflowError, match=f"{beyond} does not fit into {dtype}"):
            give(out, beyond)
    with pytest.raises(OverflowError):
        shader.give_float(torch.zeros(1, device=device), 10**400)


def test_a_cast_overrides_the_declared_type(shader, device):
    out = torch.zeros(1, dtype=torch.int32, device=device)
    shader.give_int(out, 1.0, arg_casts={1: "fp32"})
    assert out.cpu().view(torch.float32).item() == 1.0
    with pytest.raises(ValueError, match="unknown cast 'int4'; there are fp32"):
        shader.give_int(out, 1, arg_casts="int4")
    with pytest.raises(TypeError, match="arg_casts"):
        shader.give_int(out, 1, arg_casts=5)


def test_vectors_of_three_are_padded(shader, device):
    out = torch.zeros(4, device=device)
    shader.give_float3(out, (1, 2, 3), threads=1)
    assert out.cpu().tolist()[:3] == [1, 2, 3]
    with pytest.raises(RuntimeError, match="needs 16 bytes, got 8"):
        shader.give_float3(out, (1, 2))


def test_structures_take_bytes_of_fixed_width(shader, device):
    out = torch.zeros(1, device=device)
    shader.fields(out, torch.tensor([5], dtype=torch.int64, device=device).expand(2).contiguous())
    assert out.cpu().item() == 5
    with pytest.raises(RuntimeError, match="needs 16 bytes, got 12"):
        shader.fields(out, [5, 2.5])
    shader.fields(out, [5, 2.5, True, False, False, False])
    assert out.cpu().item() == 1007.5


def test_lists_have_a_limit(shader, device):
    x = torch.ones(3, device=device)
    shader.scale(x, [2.0] * 1024)
    assert x.cpu().tolist() == [2] * 3
    with pytest.raises(RuntimeError, match="4100 bytes of numbers are too many; the limit is 4096 bytes. Pass a tensor"):
        shader.scale(x, [2.0] * 1025)
    with pytest.raises(RuntimeError, match="needs 4 bytes, got 0 bytes"):
        shader.scale(x, [])


def test_strided_tensors_are_passed_by_address(shader, device):
    x = torch.zeros(4, 4, device=device)
    shader.full(x.t()[1:], 1.0, threads=2)
    assert x.cpu().flatten().nonzero().flatten().tolist() == [1, 2]


@pytest.mark.parametrize("threads", [-1, 2**31 + 1, [1, -1]])
def test_sizes_out_of_range_are_a_value_error(threads, shader, device):
    with pytest.raises(ValueError, match="is not between 0 and 2\\^31"):
        shader.full(torch.zeros(4, device=device), 1.0, threads=threads)


def test_sizes_are_one_to_three_ints(shader, device):
    x = torch.zeros(4, device=device)
    for threads in (1.5, "4", [1, None]):
        with pytest.raises(TypeError, match="threads is an int or 1 to 3 of them"):
            shader.full(x, 1.0, threads=threads)
    for threads in ([], [1, 1, 1, 1]):
        with pytest.raises(RuntimeError, match="threads has 1 to 3 dimensions"):
            shader.full(x, 1.0, threads=threads)
    shader.full(x, 1.0, threads=0)
    assert x.cpu().tolist() == [0] * 4


def test_threadgroup_memory_is_given_in_bytes(shader, device):
    x = torch.arange(64, dtype=torch.int32).to(device)
    shader.reverse(x, threadgroup_memory=256)
    assert x.cpu().tolist() == list(range(63, -1, -1))
    out = torch.zeros(4, dtype=torch.int32, device=device)
    shader.two_blocks(out, threadgroup_memory={0: 16, 2: 16})
    assert out.cpu().tolist() == [3 + 100000, 2 + 101000, 1 + 102000, 103000]
    with pytest.raises(RuntimeError, match=r"'reverse' needs threadgroup_memory: the bytes of 'shared', \[\[threadgroup\(0\)\]\]"):
        shader.reverse(x)
    with pytest.raises(RuntimeError, match=r"'full' has no argument \[\[threadgroup\(0\)\]\]"):
        shader.full(x, 1.0, threadgroup_memory=16)
    with pytest.raises(TypeError, match="threadgroup_memory is an int, or a dict"):
        shader.reverse(x, threadgroup_memory="256")


def test_kernels_tell_what_they_take(shader):
    assert shader.place.name == "place"
    assert shader.place.arguments == [("out", "buffer", 0, "int", 4, False), ("size", "buffer", 1, "uint2", 8, True)]
    assert shader.reverse.arguments[1][:3] == ("shared", "threadgroup", 0)
    assert shader.fields.arguments[1][3:] == ("struct", 16, True)
    assert shader.fixed.max_threads_per_threadgroup == 64
    assert shader.fixed.static_thread_group_memory_length == 128
    assert shader.full.static_thread_group_memory_length == 0


def test_includes_are_found_in_folders_and_beside_each_other(device, tmp_path):
    (tmp_path / "a" / "inner").mkdir(parents=True)
    (tmp_path / "a" / "outer.h").write_text('#pragma once\n#include "inner/one.h"\nconstant int two = one + 1;\n')
    (tmp_path / "a" / "inner" / "one.h").write_text('#include "../zero.h"\nconstant int one = zero + 1;\n')
    (tmp_path / "a" / "zero.h").write_text("#pragma once\nconstant int zero = 0;\n")
    (tmp_path / "item.def").write_text("ITEM\n")
    source = """
#include "outer.h"
#include <outer.h>
#include <c10/metal/utils.h>
#define ITEM constant int first = 10;
#include "item.def"
#undef ITEM
#define ITEM constant int second = 20;
#include "item.def"
kernel void k(device int* x) { *x = two + first + c10::metal::max(0, second); }"""
    x = torch.zeros(1, dtype=torch.int32, device=device)
    torch_metal.compile_shader(source, include_directories=[tmp_path / "a", str(tmp_path)]).k(x)
    assert x.cpu().item() == 32
    with pytest.raises(RuntimeError, match="program_source:2:10: fatal error: 'outer.h' file not found"):
        torch_metal.compile_shader(source)


def test_mistakes_in_included_files_are_reported_there(device, tmp_path):
    (tmp_path / "bad.h").write_text("\nint f() { return oops; }\n")
    with pytest.raises(RuntimeError, match=r"bad.h:2:18: error: .*oops"):
        torch_metal.compile_shader('#include "bad.h"\n', include_directories=[tmp_path])
    (tmp_path / "loop.h").write_text('#include "loop.h"\n')
    with pytest.raises(RuntimeError, match="include each other without end.*loop.h"):
        torch_metal.compile_shader('#include "loop.h"\n', include_directories=[tmp_path])


def test_macros_are_defined(device):
    source = "kernel void NAME(device float* x) { *x = VALUE + FLAG; }"
    x = torch.zeros(1, device=device)
    torch_metal.compile_shader(source, macros={"NAME": "k", "VALUE": 2.5, "FLAG": True}).k(x)
    assert x.cpu().item() == 3.5


CONSTANTS = """
#include <metal_stdlib>
using namespace metal;
constant float factor [[function_constant(0)]];
constant bool negate [[function_constant(1)]];
constant uint3 shift [[function_constant(7)]];
kernel void k(device float* x) { *x = (negate ? -factor : factor) + shift.x + 10 * shift.y + 100 * shift.z; }
"""


def test_function_constants_are_given_by_name(device):
    x = torch.zeros(1, device=device)
    for constants, expected in [
        ({"factor": 0.5, "negate": True, "shift": (1, 2, 3)}, 320.5),
        ({"factor": 2, "negate": False, "shift": (0, 0, 0)}, 2),
    ]:
        torch_metal.compile_shader(CONSTANTS, constants=constants).k(x)
        assert x.cpu().item() == expected


@pytest.mark.parametrize(
    ("constants", "error", "message"),
    [
        ({"fact": 1}, ValueError, "no function constant 'fact'"),
        ({"factor": "1"}, TypeError, "Function constant 'factor': a kernel takes"),
        ({"factor": [1, 2]}, RuntimeError, r"Function constant 'factor' is one float, not \[1, 2\]"),
        ({"negate": 2}, OverflowError, "Function constant 'negate': 2 does not fit into bool"),
        ({"shift": (1, 2, -3)}, OverflowError, "-3 does not fit into uint"),
        ({"shift": (1, 2)}, RuntimeError, "'shift' is one uint3"),
    ],
)
def test_wrong_function_constants_are_named(constants, error, message, device):
    with pytest.raises(error, match=message):
        torch_metal.compile_shader(CONSTANTS, constants=constants)


def test_fast_math_is_off_unless_asked_for(device):
    source = "kernel void k(device float* x) { *x = __METAL_FAST_MATH__; }"
    x = torch.zeros(1, device=device)
    for fast_math in (False, True):
        torch_metal.compile_shader(source, fast_math=fast_math).k(x)
        assert x.cpu().item() == fast_math


def test_source_that_is_not_metal_raises_with_line_and_column(device):
    with pytest.raises(RuntimeError, match=r"program_source:3:\d+: error: .*oops"):
        torch_metal.compile_shader("#include <metal_stdlib>\n\nkernel void f(device float* x) { oops; }\n")


def test_reported_errors_raise_at_the_next_synchronisation(shader, device):
    shader.complain(torch.zeros(8, device=device), error_buf_idx=1)
    with pytest.raises(torch.AcceleratorError, match="complain: value 3 is bad"):
        torch.metal.synchronize()
    torch.metal.synchronize()  # raised once
    x = torch.zeros(4, device=device)
    shader.full(x, 1.0)
    assert x.cpu().tolist() == [1] * 4


def test_a_library_can_be_dropped_before_its_kernel(device):
    kernel = torch_metal.compile_shader(SOURCE).full
    x = torch.zeros(4, device=device)
    kernel(x, 2.0)
    assert x.cpu().tolist() == [2] * 4


@pytest.mark.parametrize(("dtype", "value", "bits"), [
    ("half", 65519.9, 0x7BFF), ("half", 65520.0, 0x7C00), ("half", -1e300, 0xFC00), ("half", 2.98e-8, 0),
    ("half", 2049, 0x6800), ("half", 2051, 0x6802), ("bfloat", 1.00390625, 0x3F80), ("bfloat", 1.01171875, 0x3F82),
    ("bfloat", 3.4e38, 0x7F80), ("bfloat", float("nan"), 0x7FC0),
])  # fmt: skip
def test_numbers_are_rounded_to_nearest_even(dtype, value, bits, shader, device):
    out = torch.zeros(1, dtype=TORCH_TYPES[dtype], device=device)
    getattr(shader, f"give_{dtype}")(out, value)
    assert out.cpu().view(torch.uint16).item() == bits


def test_floats_beyond_the_range_are_infinite(shader, device):
    out = torch.zeros(1, device=device)
    for value in (3.5e38, -1e300):
        shader.give_float(out, value)
        assert out.cpu().item() == value * float("inf")


def test_neither_calls_nor_waits_are_operators(shader, device):
    """So that modes, as that of fake tensors, leave them alone."""

    class Watch(TorchDispatchMode):
        seen = []

        def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
            self.seen.append(operator)
            return operator(*args, **(kwargs or {}))

    x = torch.zeros(4, device=device)
    with Watch() as mode:
        shader.full(x, 1.0)
        torch.metal.synchronize()
        torch_metal.route_counts()
    assert mode.seen == []
