"""Runs a case on the device and on the CPU, and says where they differ."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.utils._pytree import tree_leaves

import torch_metal
from torch_metal.selftest.case import LAYOUTS, Case

_LOW_PRECISION = (torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class Result:
    """One case in one dtype, layout and library. `problem` is empty if the device agrees with the CPU."""

    family: str
    case: str
    dtype: str
    layout: str
    library: str
    routes: dict[str, int]
    problem: str = ""

    def __str__(self) -> str:
        library = "" if self.library == "automatic" else f", {self.library}"
        return f"{self.family}: {self.case} ({self.dtype}, {self.layout}{library})"


def variants(case: Case) -> Iterator[tuple[torch.dtype, str, str]]:
    """(dtype, layout, library): each dtype as it comes, other layouts in the first dtype."""
    for library in case.libraries:
        for dtype in case.dtypes:
            for layout in case.layouts if dtype == case.dtypes[0] else case.layouts[:1]:
                yield dtype, layout, library


def check(case: Case, dtype: torch.dtype, layout: str, library: str) -> Result:
    """Never raises: what goes wrong is the result's problem."""
    torch_metal.reset_route_counts()
    try:
        with torch_metal.backends.prefer(matmul=library, convolution=library):
            outputs = _run(case, dtype, layout, "metal")
            torch.metal.synchronize()
        routes = {route: count for route, count in torch_metal.route_counts().items() if count}
        problem = _difference(outputs, _run(case, dtype, layout, "cpu"), case.tolerance)
    except Exception:
        routes, problem = {}, traceback.format_exc(limit=-3).strip()
    return Result(case.family, case.name, str(dtype).removeprefix("torch."), layout, library, routes, problem)


def _run(case: Case, dtype: torch.dtype, layout: str, device: str) -> list[torch.Tensor]:
    """The outputs of the case and the gradients of its inputs. The CPU computes low precision in float32."""
    inputs = []
    for x in case.make_inputs(dtype):
        if device == "metal":
            x = LAYOUTS[layout](x.to("metal"))
        elif x.dtype in _LOW_PRECISION:
            x = x.float()
        x = x.detach()
        differentiable = case.backward and (x.is_floating_point() or x.is_complex())
        inputs.append(x.requires_grad_() if differentiable else x)
    outputs = [x for x in tree_leaves(case.function(*inputs)) if isinstance(x, torch.Tensor)]
    wanted = [x for x in inputs if x.requires_grad]
    sources = [x for x in outputs if x.requires_grad]
    if wanted and sources:
        outputs += torch.autograd.grad(sources, wanted, [_weights(x) for x in sources], materialize_grads=True)
    return [x.detach() for x in outputs]


def _weights(output: torch.Tensor) -> torch.Tensor:
    """Halves of small integers, exact in every dtype: -1, -1/2, 0, 1/2, 1, -1 ..."""
    return (((torch.arange(output.numel()) % 5 - 2) / 2).reshape(output.shape)).to(output.device, output.dtype)


def _difference(metal: list[torch.Tensor], cpu: list[torch.Tensor], tolerance: float) -> str:
    """Empty if each tensor of one list is close to the other's."""
    if len(metal) != len(cpu):
        return f"{len(metal)} tensors instead of {len(cpu)}"
    for index, (m, c) in enumerate(zip(metal, cpu)):
        where = f"tensor {index}: "
        if m.device.type != "metal":
            return f"{where}it is on the device {m.device}"
        m = m.cpu()
        if m.shape != c.shape:
            return f"{where}shape {tuple(m.shape)} instead of {tuple(c.shape)}"
        if m.dtype in _LOW_PRECISION and c.dtype == torch.float32:
            c = c.to(m.dtype)
        rtol, atol = torch.testing._comparison.default_tolerances(m.dtype)
        atol *= tolerance
        if m.dtype in _LOW_PRECISION and c.numel():  # gradients are made of outputs that were rounded, at their scale
            atol = max(atol, torch.finfo(m.dtype).eps * c.abs().max().item())
        try:
            torch.testing.assert_close(m, c, rtol=rtol * tolerance, atol=atol, equal_nan=True)
        except AssertionError as error:
            return where + str(error)
    return ""
