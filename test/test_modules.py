"""PyTorch's own database of modules (module_db) on metal, by PyTorch's own device-generic machinery.

By default every module runs in float32 and with one of its other dtypes in turn; ``TORCH_METAL_OPINFO=all`` runs all.
"""

import copy
import inspect
import io
import itertools
import os
import pickle
import re

import pytest
import torch
from torch.nn.parameter import is_lazy
from torch.testing._internal.common_device_type import instantiate_device_type_tests
from torch.testing._internal.common_modules import ModuleErrorEnum, module_db, modules
from torch.testing._internal.common_utils import TestCase
from torch.utils._pytree import tree_map

from test.known_failures import units_allowed
from test.opinfo import modules as uses
from test.opinfo.choice import chosen
from test.opinfo.closeness import assert_as_exact_as_the_cpu, assert_rounded_few_times
from test.opinfo.conformance import dtype_name
from test.opinfo.declared import error_of, settle
from test.opinfo.modules import moved, moved_module

pytestmark = pytest.mark.filterwarnings("ignore:enable_nested_tensor", "ignore:Lazy modules")


def _with_half_precision(info):
    info = copy.copy(info)
    info.dtypes = tuple(dict.fromkeys([*info.dtypes, torch.float16, torch.bfloat16]))
    return info


MODULES = [_with_half_precision(info) for info in module_db]
CHOSEN = chosen(MODULES, lambda info: [t for t in info.dtypes if t != torch.float32])
CHOSEN |= {(info.formatted_name, torch.float32) for info in MODULES}

#: Inputs of a module that are tried, here and by the costlier tests; some losses have more than a hundred.
MOST = None if os.environ.get("TORCH_METAL_OPINFO") == "all" else 16
FEW = 3


class chosen_modules(modules):
    """@modules with what this run has chosen, where it applies."""

    def __init__(self, infos, applies=lambda info, dtype: True, **arguments):
        super().__init__(infos, **arguments)
        self.applies = applies

    def _parametrize_test(self, test, generic_cls, device_cls):
        for case in super()._parametrize_test(test, generic_cls, device_cls):
            info, dtype = case[2]["module_info"], case[2]["dtype"]
            if (info.formatted_name, dtype) in CHOSEN and self.applies(info, dtype):
                yield case


FLOAT32 = [torch.float32]


def has_kinks_inside(info, dtype) -> bool:
    """Between a Transformer's layers is a ReLU. In half precision a rounding moves an activation across its kink now
    and then, and with it a whole row of gradients: the CPU's two ways of attention differ by as much."""
    return info.name.startswith("nn.Transformer") and dtype in (torch.float16, torch.bfloat16)


def cases(info, dtype, training, requires_grad):
    """(module, arguments, keyword arguments) on the CPU, for each of the database's inputs."""
    torch.manual_seed(0)
    for given in info.module_inputs_func(info, "cpu", dtype, requires_grad, training):
        constructor, forward = given.constructor_input, given.forward_input
        module = info.module_cls(*constructor.args, **constructor.kwargs).to(dtype).train(training)
        args, kwargs = ((), {}) if forward is None else (forward.args, forward.kwargs)
        if info.is_lazy:
            module(*moved(args, "cpu"), **moved(kwargs, "cpu"))
        yield module, args, kwargs


def refuses_too(cpu_error: RuntimeError, function) -> bool:
    """Whether function() raises the CPU's error; for a dtype that is not implemented, in words of its own."""
    try:
        function()
    except RuntimeError as error:
        if type(error) is type(cpu_error) and (isinstance(error, NotImplementedError) or str(error) == str(cpu_error)):
            return True
        raise
    return False


def assert_agrees(use, units, module, args, kwargs):
    """use(module, args, kwargs) has on metal the result that it has on the CPU, or else the same error. Where only the
    CPU knows no half precision, metal has what the CPU has in float64, but for some rounding. ``units``: of
    assert_as_exact_as_the_cpu."""

    def run(device, wider=False):
        return use(moved_module(module, device, wider), moved(args, device, wider), moved(kwargs, device, wider))

    try:
        expected = run("cpu")
    except RuntimeError as cpu_error:
        if refuses_too(cpu_error, lambda: run("metal")):
            return
        assert isinstance(cpu_error, NotImplementedError), f"metal accepts what the CPU refuses: {cpu_error}"
        expected = None
    actual = run("metal")
    for t in uses.unpacked(actual):
        assert t.device.type == "metal", f"a result is on {t.device}"
    actual = tree_map(lambda t: t.detach().cpu() if isinstance(t, torch.Tensor) else t, actual)
    if expected is None:
        assert_rounded_few_times(actual, run("cpu", wider=True))
        return
    assert_as_exact_as_the_cpu(actual, expected, lambda: run("cpu", wider=True), units)
    if use is uses.channels_last:
        lost = [found for a, e in zip(actual, expected) for found in uses.lost_formats(module, a[0], e[0])]
        assert not lost, "; ".join(lost)


