"""Validation mode finds what a kernel does wrong, says where, and lets the process go on."""

import re

import pytest

from .tool import PRELUDE, mslc

# A comment `// FAULT` marks the line that must be named; the kernel's name is what the case is called.
SOURCE = PRELUDE + """
constant int table[4] = {1, 2, 3, 4};
struct Pair { float x; int y; };

kernel void write_past_the_end(device float* x, uint i [[thread_position_in_grid]]) {
  x[i] = 1;  // FAULT write_past_the_end
}
kernel void read_past_the_end(device const float* x, device float* y, uint i [[thread_position_in_grid]]) {
  y[i] = 5 + x[i];  // FAULT read_past_the_end
}
kernel void read_before_the_start(device const int* x, device int* y, uint i [[thread_position_in_grid]]) {
  y[i] = x[int(i) - 1];  // FAULT read_before_the_start
}
kernel void read_past_constant_memory(constant Pair* x, device int* y, uint i [[thread_position_in_grid]]) {
  y[i] = x[i].y;  // FAULT read_past_constant_memory
}
kernel void read_past_a_table(device int* y, uint i [[thread_position_in_grid]]) {
  y[i] = table[i];  // FAULT read_past_a_table
}
kernel void write_past_a_threadgroup_variable(device int* y, uint i [[thread_position_in_grid]]) {
  threadgroup int tile[16];
  threadgroup int other[16];
  other[i % 16] = 7;
  tile[i] = i;  // FAULT write_past_a_threadgroup_variable
  y[i] = tile[i % 16] + other[i % 16];
}
kernel void write_past_threadgroup_memory(device int* y, threadgroup int* tile, uint i [[thread_position_in_grid]]) {
  tile[i] = i;  // FAULT write_past_threadgroup_memory
  y[i] = tile[i % 8];
}
kernel void add_past_the_end(device atomic_int* x, uint i [[thread_position_in_grid]]) {
  atomic_fetch_add_explicit(&x[i], 1, memory_order_relaxed);  // FAULT add_past_the_end
}
inline void put(device float* x, uint i) {
  x[i] = 1;  // FAULT write_in_a_function
}
kernel void write_in_a_function(device float* x, uint i [[thread_position_in_grid]]) { put(x, i); }
kernel void misaligned(device char* x, device float* y, uint i [[thread_position_in_grid]]) {
  y[i] = *reinterpret_cast<device float*>(x + 1);  // FAULT misaligned
}
kernel void uninitialised(device int* y, uint i [[thread_position_in_grid]]) {
  threadgroup int tile[64];
  if (i < 16) tile[i] = i;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  y[i] = 3 + tile[i];  // FAULT uninitialised
}
kernel void divergent_barrier(device int* y, uint i [[thread_position_in_grid]]) {
  threadgroup int tile[64];
  tile[i] = i;
  if (i < 40) threadgroup_barrier(mem_flags::mem_threadgroup);  // FAULT divergent_barrier
  y[i] = tile[i];
}
kernel void barrier_of_one_simdgroup(device int* y, uint i [[thread_position_in_grid]]) {
  y[i] = i;
  if (i < 32) threadgroup_barrier(mem_flags::mem_threadgroup);  // FAULT barrier_of_one_simdgroup
}
kernel void race_in_a_threadgroup(device int* y, uint i [[thread_position_in_grid]]) {
  threadgroup int tile[64];
  tile[63 - i] = -1;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  tile[i] = i;
  y[i] = tile[63 - i];  // FAULT race_in_a_threadgroup
}
kernel void race_of_two_threadgroups(device int* y, uint i [[thread_position_in_grid]]) {
  y[i % 32] = i;  // FAULT race_of_two_threadgroups
}
kernel void race_with_an_atomic(device atomic_int* y, uint i [[thread_position_in_grid]]) {
  if (i < 32) atomic_fetch_add_explicit(y, 1, memory_order_relaxed);
  else *reinterpret_cast<device int*>(y) = 100;  // FAULT race_with_an_atomic
}
kernel void barrier_of_the_wrong_memory(device int* y, uint i [[thread_position_in_grid]]) {
  threadgroup int tile[64];
  tile[i] = i;
  threadgroup_barrier(mem_flags::mem_device);
  y[i] = tile[63 - i];  // FAULT barrier_of_the_wrong_memory
}
kernel void values_of_lanes(device int* y, uint i [[thread_position_in_grid]]) {
  y[0] = i;  // FAULT values_of_lanes
}
kernel void vectors_of_two_threadgroups(device float4* y, uint g [[threadgroup_position_in_grid]]) {
  y[0] = float4(1, 2, 3, g);  // FAULT vectors_of_two_threadgroups
}
kernel void vectors_of_lanes(device float3* y, uint i [[thread_position_in_grid]]) {
  y[1] = float3(i, 2, 3);  // FAULT vectors_of_lanes
}
kernel void race_before_a_fence(device int* y, device atomic_uint* count, uint g [[threadgroup_position_in_grid]]) {
  atomic_thread_fence(mem_flags::mem_device, memory_order_seq_cst);
  atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
  y[0] = g;  // FAULT race_before_a_fence
}
kernel void many(device int* x, uint i [[thread_position_in_grid]]) {
  x[i + 1] = 1;
  x[i + 2] = 1;
  x[i + 3] = 1;
  x[i + 4] = 1;
  x[i + 5] = 1;
  x[i + 6] = 1;
  x[i + 7] = 1;
  x[i + 8] = 1;
  x[i + 9] = 1;
  x[i + 10] = 1;
  x[i + 11] = 1;
  x[i + 12] = 1;
}

kernel void reduce(device const float* x, device float* sum, device atomic_uint* count, threadgroup float* scratch,
                   uint t [[thread_index_in_threadgroup]], uint g [[threadgroup_position_in_grid]],
                   uint n [[threads_per_threadgroup]], uint i [[thread_position_in_grid]],
                   uint lane [[thread_index_in_simdgroup]], uint simdgroup [[simdgroup_index_in_threadgroup]]) {
  threadgroup float partial[32];
  threadgroup bool done;
  done = true;
  scratch[t] = x[i];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (uint step = n / 2; step > 0; step /= 2) {
    if (t < step) scratch[t] += scratch[t + step];
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  const float of_simdgroup = simd_sum(x[i]);
  if (lane == 0) partial[simdgroup] = of_simdgroup;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (simdgroup == 0) {
    const float total = simd_sum(lane < n / 32 ? partial[lane] : 0);
    if (lane == 0) sum[g] = done && total == scratch[0] ? total : -1;
  }
  atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
}
kernel void sum_by_the_last(device int* partial, device int* sum, device atomic_uint* count,
                            uint g [[threadgroup_position_in_grid]], uint groups [[threadgroups_per_grid]]) {
  partial[g] = g;
  atomic_thread_fence(mem_flags::mem_device, memory_order_seq_cst);
  if (atomic_fetch_add_explicit(count, 1, memory_order_relaxed) + 1 < groups) return;
  atomic_thread_fence(mem_flags::mem_device, memory_order_seq_cst);
  int total = 0;
  for (uint i = 0; i < groups; ++i) total += partial[i];
  sum[0] = total;
}
kernel void one_vector(device float4* y) { y[0] = float4(1, 2, 3, 4); }
kernel void transpose(device const float* x, device float* y, constant uint& n, uint2 t [[thread_position_in_threadgroup]],
                      uint2 g [[threadgroup_position_in_grid]]) {
  threadgroup float tile[16][17];
  tile[t.y][t.x] = x[(g.y * 16 + t.y) * n + g.x * 16 + t.x];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  y[(g.x * 16 + t.y) * n + g.y * 16 + t.x] = tile[t.x][t.y];
}
kernel void exchange_in_a_simdgroup(device int* y, uint i [[thread_position_in_grid]]) {
  threadgroup int tile[32];
  tile[i] = i;
  simdgroup_barrier(mem_flags::mem_threadgroup);
  y[i] = tile[31 - i] + table[i % 4];
}
kernel void find(device const int* x, device int* y, uint i [[thread_position_in_grid]]) {
  int n = 0;
  while (x[n] == 0) n++;
  y[i] = 2 + n;
}
kernel void product(device const float* a, device const float* b, device float* c) {
  simdgroup_float8x8 x, y, z(0);
  simdgroup_load(x, a, 8);
  simdgroup_load(y, b, 8, 0, true);
  simdgroup_multiply_accumulate(z, x, y, z);
  simdgroup_store(z, c, 8);
}
"""

