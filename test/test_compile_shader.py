"""torch_metal.compile_shader behaves as torch.mps.compile_shader."""

import pytest
import torch

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
"""


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
    with pytest.raises(TypeError):
        shader.full(x, "text")


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
