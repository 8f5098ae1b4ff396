"""The front end: what it makes of MSL; arguments as the host sees them. test_front_rejections.py has what is no MSL."""

import re
from pathlib import Path

import pytest
import torch

from test.mslc.tool import PRELUDE, compile_source, mslc

C10_METAL = Path(torch.__file__).parent / "include"


def in_kernel(body: str, parameters: str = "device float* o") -> str:
    return f"kernel void k({parameters}, uint i [[thread_position_in_grid]]) {{ {body} }}"


def test_message_shows_the_line_with_a_caret(tmp_path):
    line = in_kernel("float4 v(1, 2, 3, half(4)); o[i] = dot(float4(v), (float4)v) + 1.5 + absent;")
    result = compile_source(tmp_path, PRELUDE + line + "\n")
    column = line.index("absent") + 1
    message, shown, caret = result.stderr.splitlines()
    assert result.returncode == 1
    assert message == f"{tmp_path}/k.metal:3:{column}: error: use of undeclared identifier 'absent'"
    assert shown.endswith(line) and caret.index("^") - shown.index("|") == column + 1


def test_error_in_an_included_file_names_that_file(tmp_path):
    (tmp_path / "shapes.h").write_text("struct Shape {\n  unknown n;\n};\n")
    result = compile_source(tmp_path, PRELUDE + '#include "shapes.h"\n')
    assert f"shapes.h:2:3: error: unknown type name 'unknown'" in result.stderr
    assert "In file included from" in result.stderr


def test_error_in_a_macro_names_its_use_and_its_definition(tmp_path):
    source = PRELUDE + "#define TWICE(x) (x + mising)\n" + in_kernel("o[i] = TWICE(1);")
    result = compile_source(tmp_path, source)
    column = source.splitlines()[3].index("TWICE") + 1
    assert f"k.metal:4:{column}: error: use of undeclared identifier 'mising'" in result.stderr
    assert "k.metal:3:23: note: expanded from macro 'TWICE'" in result.stderr


def arguments(result) -> list[list[str]]:
    """Rows of the table that mslc prints, cells separated by two spaces."""
    return [re.split(r"  +", line.strip()) for line in result.stdout.splitlines() if line.startswith("  ")]


def test_arguments_are_read_off_the_signature(tmp_path):
    source = """
    struct Params { uint n; float4 scale; };
    kernel void k(device const half* a [[buffer(2)]], constant Params& p, device atomic_int* counts,
                  threadgroup float2* scratch [[threadgroup(1)]], uint2 at [[thread_position_in_grid]],
                  ushort lane [[thread_index_in_simdgroup]]) {}"""
    assert arguments(compile_source(tmp_path, PRELUDE + source)) == [
        ["buffer(2)", "device const half*", "a", "2 bytes"],
        ["buffer(0)", "constant Params&", "p", "32 bytes"],
        ["buffer(1)", "device metal::atomic<int>*", "counts", "4 bytes"],
        ["threadgroup(1)", "threadgroup float2*", "scratch", "8 bytes"],
        ["thread_position_in_grid", "uint2", "at", "8 bytes"],
        ["thread_index_in_simdgroup", "ushort", "lane", "2 bytes"],
    ]


def test_both_forms_of_instantiation_name_kernels_and_find_attributes(tmp_path):
    source = """
    template <typename T, int N> [[kernel]] void scale(device T* x [[buffer(3)]], uint i [[thread_position_in_grid]]) {
      x[i] = T(x[i] * T(N));
    }
    template [[host_name("scale_half")]] [[kernel]] decltype(scale<half, 2>) scale<half, 2>;
    template [[host_name("scale_float")]] [[kernel]] void scale<float, 4>(device float* x [[buffer(3)]], uint i [[thread_position_in_grid]]);
    #define SCALE(T) template [[host_name("scale_" #T)]] [[kernel]] decltype(scale<T, 8>) scale<T, 8>;
    SCALE(int) SCALE(uchar4)"""
    result = compile_source(tmp_path, PRELUDE + source)
    names = re.findall(r"^kernel (\S+)$", result.stdout, re.MULTILINE)
    assert names == ["scale_half", "scale_float", "scale_int", "scale_uchar4"]
    buffers = [row for row in arguments(result) if row[0] == "buffer(3)"]
    assert [row[1] for row in buffers] == ["device half*", "device float*", "device int*", "device uchar4*"]


