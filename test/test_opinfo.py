"""PyTorch's own operator database on metal, by PyTorch's own device-generic machinery.

By default every OpInfo runs once, with one of its dtypes in turn. ``TORCH_METAL_OPINFO=all`` runs every dtype;
``TORCH_METAL_OPINFO=2/8`` the second eighth of that.
"""

import re

import torch
from torch.testing._internal.common_device_type import OpDTypes, instantiate_device_type_tests, ops
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.common_utils import TestCase

from test.opinfo.choice import chosen
from test.opinfo.conformance import VARIANTS, check_pair, dtype_name, dtypes_of, name_of
from test.opinfo.declared import settle
from test.opinfo.variants import call


CHOSEN = chosen(op_db, dtypes_of)

#: Samples of an OpInfo that the costlier variants run.
FEW = 8


class chosen_ops(ops):
    """@ops over what this run has chosen, where the variant applies."""

    def __init__(self, op_list, variant: str):
        super().__init__(op_list)
        self.variant = VARIANTS[variant]

    def _parametrize_test(self, test, generic_cls, device_cls):
        for case in super()._parametrize_test(test, generic_cls, device_cls):
            op, dtype = case[2]["op"], case[2]["dtype"]
            if (op.formatted_name, dtype) in CHOSEN and self.variant.applies(op, dtype):
                yield case


class TestOpInfo(TestCase):
    def check(self, op, dtype, name: str, samples: int | None) -> None:
        outcome = check_pair(op, dtype, [name], samples)
        fallen = outcome.fallen_back
        error = outcome.error or (f"falls back: {', '.join(fallen)}" if fallen else "")
        settle(self, name, name_of(op), dtype_name(dtype), error)

    @chosen_ops(op_db, variant="forward")
    def test_forward(self, device, dtype, op):
        self.check(op, dtype, "forward", None)

    @chosen_ops(op_db, variant="backward")
    def test_backward(self, device, dtype, op):
        self.check(op, dtype, "backward", None)

    @chosen_ops(op_db, variant="double_backward")
    def test_double_backward(self, device, dtype, op):
        self.check(op, dtype, "double_backward", FEW)

    @chosen_ops(op_db, variant="forward_mode")
    def test_forward_mode(self, device, dtype, op):
        self.check(op, dtype, "forward_mode", FEW)

    @chosen_ops(op_db, variant="noncontiguous")
    def test_noncontiguous_inputs(self, device, dtype, op):
        self.check(op, dtype, "noncontiguous", FEW)

    @chosen_ops(op_db, variant="out")
    def test_out(self, device, dtype, op):
        self.check(op, dtype, "out", FEW)

    @chosen_ops(op_db, variant="in_place")
    def test_in_place(self, device, dtype, op):
        self.check(op, dtype, "in_place", FEW)

    @chosen_ops(op_db, variant="conjugated")
    def test_conjugated_and_negated_views(self, device, dtype, op):
        self.check(op, dtype, "conjugated", FEW)

    @ops([op for op in op_db if op.error_inputs_func], dtypes=OpDTypes.none)
    def test_errors_are_those_of_the_cpu(self, device, op):
        """Inputs that the OpInfo says to be wrong raise the same type of error as on the CPU, with its message."""
        wrong = ""
        for on_cpu, on_metal in zip(op.error_inputs("cpu"), op.error_inputs(device)):
            errors = [_error_of(op, error.sample_input) for error in (on_cpu, on_metal)]
            expected = on_metal.error_regex or "."  # some OpInfos expect no message
            same = type(errors[1]) is type(errors[0]) and re.search(expected, str(errors[1]))
            if errors[0] is not None and not same:
                wrong = f"{errors[1]!r}, the CPU raises {errors[0]!r}, expected is {expected!r}"
        settle(self, "errors", name_of(op), "*", wrong)


def _error_of(op, sample) -> Exception | None:
    try:
        call(op, sample)
        torch.accelerator.synchronize()
    except Exception as error:
        return error
    return None


instantiate_device_type_tests(TestOpInfo, globals(), only_for="metal")