# Kernel: arguments, and what its report says of the first fault.
FAULTS = {
    "write_past_the_end": (["--grid", 8, "x=zeros:6"], r"out-of-bounds write of 4 bytes at byte 24 \(element 6\) of buffer 0 'x'"
                           r", which has 24 bytes; thread \(6, 0, 0\), which is \(6, 0, 0\) in threadgroup \(0, 0, 0\)"),
    "read_past_the_end": (["--grid", 8, "--threadgroup", 4, "x=zeros:6", "y=zeros:8"],
                          r"out-of-bounds read of 4 bytes at byte 24 \(element 6\) of buffer 0 'x'.*"
                          r"thread \(6, 0, 0\), which is \(2, 0, 0\) in threadgroup \(1, 0, 0\)"),
    "read_before_the_start": (["--grid", 8, "x=zeros:8", "y=zeros:8"], r"read of 4 bytes at byte -4 of buffer 0 'x'"),
    "read_past_constant_memory": (["--grid", 8, "x=zeros:5", "y=zeros:8"], r"at byte 44 \(element 5\) of buffer 0 'x'"),
    "read_past_a_table": (["--grid", 8, "y=zeros:8"], r"out-of-bounds read of 4 bytes at byte 16 of constant 'table'"),
    "write_past_a_threadgroup_variable": (["--grid", 20, "y=zeros:20"], r"at byte 64 of threadgroup variable 'tile'"),
    "write_past_threadgroup_memory": (["--grid", 16, "y=zeros:16", "tile=32"],
                                      r"at byte 32 \(element 8\) of threadgroup memory 0 'tile'"),
    "add_past_the_end": (["--grid", 8, "x=zeros:4"], r"out-of-bounds atomic operation of 4 bytes at byte 16"),
    "write_in_a_function": (["--grid", 8, "x=zeros:6"], r"out-of-bounds write"),
    "misaligned": (["--grid", 1, "x=zeros:8", "y=zeros:1"], r"misaligned read of 4 bytes at byte 1.*a multiple of 4"),
    "uninitialised": (["--grid", 64, "y=zeros:64"], r"read of 4 bytes of uninitialised threadgroup memory at byte 64 of "
                      r"threadgroup variable 'tile', which has 256 bytes; thread \(16, 0, 0\)"),
    "divergent_barrier": (["--grid", 64, "y=zeros:64"], r"not reached by all threads.*thread \(40, 0, 0\)"),
    "barrier_of_one_simdgroup": (["--grid", 64, "y=zeros:64"], r"not reached by all threads of the threadgroup"),
    "race_in_a_threadgroup": (["--grid", 64, "y=zeros:64"], r"data race at byte \d+ of threadgroup variable 'tile'"),
    "race_of_two_threadgroups": (["--grid", 64, "--threadgroup", 32, "y=zeros:64"], r"data race at byte \d+ .*buffer 0 'y'.*"
                                 r"threadgroup \(1, 0, 0\), and write of 4 bytes at .* threadgroup \(0, 0, 0\)"),
    "race_with_an_atomic": (["--grid", 64, "y=zeros:1"], r"data race at byte 0"),
    "barrier_of_the_wrong_memory": (["--grid", 64, "y=zeros:64"], r"data race at byte \d+ of threadgroup variable 'tile'"),
    "vectors_of_two_threadgroups": (["--grid", 4, "--threadgroup", 1, "y=zeros:1"], r"data race at byte 12 .*buffer 0 'y'"),
    "vectors_of_lanes": (["--grid", 32, "y=zeros:2"], r"data race: writes of different values to one address"),
    "race_before_a_fence": (["--grid", 4, "--threadgroup", 1, "y=zeros:1", "count=zeros:1"], r"data race at byte 0 .*buffer 0 'y'"),
    "values_of_lanes": (["--grid", 32, "y=zeros:1"], r"data race: writes of different values to one address"),
}  # fmt: skip

