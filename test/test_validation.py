"""TORCH_METAL_VALIDATE=1: faults of kernels raise at the next synchronise, and the process goes on."""

import json
import os
import re
import subprocess
import sys

import pytest
import torch

import torch_metal

SOURCE = """#include <metal_stdlib>
using namespace metal;
constant int table[4] = {5, 6, 7, 8};

kernel void fill(device float* x, uint i [[thread_position_in_grid]]) {
  x[i] = 1;  // FAULT fill
}
kernel void through(device float* device const* x, uint i [[thread_position_in_grid]]) {
  x[0][i] = 2;  // FAULT through
}
kernel void before(device float* x, uint i [[thread_position_in_grid]]) {
  x[-long(i) - 1] = 3;
}
kernel void scale(device int* y, constant int* x, uint i [[thread_position_in_grid]]) {
  y[i] = x[i];  // FAULT scale
}
kernel void look_up(device int* y, uint i [[thread_position_in_grid]]) {
  y[i] = table[i];  // FAULT look_up
}
kernel void past_tile(device int* y, uint i [[thread_position_in_grid]]) {
  threadgroup int tile[16];
  tile[i] = i;  // FAULT past_tile
  y[i] = tile[i % 16];
}
kernel void past_argument(device int* y, threadgroup int* tile [[threadgroup(0)]], uint i [[thread_position_in_grid]]) {
  tile[i] = i;  // FAULT past_argument
  y[i] = tile[0];
}
kernel void unwritten(device int* y, uint i [[thread_position_in_grid]]) {
  threadgroup int tile[64];
  if (i < 16) tile[i] = i;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  y[i] = tile[i];  // FAULT unwritten
}
kernel void half_a_barrier(device int* y, uint i [[thread_position_in_grid]]) {
  y[i] = 1;
  if (i < 40) threadgroup_barrier(mem_flags::mem_threadgroup);  // FAULT half_a_barrier
}
kernel void no_barrier(device int* y, uint i [[thread_position_in_grid]]) {
  threadgroup int tile[64];
  if (i < 32) tile[i] = -1;
  if (i >= 32) tile[i - 32] = i;  // FAULT no_barrier
  y[i] = 0;
}
kernel void shared_element(device int* y, uint g [[threadgroup_position_in_grid]]) {
  y[1] = g;  // FAULT shared_element
}
kernel void reverse(device int* y, uint i [[thread_position_in_grid]]) {
  threadgroup int tile[64];
  tile[i] = y[i];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  y[i] = tile[63 - i];
}
"""

SCRIPT = f"""
import json, torch, torch_metal
shader = torch_metal.compile_shader({SOURCE!r})
errors = {{}}
def synchronise():
    try:
        torch.accelerator.synchronize()
    except RuntimeError as error:
        return str(error)
def ints(n):
    return torch.zeros(n, dtype=torch.int32, device="metal")
def run(kernel, *arguments, **sizes):
    # The kernel, then another that is right.
    getattr(shader, kernel)(*arguments, **sizes)
    errors[kernel] = synchronise()
    y = torch.arange(64, dtype=torch.int32).to("metal")
    shader.reverse(y, threads=64, group_size=64)
    assert synchronise() is None and y.cpu().tolist() == list(range(63, -1, -1))
results = {{}}
x, y = torch.zeros(6, device="metal"), torch.zeros(6, device="metal")
shader.fill(x, threads=6)
errors["fill inside"] = synchronise()
run("fill", x, threads=8)
results["x"], results["y"] = x.cpu().tolist(), y.cpu().tolist()
shader.fill(x[2:], threads=5)
errors["fill a view"] = synchronise()
shader.before(x[2:], threads=3)
errors["before a view"] = synchronise()
torch.testing.assert_close(x.flip(0).cpu(), x.cpu().flip(0))

pointer = torch.tensor([y.data_ptr()]).to("metal")
shader.through(pointer, threads=6)
errors["through inside"] = synchronise()
run("through", pointer, threads=7)
results["through"] = y.cpu().tolist()

run("scale", ints(8), ints(5), threads=8)
run("look_up", ints(8), threads=8)
run("past_tile", ints(20), threads=20)
run("past_argument", ints(20), threads=20, threadgroup_memory=64)
run("unwritten", ints(64), threads=64, group_size=64)
run("half_a_barrier", ints(64), threads=64, group_size=64)
run("no_barrier", ints(64), threads=64, group_size=64)
run("shared_element", ints(2), threads=4, group_size=1)

# One synchronise, one error; what ran before and after it counts.
a, b = ints(64), torch.zeros(6, device="metal")
shader.fill(b, threads=7)
shader.reverse(a, threads=64, group_size=64)
errors["among others"] = synchronise()
errors["again"] = synchronise()

a = torch.randn(70, 130)
torch.testing.assert_close(a.to("metal").softmax(1).sum(0).cpu(), a.softmax(1).sum(0))
print(json.dumps([errors, results]))
"""


