"""Every kernel keeps to what a Mac has: docs/macos.md. Broken ones are each found by the check meant for them."""

import os
import re
import subprocess
import sys

import pytest

from test.macos import air, kernel_list
from test.macos.kernel_check import ROOT, check_source, exceptions, sources, used_names

SOURCES = dict(sources(kernel_list.listed_kernels()))
STDLIB = ROOT / "csrc" / "mslc" / "stdlib"
LANGUAGE_VERSION = 3.1  # that the runtime asks for: compile_library in csrc/runtime/kernel_library.cpp
PRELUDE = "#include <metal_stdlib>\nusing namespace metal;\n"


@pytest.mark.parametrize("family", SOURCES)
def test_kernels_keep_to_what_a_mac_has(family):
    findings = check_source(SOURCES[family])
    assert not findings, "\n".join(map(str, findings))


def test_every_family_is_listed():
    """Each file has kernels in the list, so that the test above checks more than that the files parse."""
    assert {family for family, _ in kernel_list.listed_kernels()} == set(SOURCES)
    assert len(kernel_list.listed_kernels()) > 2500


# What is wrong, in a body and parameters besides `device float* x` and `uint i`; and the rule that has to find it.
BROKEN = {
    "double": ("refused", "double y = x[i]; x[i] = y * 2;", ""),
    "double by a builtin": ("double", "x[i] = __builtin_sqrt(x[i]);", ""),
    "33 KB of threadgroup memory": (
        "threadgroup memory",
        "threadgroup float a[33 * 256]; a[i] = x[i]; threadgroup_barrier(mem_flags::mem_threadgroup); x[i] = a[i ^ 1];",
        "",
    ),
    "33 KB in two variables": (
        "threadgroup memory",
        "threadgroup float4 a[16 * 64]; threadgroup uchar b[17 * 1024]; a[i] = x[i]; b[i] = uchar(i);"
        "threadgroup_barrier(mem_flags::mem_threadgroup); x[i] = a[i ^ 1].x + b[i ^ 1];",
        "",
    ),
    "32 buffers": ("refused", "x[i] = 0;", "".join(f", device float* x{i} [[buffer({i})]]" for i in range(1, 32))),
    "64-bit addition": (
        "refused",
        "atomic_fetch_add_explicit(n, 1ul, memory_order_relaxed);",
        ", device atomic_ulong* n",
    ),
    "float maximum": (
        "refused",
        "atomic_fetch_max_explicit((device atomic_float*)x, 1.0f, memory_order_relaxed);",
        "",
    ),
    "an intrinsic without evidence": ("unproven", "x[i] = quad_product(x[i]);", ""),
    "a type without evidence": ("unproven", "x[i] = simd_product(short(i));", ""),
    "wait for a counter": (
        "wait",
        "atomic_fetch_add_explicit(n, 1, memory_order_relaxed);"
        "while (atomic_load_explicit(n, memory_order_relaxed) < 64) {} x[i] = 1;",
        ", device atomic_uint* n",
    ),
    "wait in a loop that ends": (
        "wait",
        "for (uint k = 0; k < i; ++k) { while (atomic_load_explicit(n + k, memory_order_relaxed) == 0) {} x[k] += 1; }",
        ", device atomic_uint* n",
    ),
    "wait for a lock": (
        "wait",
        "uint free = 0; while (!atomic_compare_exchange_weak_explicit(n, &free, 1u, memory_order_relaxed,"
        "memory_order_relaxed)) free = 0; x[0] += 1; atomic_store_explicit(n, 0u, memory_order_relaxed);",
        ", device atomic_uint* n",
    ),
    "wait for a flag by setting it": (
        "wait",
        "while (atomic_fetch_or_explicit(n, 1, memory_order_relaxed) == 1) {} x[i] = 1;",
        ", device atomic_uint* n",
    ),
    "wait for plain memory": ("wait", "while (n[0] == 0) {} x[i] = 1;", ", volatile device uint* n"),
}