class TestModules(TestCase):
    def check(self, use, info, dtype, training, requires_grad=True, most=MOST) -> None:
        error = ""
        units = units_allowed(use.__name__, info.name, dtype_name(dtype))
        for i, case in enumerate(itertools.islice(cases(info, dtype, training, requires_grad), most)):
            found = error_of(assert_agrees, use, units, *case)
            error = error or (found and f"input {i}: {found}")
        settle(self, use.__name__, info.name, dtype_name(dtype), error)

    @chosen_modules(MODULES, lambda info, dtype: not has_kinks_inside(info, dtype))
    def test_outputs_and_gradients(self, device, dtype, module_info, training):
        self.check(uses.outputs_and_gradients, module_info, dtype, training)

    @chosen_modules(MODULES)
    def test_inference(self, device, dtype, module_info, training):
        self.check(uses.inference, module_info, dtype, training, requires_grad=False)

    @chosen_modules([info for info in MODULES if info.supports_gradgrad], allowed_dtypes=FLOAT32)
    def test_second_derivatives(self, device, dtype, module_info, training):
        self.check(uses.second_derivatives, module_info, dtype, training, most=FEW)

    @chosen_modules(MODULES, allowed_dtypes=FLOAT32)
    def test_noncontiguous_inputs(self, device, dtype, module_info, training):
        self.check(uses.noncontiguous_inputs, module_info, dtype, training, most=FEW)

    @chosen_modules(MODULES, allowed_dtypes=FLOAT32)
    def test_memory_formats(self, device, dtype, module_info, training):
        """Channels_last inputs and modules give the CPU's outputs, channels_last where the CPU's are."""
        self.check(uses.channels_last, module_info, dtype, training, most=FEW)

    @chosen_modules(MODULES, allowed_dtypes=FLOAT32)
    def test_moves_between_devices(self, device, dtype, module_info, training):
        """Parameters and buffers survive .to, deepcopy, pickle, torch.save and state_dict; zero_grad clears gradients on
        the device."""
        given = itertools.islice(cases(module_info, dtype, training, True), FEW)
        error = error_of(lambda: [self.move(*case) for case in given])
        settle(self, "moves", module_info.name, dtype_name(dtype), error)

    def move(self, module, args, kwargs):
        there = moved_module(module, "metal")
        for copied in (
            copy.deepcopy(there),
            pickle.loads(pickle.dumps(there)),
            torch.load(_saved(there), weights_only=False),
            torch.load(_saved(module), weights_only=False, map_location="metal"),
            _with_state_of(there, copy.deepcopy(there)),
            copy.deepcopy(module).to(torch.float64).to("metal", torch.float32),
        ):
            assert_same_state(copied, module, "metal")
        assert_same_state(copy.deepcopy(there).cpu(), module, "cpu")
        assert_same_state(_with_state_of(there, copy.deepcopy(module)), module, "cpu")

        outputs = uses.unpacked(there(*moved(args, "metal"), **moved(kwargs, "metal")))
        differentiable = [t for t in outputs if t.requires_grad]
        if differentiable:
            torch.autograd.backward(differentiable, [torch.ones_like(t) for t in differentiable])
        there.zero_grad(set_to_none=False)
        assert all(not p.grad.any() for p in there.parameters() if p.grad is not None)
        there.zero_grad()
        assert all(p.grad is None for p in there.parameters())

    @chosen_modules(MODULES, allowed_dtypes=FLOAT32)
    def test_built_on_the_device(self, device, dtype, module_info, training):
        """device= and dtype= in the constructor, where the module takes them, and torch.device as a context."""
        error = error_of(self.build, module_info, dtype, training)
        settle(self, "built", module_info.name, dtype_name(dtype), error)

    def build(self, info, dtype, training):
        factory = "device" in inspect.signature(info.module_cls.__init__).parameters
        for given in info.module_inputs_func(info, "metal", dtype, False, training)[:FEW]:
            constructor, forward = given.constructor_input, given.forward_input
            expected = info.module_cls(*moved(constructor.args, "cpu"), **moved(constructor.kwargs, "cpu"))
            with torch.device("metal"):
                built = [info.module_cls(*constructor.args, **constructor.kwargs)]
            if factory and "device" not in constructor.kwargs:
                built += [info.module_cls(*constructor.args, **constructor.kwargs, device="metal", dtype=torch.float16)]
            for module, dtype in zip(built, (torch.float32, torch.float16)):
                for name, t in module.state_dict().items():
                    if is_lazy(t):
                        continue
                    assert t.device.type == "metal", name
                    assert t.dtype in (dtype, torch.int64, torch.float64), (name, t.dtype)
                    assert t.shape == expected.state_dict()[name].shape, name
            if forward is not None:
                built[0].to(dtype=torch.float32).train(training)(*forward.args, **forward.kwargs)

    @modules([info for info in MODULES if info.module_error_inputs_func], allowed_dtypes=FLOAT32)
    def test_errors(self, device, dtype, module_info, training):
        wrong = ""
        for given in module_info.module_error_inputs_func(module_info, device, dtype, False, training):
            error = _error_of(module_info, given, device)
            if not isinstance(error, given.error_type) or not re.search(given.error_regex, str(error)):
                wrong = f"{error!r}, expected is a {given.error_type.__name__}: {given.error_regex}"
        settle(self, "errors", module_info.name, dtype_name(dtype), wrong)


def _saved(module):
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    return file


def _with_state_of(source, target):
    """The target, whose own state is overwritten first."""
    with torch.no_grad():
        for t in itertools.chain(target.parameters(), target.buffers()):
            t.zero_()
    target.load_state_dict(source.state_dict())
    return target


def assert_same_state(actual, expected, device):
    assert type(actual) is type(expected) and actual.training == expected.training
    actual, expected = actual.state_dict(), expected.state_dict()
    assert actual.keys() == expected.keys()
    for name, t in actual.items():
        assert t.device.type == device, f"{name} is on {t.device}"
        torch.testing.assert_close(t.cpu(), expected[name], rtol=0, atol=0, equal_nan=True)


def _error_of(info, given, device) -> Exception | None:
    constructor, forward = given.module_error_input.constructor_input, given.module_error_input.forward_input
    try:
        module = info.module_cls(*constructor.args, **constructor.kwargs).to(device)
        if given.error_on != ModuleErrorEnum.CONSTRUCTION_ERROR:
            module(*forward.args, **forward.kwargs)
            torch.accelerator.synchronize()
    except Exception as error:
        return error
    return None


instantiate_device_type_tests(TestModules, globals(), only_for="metal")
