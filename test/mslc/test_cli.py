"""The mslc command: options, output, exit status."""

from test.mslc.tool import PRELUDE, compile_source, mslc

KERNEL = PRELUDE + "kernel void k(device float* o, uint i [[thread_position_in_grid]]) { o[i] = i; }\n"


def test_help_names_every_option():
    result = mslc("--help")
    assert result.returncode == 0 and result.stdout.startswith("Usage: mslc")
    for option in ("-I", "-D", "--fast-math", "--cpu", "--emit-llvm", "--clear-cache", "--version"):
        assert option in result.stdout


def test_version_names_compiler_and_target():
    result = mslc("--version")
    assert result.returncode == 0 and result.stdout.startswith("mslc ") and "LLVM 19" in result.stdout


def test_a_file_that_compiles_lists_its_kernels_on_stdout_alone(tmp_path):
    result = compile_source(tmp_path, KERNEL)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "kernel k",
        "  buffer(0)                device float*  o  4 bytes",
        "  thread_position_in_grid  uint           i  4 bytes",
    ]


def test_a_file_that_does_not_compile_exits_with_1(tmp_path):
    result = compile_source(tmp_path, "kernel void k() { x; }")
    assert (result.returncode, result.stdout) == (1, "")
    assert "error: use of undeclared identifier 'x'" in result.stderr


def test_wrong_usage_exits_with_2(tmp_path):
    for arguments in ([], ["--unknown"], [tmp_path / "absent.metal"], ["-I"]):
        result = mslc(*arguments)
        assert result.returncode == 2
        assert result.stderr.startswith("mslc: error: ") and "--help" in result.stderr


def test_includes_are_found_beside_the_file_and_in_folders_given(tmp_path):
    (tmp_path / "beside.h").write_text("constant int beside = 1;")
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "other.h").write_text("constant int other = 2;")
    source = '#include "beside.h"\n#include <other.h>\n' + KERNEL.replace("= i", "= beside + other")
    assert compile_source(tmp_path, source).returncode == 1
    assert compile_source(tmp_path, source, "-I", tmp_path / "given").returncode == 0
    assert compile_source(tmp_path, source, f"-I{tmp_path}/given").returncode == 0


def test_fast_math_shows_in_the_code(tmp_path):
    source = KERNEL.replace("= i", "= o[i] / 3.0f + i")
    assert "reassoc" not in compile_source(tmp_path, source, "--emit-llvm").stdout
    fast = compile_source(tmp_path, source, "--emit-llvm", "--fast-math").stdout
    assert "reassoc nsz arcp" in fast and "nnan" not in fast


def test_several_files_are_compiled_in_order(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.metal").write_text(KERNEL.replace("void k", f"void {name}"))
    result = mslc(tmp_path / "b.metal", tmp_path / "a.metal")
    assert [line for line in result.stdout.splitlines() if line.startswith("kernel")] == ["kernel b", "kernel a"]
