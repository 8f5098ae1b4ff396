"""The kernels that operators use: kernels.tsv, a line for each instance, family and name.

Kernels are instantiated when an operator first needs them, so nothing but a run says which there are. Every run of the
tests compares the kernels that it made with the list (test/conftest.py); ``tools/test.sh --add-kernels`` adds them.
Which tiles products use depends on the processor: the list has those of both, the others' by
``TORCH_METAL_GEMM_TILE=matrix`` (GPUs, and CPUs with small registers) or ``register``.
"""

from pathlib import Path

FILE = Path(__file__).with_name("kernels.tsv")

Kernel = tuple[str, str]  # family: the stem of a file in kernels/; name: "unary_dense<exp_op, float, float>"


def listed_kernels() -> set[Kernel]:
    return {tuple(line.split("\t")) for line in FILE.read_text().splitlines()}


def write_kernels(kernels: set[Kernel]) -> None:
    FILE.write_text("".join(f"{family}\t{name}\n" for family, name in sorted(kernels)))