RIGHT = {
    "32 KB of threadgroup memory": (
        "threadgroup float a[32 * 256]; a[i] = x[i]; threadgroup_barrier(mem_flags::mem_threadgroup); x[i] = a[i ^ 1];",
        "",
    ),
    "32 KB in an array and a number": (
        "threadgroup float a[32 * 256 - 4]; threadgroup float b; a[i] = x[i]; b = a[0]; x[i] = b;",
        "",
    ),
    "31 buffers": ("x[i] = 0;", "".join(f", device float* x{i} [[buffer({i})]]" for i in range(1, 31))),
    "64-bit maximum": ("atomic_max_explicit(n, ulong(i), memory_order_relaxed);", ", device atomic_ulong* n"),
    "compare and exchange of a new value": (
        "uint old = atomic_load_explicit(n, memory_order_relaxed);"
        "while (!atomic_compare_exchange_weak_explicit(n, &old, as_type<uint>(as_type<float>(old) * x[i]),"
        "memory_order_relaxed, memory_order_relaxed)) {}",
        ", device atomic_uint* n",
    ),
    "a bounded number of looks": (
        "for (uint k = 0; k < i; ++k) if (atomic_load_explicit(n, memory_order_relaxed) == 7) break;",
        ", device atomic_uint* n",
    ),
    "atomic reads in a loop that counts": (
        "uint sum = 0; for (uint k = 0; k < i; ++k) sum += atomic_load_explicit(n + k, memory_order_relaxed); x[i] = sum;",
        ", device atomic_uint* n",
    ),
    "vectors of what is seen for scalars": ("float3 v(x[i]); x[i] = exp(v).y + float4(int4(v.xyzx)).z;", ""),
}


def kernel(body: str, parameters: str) -> str:
    arguments = f"device float* x [[buffer(0)]]{parameters}, uint i [[thread_position_in_grid]]"
    return f"{PRELUDE}kernel void k({arguments}) {{\n{body}\n}}\n"


@pytest.mark.parametrize("name", BROKEN)
def test_broken_kernel_is_found_by_its_rule(name):
    rule, body, parameters = BROKEN[name]
    findings = check_source(kernel(body, parameters))
    assert [finding.rule for finding in findings] == [rule], "\n".join(map(str, findings))


@pytest.mark.parametrize("name", RIGHT)
def test_kernel_that_nearly_breaks_a_rule_is_right(name):
    findings = check_source(kernel(*RIGHT[name]))
    assert not findings, "\n".join(map(str, findings))


def test_refusals_say_why():
    reasons = {"double": "double", "32 buffers": "buffer", "64-bit addition": "atomic_fetch_add_explicit"}
    for name, reason in reasons.items():
        assert reason in check_source(kernel(*BROKEN[name][1:]))[0].detail


def without_classes(text: str) -> str:
    """C++ without the bodies of its classes."""
    while found := re.search(r"\b(?:struct|class)\b[^;{}()]*\{", text):
        end, depth = found.end(), 1
        while depth:
            depth += (text[end] == "{") - (text[end] == "}")
            end += 1
        text = text[: found.start()] + text[end:]
    return text


def library_functions() -> set[str]:
    """The free functions of mslc's standard library, macros expanded."""
    command = ["clang-19", "-E", "-P", "-x", "c++", "-I", STDLIB, "-"]
    done = subprocess.run(command, input="#include <metal_stdlib>", capture_output=True, text=True, check=True)
    text = without_classes(" ".join(done.stdout.split()))
    functions = re.findall(r"always_inline\)\)[^(){};]*?\b(operator|\w+) ?[^(\w]*\(", text)
    return {name for name in functions if not name.startswith(("__", "operator"))}


def test_every_function_of_the_library_has_a_rule():
    functions = library_functions()
    assert len(functions) > 200 and {"exp", "simd_sum", "atomic_min_explicit", "quad_xor", "clamp"} <= functions
    assert functions == {name for name in air.RULES if not name.startswith("__") and "::" not in name}