CLEAN = {
    "reduce": ["--grid", 512, "--threadgroup", 128, "x=ones:512", "sum=zeros:4", "count=zeros:1", "scratch=512"],
    "sum_by_the_last": ["--grid", 5, "--threadgroup", 1, "partial=zeros:5", "sum=zeros:1", "count=zeros:1"],
    "one_vector": ["--grid", 64, "--threadgroup", 32, "y=zeros:1"],
    "transpose": ["--grid", "64,64", "--threadgroup", "16,16", "x=random:4096", "y=zeros:4096", "n=64"],
    "exchange_in_a_simdgroup": ["--grid", 32, "y=zeros:32"],
    "product": ["--grid", 32, "a=ones:64", "b=ones:64", "c=zeros:64"],
    "write_past_the_end": ["--grid", 6, "x=zeros:6"],
}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("validate") / "k.metal"
    path.write_text(SOURCE)
    return path


@pytest.fixture
def validate(source):
    return lambda kernel, *arguments: mslc("run", source, "--validate", "--kernel", kernel, *arguments)


def line_of(kernel):
    return next(i for i, line in enumerate(SOURCE.split("\n"), 1) if line.endswith(f"// FAULT {kernel}"))


@pytest.mark.parametrize("kernel", FAULTS)
def test_a_fault_is_reported_with_its_place(kernel, validate):
    arguments, text = FAULTS[kernel]
    result = validate(kernel, *arguments)
    assert result.returncode == 4, result.stderr
    first, *faults = result.stderr.rstrip().split("\n")
    assert first.startswith(f"mslc: validation of kernel '{kernel}' found {len(faults)} fault")
    here = [fault for fault in faults if f"k.metal:{line_of(kernel)}:" in fault or f"k.metal:{line_of(kernel)} (" in fault]
    assert re.search(text, here[0]), here[0]
    # The second SIMD-group writes what the first has read, and reads what the first has written.
    assert len(faults) == (2 if kernel == "race_in_a_threadgroup" else 1)


