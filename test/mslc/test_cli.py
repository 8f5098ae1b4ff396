"""The mslc command: options, output, exit status."""

from test.mslc.tool import PRELUDE, compile_source, mslc

KERNEL = PRELUDE + "kernel void k(device float* o, uint i [[thread_position_in_grid]]) { o[i] = i; }\n"


def test_help_names_every_option():
    result = mslc("--help")
    assert result.returncode == 0 and result.stdout.startswith("Usage: mslc")
    for option in ("-I", "-D", "--constant", "--fast-math", "--cpu", "--target", "--emit=FORM", "--emit-llvm", "--kernel", "-o",
                   "--clear-cache", "--version"):  # fmt: skip
        assert option in result.stdout
    assert all(len(line) <= 120 for line in result.stdout.splitlines())


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
    (tmp_path / "k.metal").write_text(KERNEL)
    bad_forms = (["--emit=xml", tmp_path / "k.metal"], ["--kernel", "k", tmp_path / "k.metal"])
    for arguments in ([], ["--unknown"], [tmp_path / "absent.metal"], [tmp_path], ["-I"], *bad_forms):
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


TWO_KERNELS = PRELUDE + """
constant int stride [[function_constant(3)]];
kernel void first(device int* o, uint i [[thread_position_in_grid]]) { o[i] = int(i) * stride; }
kernel void second(device float* o, uint i [[thread_position_in_grid]]) { o[i] = sqrt(o[i]); }
"""


def test_a_kernel_can_be_shown_in_every_form(tmp_path):
    def show(form, *options):
        result = compile_source(tmp_path, TWO_KERNELS, f"--emit={form}", *options)
        assert result.returncode == 0, result.stderr
        return result.stdout

    thread = show("ir-thread", "--kernel", "second")
    assert "@llvm.sqrt.f32(" in thread and "<32 x float>" not in thread
    assert "<32 x float>" in show("ir", "--kernel", "second")
    assert "mslc_run_groups:" in show("asm", "--kernel", "second")
    assert [line for line in show("ir").splitlines() if line.startswith("; kernel")] == ["; kernel first", "; kernel second"]


def test_an_object_is_written_for_one_kernel(tmp_path):
    output = tmp_path / "k.o"
    assert compile_source(tmp_path, TWO_KERNELS, "--emit=obj", "-o", output).returncode == 2
    assert not output.exists()
    assert compile_source(tmp_path, TWO_KERNELS, "--emit=obj", "--kernel=first", "-o", output).returncode == 0
    assert output.read_bytes().startswith(b"\x7fELF")


def test_a_failed_compilation_leaves_the_output_alone(tmp_path):
    output = tmp_path / "k.s"
    output.write_text("old")
    assert compile_source(tmp_path, "kernel void k() { x; }", "--emit=asm", "-o", output).returncode == 1
    assert output.read_text() == "old"
    assert compile_source(tmp_path, KERNEL, "--emit=asm", "-o", tmp_path / "none" / "k.s").returncode == 2


def test_code_can_be_made_for_another_cpu(tmp_path):
    assembly = compile_source(tmp_path, KERNEL, "--emit=asm", "--cpu", "x86-64-v3").stdout
    assert "ymm" in assembly and "zmm" not in assembly
    assert "unknown CPU 'pdp11'" in compile_source(tmp_path, KERNEL, "--emit=asm", "--cpu", "pdp11").stderr


def test_code_can_be_made_for_another_machine(tmp_path):
    assembly = compile_source(tmp_path, KERNEL, "--emit=asm", "--target", "aarch64-linux-gnu").stdout
    assert "v0.4s" in assembly and "xmm" not in assembly
    assert compile_source(tmp_path, KERNEL, "--target", "aarch64-linux-gnu", "--cpu", "neoverse-n2").returncode == 0
    assert "unknown CPU 'x86-64-v3'" in compile_source(
        tmp_path, KERNEL, "--target", "aarch64-linux-gnu", "--cpu", "x86-64-v3").stderr
    assert "no code generator for pdp11" in compile_source(tmp_path, KERNEL, "--emit=asm", "--target", "pdp11").stderr


def test_function_constants_are_given_by_name_or_index(tmp_path):
    for setting in ("stride=-5", "3=-5", "stride=-0x5"):
        assert "-5" in compile_source(tmp_path, TWO_KERNELS, "--emit=ir-thread", "--constant", setting).stdout
    for setting, complaint in {
        "pitch=5": "no function constant 'pitch'; the source has 'stride'",
        "stride=4294967296": "4294967296 does not fit into int",
        "stride=1,2": "is one int, not '1,2'",
        "stride=half": "'half' is not a whole number",
        "stride": "'stride' is not a function constant's NAME=VALUE",
    }.items():
        result = compile_source(tmp_path, TWO_KERNELS, "--constant", setting)
        assert result.returncode == 2 and complaint in result.stderr