def test_function_constants_are_listed_and_stay_open(tmp_path):
    source = """
    constant int mode [[function_constant(3)]];
    constant float2 scale [[function_constant(7)]];
    constant bool high = is_function_constant_defined(mode) ? mode > 2 : false;
    kernel void k(device float* o, uint i [[thread_position_in_grid]]) { o[i] = high ? scale.x : scale.y; }"""
    result = compile_source(tmp_path, PRELUDE + source)
    rows = [row for row in arguments(result) if row[0].startswith("function_constant")]
    assert rows == [["function_constant(3)", "int", "mode"], ["function_constant(7)", "float2", "scale"]]
    ir = compile_source(tmp_path, PRELUDE + source, "--emit-llvm").stdout
    for annotation in ("function_constant(3)", "function_constant(7)", "function_constant_defined(3)"):
        assert f'"msl:{annotation}\\00"' in ir


def test_threadgroup_variables_are_annotated_globals_one_for_each_instance(tmp_path):
    source = """
    template <typename T> kernel void k(device T* o, uint i [[thread_position_in_grid]]) {
      threadgroup T a[8], b;
      a[i] = o[i]; b = a[0]; o[i] = b;
    }
    template [[host_name("f")]] kernel void k<float>(device float*, uint);
    template [[host_name("h")]] kernel void k<half4>(device half4*, uint);"""
    ir = compile_source(tmp_path, PRELUDE + source, "--emit-llvm").stdout
    variables = re.findall(r"^@\S+ = internal global (.+) (?:zeroinitializer|undef|0\S*), align", ir, re.MULTILINE)
    assert sorted(variables) == sorted(["[8 x float]", "float", "[8 x <4 x half>]", "<4 x half>"])
    table = re.search(r"@llvm.global.annotations = appending global \[(\d+) x", ir)
    assert table.group(1) == "4"


def test_emitted_llvm_has_functions_as_they_were_written_and_names_kernels(tmp_path):
    """test/macos reads there which functions of the library a kernel calls. Recursion that ends is not unrolled yet."""
    source = """
    float g(float x);
    float f(float x) { return x < 12 ? g(x) : exp(x); }
    float g(float x) { return x < 12 ? sin(x) : f(x); }
    template <typename T> kernel void k(device T* o, uint i [[thread_position_in_grid]]) { o[i] = f(o[i]); }
    template [[host_name("a kernel")]] kernel void k<float>(device float*, uint);"""
    ir = compile_source(tmp_path, PRELUDE + source, "--emit-llvm").stdout
    kernel = re.match(r"; kernel a kernel is @(\S+)\n", ir).group(1)
    assert f"void @{kernel}(" in ir
    for callee in ("_Z1ff", "_Z1gf", "_ZN5metal3expEf", "_ZN5metal3sinEf"):
        assert f" @{callee}(float noundef %" in ir


def test_small_vectors_reach_kernels_as_vectors(tmp_path):
    """The platform's C++ passes a uint2 as a double."""
    source = "kernel void k(ushort2 a [[thread_position_in_grid]], uint2 b [[threads_per_threadgroup]], device int* o) { o[a.x] = b.y; }"
    ir = compile_source(tmp_path, PRELUDE + source, "--emit-llvm").stdout
    assert re.search(r"define .*void @\S+\(<2 x i16> noundef %a, <2 x i32> noundef %b, ptr noundef %o\)", ir)


