"""The front end: what is MSL and what is not, and how it says so; arguments as the host sees them."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from test.mslc.tool import PRELUDE, compile_source, mslc

C10_METAL = Path(torch.__file__).parent / "include"


@dataclass
class Mistake:
    """A source that is wrong at the mark `@@`, what is said there, and what would have been right."""

    name: str
    wrong: str
    message: str
    right: str


def in_kernel(body: str, parameters: str = "device float* o") -> str:
    return f"kernel void k({parameters}, uint i [[thread_position_in_grid]]) {{ {body} }}"


MISTAKES = [
    Mistake("double", in_kernel("@@double x = 1; o[i] = x;"), "'double' is not supported in Metal", in_kernel("float x = 1; o[i] = x;")),
    Mistake("double_in_a_cast", in_kernel("o[i] = (@@double)i;"), "'double' is not supported in Metal", in_kernel("o[i] = (float)i;")),
    Mistake("virtual", "struct S { @@virtual void f(); };", "'virtual' is not supported in Metal", "struct S { void f(); };"),
    Mistake("new", in_kernel("thread int* p = @@new int;"), "'new' is not supported in Metal", in_kernel("int x; thread int* p = &x;")),
    Mistake("delete", in_kernel("int x; thread int* p = &x; @@delete p;"), "'delete' is not supported in Metal", "struct S { S(int) = delete; };"),
    Mistake("goto", in_kernel("end: o[i] = 1; @@goto end;"), "'goto' is not supported in Metal", in_kernel("for (;;) break;")),
    Mistake("throw", in_kernel("@@throw 1;"), "'throw' is not supported in Metal", in_kernel("return;")),
    Mistake("dynamic_cast", in_kernel("int x; thread int* p = @@dynamic_cast<thread int*>(&x);"), "'dynamic_cast' is not supported in Metal", in_kernel("int x; thread int* p = static_cast<thread int*>(&x);")),
    Mistake("thread_local", "@@thread_local int x;", "'thread_local' is not supported in Metal", "constant int x = 1;"),
    Mistake("missing_semicolon", in_kernel("o[i] = 1@@ o[i] = 2;"), "expected ';' after expression", in_kernel("o[i] = 1; o[i] = 2;")),
    Mistake("undeclared_name", in_kernel("o[i] = @@missing;"), "use of undeclared identifier 'missing'", in_kernel("float missing = 1; o[i] = missing;")),
    Mistake("kernel_that_returns", "kernel int @@k(device float* o) { return 1; }", "kernel must have void return type, not 'int'", "kernel void k(device float* o) { return; }"),
    Mistake("value_without_attribute", "kernel void k(device float* o, uint @@i) {}", "kernel parameter of type 'uint' has no attribute that gives it a value", "kernel void k(device float* o, uint i [[thread_position_in_grid]]) {}"),
    Mistake("value_as_buffer", "kernel void k(float @@x [[buffer(0)]]) {}", "kernel parameter of type 'float' has no attribute that gives it a value", "kernel void k(constant float& x [[buffer(0)]]) {}"),
    Mistake("pointer_without_address_space", "kernel void k(float* @@x [[buffer(0)]]) {}", "must be in the device, constant or threadgroup address space", "kernel void k(device float* x [[buffer(0)]]) {}"),
    Mistake("built_in_as_float", "kernel void k(float @@i [[thread_position_in_grid]]) {}", "invalid type 'float' for attribute 'thread_position_in_grid'", "kernel void k(ushort i [[thread_position_in_grid]]) {}"),
    Mistake("built_in_as_int", "kernel void k(int3 @@i [[thread_position_in_grid]]) {}", "invalid type 'int3' for attribute 'thread_position_in_grid'", "kernel void k(uint3 i [[thread_position_in_grid]]) {}"),
    Mistake("built_in_of_four", "kernel void k(uint4 @@i [[threads_per_grid]]) {}", "invalid type 'uint4' for attribute 'threads_per_grid'", "kernel void k(ushort2 i [[threads_per_grid]]) {}"),
    Mistake("scalar_built_in_as_vector", "kernel void k(uint2 @@lane [[thread_index_in_simdgroup]]) {}", "invalid type 'uint2' for attribute 'thread_index_in_simdgroup'", "kernel void k(ushort lane [[thread_index_in_simdgroup]]) {}"),
    Mistake("misspelt_attribute", "kernel void k(uint @@i [[thread_position_in_gird]]) {}", "unknown attribute 'thread_position_in_gird' on a kernel parameter", "kernel void k(uint i [[thread_position_in_grid]]) {}"),
    Mistake("buffer_index_twice", "kernel void k(device int* a [[buffer(1)]], device int* @@b [[buffer(1)]]) {}", "buffer index 1 is used by another parameter", "kernel void k(device int* a [[buffer(1)]], threadgroup int* b [[threadgroup(1)]]) {}"),
    Mistake("buffer_index_31", "kernel void k(device int* @@a [[buffer(31)]]) {}", "'buffer' attribute needs an index from 0 to 30", "kernel void k(device int* a [[buffer(30)]]) {}"),
    Mistake("threadgroup_pointer_as_buffer", "kernel void k(threadgroup int* @@a [[buffer(0)]]) {}", "attribute 'buffer' cannot be applied to a parameter of type 'threadgroup int*'", "kernel void k(threadgroup int* a [[threadgroup(0)]]) {}"),
    Mistake("recursion", "int f(int n) { return n < 2 ? 1 : n * @@f(n - 1); }\n" + in_kernel("o[i] = f(i);"), "recursive call of 'f' is not supported in Metal", "template <int N> int f() { return N * f<N - 1>(); }\ntemplate <> int f<0>() { return 1; }\n" + in_kernel("o[i] = f<4>();")),
    Mistake("mutual_recursion", "int g(int);\nint f(int n) { return n ? g(n - 1) : 0; }\nint g(int n) { return @@f(n); }\n" + in_kernel("o[i] = f(i);"), "recursive call of 'f' is not supported in Metal", "int g(int);\nint f(int n) { return n ? g(n - 1) : 0; }\nint g(int n) { return n; }\n" + in_kernel("o[i] = f(i);")),
    Mistake("threadgroup_variable_in_a_function", "void f() { threadgroup float @@a[4]; a[0] = 1; }", "variable in the threadgroup address space must be declared in a kernel", in_kernel("threadgroup float a[4]; a[0] = 1;")),
    Mistake("threadgroup_variable_at_program_scope", "threadgroup float @@a[4];", "variable in the threadgroup address space must be declared in a kernel", "void f(threadgroup float* a) {}"),
    Mistake("threadgroup_initialiser", in_kernel("threadgroup float @@a = 1;"), "variable in the threadgroup address space cannot have an initializer", in_kernel("threadgroup float a; a = 1;")),
    Mistake("variable_at_program_scope", "float @@g = 1;", "variable at program scope must be in the constant address space", "constant float g = 1;"),
    Mistake("device_to_thread_pointer", "void f(thread float* p);\n" + in_kernel("f(@@o);"), "cannot convert 'device float*' to 'thread float*'", "void f(device float* p) { *p = 1; }\n" + in_kernel("f(o);")),
    Mistake("device_to_thread_reference", in_kernel("thread float& x = @@o[i];"), "cannot convert 'device float' to 'thread float'", in_kernel("device float& x = o[i]; float y = o[i];")),
    Mistake("device_to_threadgroup_pointer", "void f(threadgroup float* p);\n" + in_kernel("@@f(o);"), "no matching function for call to 'f'", "void f(threadgroup float* p) { *p = 1; }\n" + in_kernel("threadgroup float a[2]; f(a);")),
    Mistake("device_to_threadgroup_variable", in_kernel("threadgroup float* @@p = o;"), "cannot initialize a variable of type 'threadgroup float *' with an lvalue of type 'device float *'", in_kernel("device float* p = o;")),
    Mistake("write_to_constant", in_kernel("c @@= 1;", "constant int& c"), "cannot assign to variable 'c' with const-qualified type 'constant int &'", in_kernel("c = 1;", "device int& c")),
    Mistake("write_to_const", in_kernel("p[0] @@= 1;", "device const int* p"), "read-only variable is not assignable", in_kernel("p[0] = 1;", "device int* p")),
    Mistake("write_to_function_constant", "constant int mode [[function_constant(0)]];\n" + in_kernel("mode @@= 1;"), "cannot assign to variable 'mode' with const-qualified type 'const int'", "constant int mode [[function_constant(0)]];\n" + in_kernel("o[i] = mode;")),
    Mistake("implicit_vector_conversion", in_kernel("float4 @@x = int4(1);"), "cannot initialize a variable of type 'float4'", in_kernel("float4 x = float4(int4(1));")),
    Mistake("implicit_bfloat_to_half", in_kernel("bfloat b = 1; half @@h = b;"), "cannot initialize a variable of type 'half' with an lvalue of type 'bfloat'", in_kernel("bfloat b = 1; half h = half(b);")),
    Mistake("argument_count", "float f(float a, float b) { return a + b; }\n" + in_kernel("o[i] = @@f(1);"), "no matching function for call to 'f'", "float f(float a, float b) { return a + b; }\n" + in_kernel("o[i] = f(1, 2);")),
    Mistake("static_assert", "static_assert(@@sizeof(int) == 8, \"int is small\");", "int is small", "static_assert(sizeof(int) == 4, \"int is small\");"),
    Mistake("in_a_template", "template <typename T> T twice(T x) { return x@@.missing + x; }\n" + in_kernel("o[i] = twice(1.0f);"), "member reference base type 'float' is not a structure or union", "template <typename T> T twice(T x) { return x + x; }\n" + in_kernel("o[i] = twice(1.0f);")),
    Mistake("behind_rewritten_text", in_kernel("float4 v(1, 2, 3, half(4)); o[i] = dot(float4(v), (float4)v) + 1.5 + @@missing;"), "use of undeclared identifier 'missing'", in_kernel("float4 v(1, 2, 3, half(4)); o[i] = dot(float4(v), (float4)v) + 1.5;")),
]


each_mistake = pytest.mark.parametrize("mistake", MISTAKES, ids=[mistake.name for mistake in MISTAKES])


@each_mistake
def test_mistake_is_reported_where_it_is(mistake, tmp_path):
    before, after = (PRELUDE + mistake.wrong).split("@@")
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    result = compile_source(tmp_path, before + after)
    assert result.returncode == 1
    where, message = re.search(r"^(\S+k\.metal:\d+:\d+): error: (.*)$", result.stderr, re.MULTILINE).groups()
    assert mistake.message in message
    assert where == f"{tmp_path}/k.metal:{line}:{column}"
    # The line below is the user's own, and the caret is under the place.
    lines = result.stderr.splitlines()
    shown = next(i for i, text in enumerate(lines) if ": error: " in text) + 1
    assert lines[shown].endswith((before + after).splitlines()[line - 1])
    assert lines[shown + 1].index("^") - lines[shown].index("|") == column + 1
    assert "rewritten" not in result.stderr and "__construct" not in result.stderr


@each_mistake
def test_near_miss_compiles(mistake, tmp_path):
    result = compile_source(tmp_path, PRELUDE + mistake.right)
    assert result.stderr == "" and result.returncode == 0


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


def test_small_vectors_reach_kernels_as_vectors(tmp_path):
    """The platform's C++ passes a uint2 as a double."""
    source = "kernel void k(ushort2 a [[thread_position_in_grid]], uint2 b [[threads_per_grid]], device int* o) { o[a.x] = b.y; }"
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
    result = compile_source(tmp_path, PRELUDE + source, "--emit-llvm")
    assert result.stderr == ""
    bodies = dict(re.findall(r"^define .*?@_Z\d*(low|high)\S*\(.*?\{(.*?)^\}", result.stdout, re.MULTILINE | re.DOTALL))
    assert "low" not in bodies["low"] and "high" not in bodies["low"]


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
