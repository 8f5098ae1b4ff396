"""The aten overloads that have a kernel for the CPU and are not composed of others: what a device has to write itself.

Those with a fallback alone are named with the reason why.
"""

from __future__ import annotations

import re

import torch
import torch_metal  # noqa: F401: registers the kernels

_COMPOSITE = ("CompositeImplicitAutograd", "CompositeExplicitAutograd", "CompositeExplicitAutogradNonFunctional")

#: Regular expressions of overloads without a kernel of ours, and why they have none.
LEFT_OUT = {
    r"_foobar|_test_\w+": "PyTorch's own tests of its dispatcher",
    r"_functional_assert_async|_make_dep_token": "torch.compile's bookkeeping, which only the CPU has",
    r"\w*_for_cpu(_backward)?": "the CPU's own form of what metal has without this suffix",
    r"_dyn_quant_\w+": "the layout of a library for Arm CPUs, which only the CPU has",
    r"mkldnn_\w+|to_mkldnn": "layouts of a library for CPUs",
    r"quantize_per_\w+|dequantize|quantized_(gru|lstm)|_(empty|make)_\w*(affine_quantized|quantized_tensor)":
        "quantised tensor types: on devices, PyTorch quantises with plain integer tensors and fake quantisation",
    r"_spdiags": "a sparse tensor from diagonals, which only the CPU has",
    r"sspaddmm": "refuses dense tensors; that of sparse ones is another kernel",
    r"_nested_compute_contiguous_strides_offsets": "of the sizes of nested tensors, which are on the CPU",
}  # fmt: skip


def cpu_overloads() -> list[str]:
    """Their names, sorted: ``"mul.out"``."""
    has = torch._C._dispatch_has_kernel_for_dispatch_key
    names = (name for name in torch._C._dispatch_get_all_op_names() if name.startswith("aten::"))
    chosen = (name for name in names if has(name, "CPU") and not any(has(name, key) for key in _COMPOSITE))
    return sorted(name.removeprefix("aten::") for name in chosen)


def registration(name: str) -> str:
    """``"kernel"``: a function of ours, which counts the route that it takes; ``"host"``: the table of operators that
    run on the CPU by design; ``"none"``: the fallback."""
    table = torch._C._dispatch_dump_table(f"aten::{name}").splitlines()
    entry = next(line for line in table if line.startswith("PrivateUse1:"))
    if "[kernel]" not in entry:
        return "none"
    boxed_alone = "[ boxed ]" in "".join(
        line for line in torch._C._dispatch_dump(f"aten::{name}").splitlines() if line.startswith("PrivateUse1:")
    )
    return "host" if boxed_alone else "kernel"  # only the table registers boxed functions


def reason_left_out(name: str) -> str | None:
    """Why an overload has no kernel, or None if nothing says so."""
    base = name.split(".")[0]
    return next((reason for pattern, reason in LEFT_OUT.items() if re.fullmatch(pattern, base)), None)


def figures() -> dict:
    """Counts by registration, and those without a kernel by reason."""
    by_registration: dict[str, list[str]] = {"kernel": [], "host": [], "none": []}
    for name in cpu_overloads():
        by_registration[registration(name)].append(name)
    without: dict[str, list[str]] = {}
    for name in by_registration["none"]:
        without.setdefault(reason_left_out(name) or "no reason given", []).append(name)
    return {
        "cpu_overloads": sum(map(len, by_registration.values())),
        "cpu_overloads_by_registration": {key: len(names) for key, names in by_registration.items()},
        "cpu_overloads_without_kernel": without,
    }