@pytest.mark.parametrize(
    "demangled, names",
    [
        ("metal::exp(float)", ["air.exp.f32"]),
        ("metal::exp(half vector[3])", ["air.exp.v3f16"]),
        ("metal::min(float, float)", ["air.fmin.f32"]),
        ("metal::min(unsigned char, unsigned char)", ["air.min.u.i8"]),
        ("metal::abs(int)", ["air.abs.s.i32"]),
        (
            "int vector[2] metal::simd_shuffle<int vector[2], void>(int vector[2], unsigned short)",
            ["air.simd_shuffle.s.v2i32"],
        ),
        (
            "float metal::atomic_fetch_add_explicit<float, void>(metal::atomic<float> volatile SYglobal*, float)",
            ["air.atomic.global.add.f32"],
        ),
        (
            "void metal::atomic_store_explicit<unsigned int, void>(metal::atomic<unsigned int> volatile SYlocal*, unsigned int)",
            ["air.atomic.local.store.i32"],
        ),
        (
            "metal::simdgroup_matrix<float, 8, 8> metal::make_filled_simdgroup_matrix<float, 8, 8>(float)",
            ["air.simdgroup_matrix_8x8_init_filled.v64f32.f32"],
        ),
        (
            "void metal::simdgroup_multiply_accumulate<float, half, half, float, 8, 8, 8>(metal::simdgroup_matrix<float, 8, 8>&, int)",
            ["air.simdgroup_matrix_8x8_multiply_accumulate.v64f32.v64f16.v64f16.v64f32"],
        ),
        (
            "void metal::simdgroup_load<float, 8, 8>(metal::simdgroup_matrix<float, 8, 8>&, float const SYglobal*, bool)",
            ["air.simdgroup_matrix_8x8_load.v64f32.p1f32"],
        ),
        (
            "float vector[4] metal::__construct<float vector[4], half vector[4], float vector[4]>(half vector[4])",
            ["air.convert.f.v4f32.f.v4f16"],
        ),
        ("long double metal::__construct<long double, int, long double>(int)", ["air.convert.f.bf16.s.i32"]),
        ("metal::threadgroup_barrier(metal::mem_flags)", ["air.wg.barrier"]),
        ("metal::operator|(metal::mem_flags, metal::mem_flags)", []),
        ("metal::simd_vote::operator unsigned long() const", []),
    ],
)
def test_intrinsics_of_calls(demangled, names):
    call = air.parse_call(demangled)
    assert air.intrinsics(call) == names
    assert {air.element(name) for name in names} <= air.evidence()


@pytest.mark.parametrize("exception", exceptions(), ids=lambda exception: exception.name)
def test_exceptions_are_in_use_and_lie_within_the_language_version(exception):
    assert exception.name not in air.evidence()
    assert exception.name in used_names(SOURCES[exception.family])
    assert exception.since <= LANGUAGE_VERSION and exception.chapter and exception.reason


def test_the_runtime_asks_for_this_language_version():
    text = (ROOT / "csrc" / "runtime" / "kernel_library.cpp").read_text()
    assert f"LanguageVersion{str(LANGUAGE_VERSION).replace('.', '_')})" in text


RUN_WITH_LIST = """
import sys
from pathlib import Path
import pytest
from test.macos import kernel_list
kernel_list.FILE = Path(sys.argv[1])
sys.exit(pytest.main(["-q", "test/test_distance.py", "-k", "nan_is_kept", *sys.argv[2:]]))
"""


@pytest.mark.parametrize("processes", ["0", "1"])
def test_a_run_fails_that_makes_kernels_which_are_not_listed(tmp_path, processes):
    def run(*options):
        command = [sys.executable, "-c", RUN_WITH_LIST, tmp_path / "kernels.tsv", "-n", processes, *options]
        environment = {**os.environ, "TORCH_METAL_OPINFO": "each"}  # runs with more of the databases may make more kernels
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    (tmp_path / "kernels.tsv").write_text("")
    incomplete = run()
    assert incomplete.returncode == 1 and "--add-kernels" in incomplete.stdout and "distance: " in incomplete.stdout
    if processes == "1":
        assert run("--add-kernels").returncode == 0
        assert "distance\t" in (tmp_path / "kernels.tsv").read_text()