@pytest.fixture(scope="module")
def outcome():
    environment = {**os.environ, "TORCH_METAL_VALIDATE": "1"}
    result = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment, timeout=300)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


# Kernel: what is said of its first fault.
FAULTS = {
    "fill": r"out-of-bounds write of 4 bytes at byte 24 \(element 6\) of buffer 0 'x', which has 24 bytes; "
    r"thread \(6, 0, 0\), which is \(6, 0, 0\) in threadgroup \(0, 0, 0\)",
    "through": r"out-of-bounds write of 4 bytes at address 0x[0-9a-f]+, which is in no buffer; thread \(6, 0, 0\)",
    "scale": r"out-of-bounds read of 4 bytes at byte 20 \(element 5\) of buffer 1 'x', which has 20 bytes; thread \(5, 0, 0\)",
    "look_up": r"out-of-bounds read of 4 bytes at byte 16 of constant 'table', which has 16 bytes; thread \(4, 0, 0\)",
    "past_tile": r"out-of-bounds write of 4 bytes at byte 64 of threadgroup variable 'tile', which has 64 bytes; thread \(16, 0",
    "past_argument": r"out-of-bounds write of 4 bytes at byte 64 \(element 16\) of threadgroup memory 0 'tile'.*thread \(16, 0",
    "unwritten": r"read of 4 bytes of uninitialised threadgroup memory at byte 64 of threadgroup variable 'tile'.*thread \(16, 0",
    "half_a_barrier": r"threadgroup_barrier is not reached by all threads of the threadgroup: thread \(40, 0, 0\)",
    "no_barrier": r"data race at byte \d+ of threadgroup variable 'tile'.*write of 4 bytes by thread .*, and write of 4 bytes at "
    r"program_source:\d+ by thread .*with no barrier of this memory between them",
    "shared_element": r"data race at byte 4 \(element 1\) of buffer 0 'y'.*in threadgroup \(\d, 0, 0\), and write of 4 bytes at "
    r"program_source:\d+ by thread .*in threadgroup \(\d, 0, 0\)",
}


def line_of(kernel):
    return next(i for i, line in enumerate(SOURCE.split("\n"), 1) if line.endswith(f"// FAULT {kernel}"))


@pytest.mark.parametrize("kernel", FAULTS)
def test_a_fault_raises_at_the_next_synchronise_and_the_next_kernel_is_fine(kernel, outcome):
    error = outcome[0][kernel]
    assert error, "nothing was raised"
    first, *faults = error.split("\n")[:2]
    assert re.match(rf"metal: validation of kernel '{kernel}' found \d+ faults?:", first), error
    assert re.match(rf"  program_source:{line_of(kernel)}: {FAULTS[kernel]}", faults[0]), error


def test_a_kernel_that_stays_inside_raises_nothing(outcome):
    assert outcome[0]["fill inside"] is None and outcome[0]["through inside"] is None


def test_views_are_as_long_as_their_storage(outcome):
    assert "at byte 16 (element 4) of buffer 0 'x', which has 16 bytes" in outcome[0]["fill a view"]
    assert "at byte -12 of buffer 0 'x', which has 16 bytes and 8 before them" in outcome[0]["before a view"]


def test_an_error_is_raised_once(outcome):
    assert "kernel 'fill'" in outcome[0]["among others"] and outcome[0]["again"] is None


def test_writes_inside_are_made_and_others_dropped(outcome):
    assert outcome[1] == {"x": [1.0] * 6, "y": [0.0] * 6, "through": [2.0] * 6}


def test_nothing_is_checked_unless_asked_for(device):
    code = "kernel void fill(device float* x, uint i [[thread_position_in_grid]]) { x[i] = 1; }"
    x = torch.zeros(6, device=device)
    torch_metal.compile_shader(code).fill(x, threads=8)  # lands in the padding of the tensor's block
    torch.accelerator.synchronize()
