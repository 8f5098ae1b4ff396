"""PyTorch's MSL headers, compiled and run: torch/include/c10/metal."""

from pathlib import Path

import numpy as np
import pytest
import torch

from .elementwise import Expressions
from .tool import mslc

INCLUDE = Path(torch.__file__).parent / "include"
KERNELS = Path(__file__).parent / "c10_metal.metal"


def headers(*names):
    """The text of headers, one after another, without their includes of each other."""
    lines = "\n".join((INCLUDE / "c10" / "metal" / f"{name}.h").read_text() for name in names).splitlines()
    return "\n".join(line for line in lines if not line.startswith(("#include <c10", "#pragma once")))


def test_every_header_compiles_for_every_type():
    result = mslc("--emit-llvm", "-I", INCLUDE, KERNELS)
    assert result.stderr == "" and result.returncode == 0


@pytest.fixture(scope="module")
def evaluate():
    prelude = "#include <metal_stdlib>\n" + headers("common", "utils", "expm1f", "igamma", "special_math", "random")
    functions = ("erf", "erfinv", "log_gamma", "digamma", "i0e", "bessel_j0_forward", "bessel_j1_forward", "trigamma")
    table = {name: ("float", ["float"], f"c10::metal::{name}(a)") for name in functions}
    table["philox"] = ("uint4", ["uint"], "c10::metal::philox4::rand(1234, a)")
    return Expressions(table, prelude + "using namespace metal;\n")


REFERENCES = {
    "erf": (torch.special.erf, -4, 4),
    "erfinv": (torch.special.erfinv, -0.999, 0.999),
    "log_gamma": (torch.special.gammaln, 0.01, 60),
    "digamma": (torch.special.digamma, 0.01, 60),
    "trigamma": (lambda x: torch.special.polygamma(1, x), 0.5, 60),
    "i0e": (torch.special.i0e, -30, 30),
    "bessel_j0_forward": (torch.special.bessel_j0, -30, 30),
    "bessel_j1_forward": (torch.special.bessel_j1, -30, 30),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_special_functions_agree_with_the_cpu(name, evaluate):
    reference, low, high = REFERENCES[name]
    x = np.linspace(low, high, 999, dtype=np.float32)
    expected = reference(torch.from_numpy(x).double()).numpy()
    np.testing.assert_allclose(evaluate(name, x), expected, rtol=2e-5, atol=2e-6)


def test_philox_multiplies_in_64_bits(evaluate):
    def philox(counter, key):
        """Philox 4x32 (Salmon et al., 2011), with the nine rounds that the header makes."""
        for _ in range(9):
            high0, low0 = divmod(0xD2511F53 * counter[0], 2**32)
            high1, low1 = divmod(0xCD9E8D57 * counter[2], 2**32)
            counter = [high1 ^ counter[1] ^ key[0], low1, high0 ^ counter[3] ^ key[1], low0]
            key = [(key[0] + 0x9E3779B9) % 2**32, (key[1] + 0xBB67AE85) % 2**32]
        return counter

    result = evaluate("philox", np.arange(50, dtype=np.uint32))
    assert result.tolist() == [philox([0, 0, 0, i], [0, 1234]) for i in range(50)]