@pytest.mark.parametrize("kernel", CLEAN)
def test_a_correct_kernel_reports_nothing(kernel, validate):
    result = validate(kernel, *CLEAN[kernel])
    assert (result.returncode, result.stderr) == (0, "")


def test_wrong_loads_give_zero_and_wrong_stores_are_dropped(validate):
    result = validate("read_past_the_end", *FAULTS["read_past_the_end"][0][:-2], "x=1,1,1,1,1,1", "y=zeros:8")
    assert "6 6 6 6 ... 6 6 5 5" in result.stdout or "6 6 6 6 6 6 5 5" in result.stdout
    result = validate("write_past_a_threadgroup_variable", *FAULTS["write_past_a_threadgroup_variable"][0])
    assert re.search(r"7 8 9 10 \.\.\. 7 8 9 10", result.stdout), result.stdout


def test_the_first_ten_places_are_described(validate):
    result = validate("many", "--grid", 8, "x=zeros:8")
    assert "found 12 faults:" in result.stderr
    assert result.stderr.count("out-of-bounds") == 10
    assert result.stderr.rstrip().endswith("and 2 more")


def test_a_fault_in_a_function_names_its_caller_too(validate):
    result = validate("write_in_a_function", "--grid", 8, "x=zeros:6")
    assert re.search(rf"k\.metal:{line_of('write_in_a_function')} \(called at .*k\.metal:\d+\)", result.stderr)


def test_code_is_the_same_whether_or_not_another_compilation_validates(source):
    def code():
        return mslc("--emit=asm", "--kernel", "reduce", source).stdout

    before = code()
    checked = mslc("--emit=asm", "--validate", "--kernel", "reduce", source).stdout
    assert "mslc_check" in checked
    assert "mslc_check" not in before
    assert code() == before


def test_loops_give_what_they_give_without_checks(validate):
    result = validate("find", "--grid", 64, "x=0,0,0,0,1,0", "y=zeros:64")
    assert (result.returncode, result.stderr) == (0, "") and "6 6 6 6 ... 6 6 6 6" in result.stdout, result.stdout