def test_literals_have_the_precision_of_metal(tmp_path):
    source = "constant bool checks = is_same_v<decltype(1.5), float> && is_same_v<decltype(1.5h), half> && is_same_v<decltype(1e3bf), bfloat> && is_same_v<decltype(0x1p4), float> && 0.1 == 0.1f;\nstatic_assert(checks, \"\");"
    assert compile_source(tmp_path, PRELUDE + source).stderr == ""


def test_methods_that_differ_in_their_address_space_alone_are_one(tmp_path):
    source = """
    struct Pair {
      float a, b;
      float sum() const thread { return a + b; }
      float sum() const device { return a + b; }
      float sum() constant { return a + b; }
      float operator()(int i) const device { return i ? b : a; }
    };
    kernel void k(device Pair* d, constant Pair& c, device float* o) {
      Pair p = d[0];
      o[0] = p.sum() + d->sum() + c.sum() + d[1](1);
    }"""
    assert compile_source(tmp_path, PRELUDE + source).stderr == ""


def test_strings_are_in_the_constant_address_space(tmp_path):
    source = """
    uint length(constant const char* text) { uint n = 0; while (text[n]) ++n; return n; }
    kernel void k(device uint* o) {
      constant char* greeting = "hello" " there";
      static_assert(sizeof(uint) == 4, "message");
      o[0] = length("abc") + length(__func__) + length(greeting);
    }"""
    assert compile_source(tmp_path, PRELUDE + source).stderr == ""


def test_recursion_that_its_conditions_end_is_none(tmp_path):
    """PyTorch's log_gamma and gamma call each other, below and above 12."""
    source = """
    float high(float x);
    float low(float x) { if (x < 12.0f) return x * 2; return high(x); }
    float high(float x) { if (x < 12.0f) return low(x); return sqrt(x); }
    """ + in_kernel("o[i] = low(o[i]);")
    result = compile_source(tmp_path, PRELUDE + source, "--emit=ir-thread")
    assert result.stderr == ""
    assert "@llvm.sqrt.f32(" in result.stdout and not re.search(r"@_Z\d*(low|high)", result.stdout)


def test_macros_from_the_command_line(tmp_path):
    source = "kernel void k(device float* o) { o[0] = VALUE; o[1] = FLAG; }"
    assert compile_source(tmp_path, PRELUDE + source).returncode == 1
    assert compile_source(tmp_path, PRELUDE + source, "-D", "VALUE=2.5", "-DFLAG").returncode == 0


@pytest.mark.parametrize("header", sorted(path.name for path in (C10_METAL / "c10" / "metal").glob("*.h")))
def test_headers_of_pytorch_compile(header, tmp_path):
    result = compile_source(tmp_path, f"#include <c10/metal/{header}>\n", "-I", C10_METAL)
    assert result.stderr == "" and result.returncode == 0


def test_special_functions_of_pytorch_reach_ir(tmp_path):
    names = ["erf", "erfinv", "log_gamma", "digamma", "i0", "i1", "sinc", "bessel_j0_forward", "modified_bessel_i0_forward"]
    lines = "".join(f"  o[i] += c10::metal::{name}(o[i]);\n" for name in names)
    source = "#include <c10/metal/special_math.h>\n" + in_kernel("\n" + lines)
    result = compile_source(tmp_path, PRELUDE + source, "-I", C10_METAL)
    assert result.stderr == "" and result.returncode == 0


def test_threads_may_compile_at_once(tmp_path):
    """Several files of one command line are independent; so are processes."""
    from concurrent.futures import ThreadPoolExecutor

    paths = []
    for index in range(6):
        paths.append(tmp_path / f"k{index}.metal")
        paths[-1].write_text(PRELUDE + in_kernel(f"o[i] = {index};"))
    cache = tmp_path / "cache"
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda path: mslc(path, TORCH_METAL_CACHE_DIR=cache), paths))
    assert [result.returncode for result in results] == [0] * 6
