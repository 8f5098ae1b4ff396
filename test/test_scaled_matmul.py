"""Scaled products of 8-bit floats agree with those of their values in float32."""

import pytest
import torch
from torch.nn.functional import ScalingType, scaled_mm

from test.agreement import sample

pytestmark = pytest.mark.usefixtures("no_fallback")

FORMATS = (torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz)


def operands(dtype):
    return sample(15, 16).to(dtype), sample(32, 16, seed=1).to(dtype).t()


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("rows", [False, True])
def test_scales_and_bias(dtype, rows):
    a, b = operands(dtype)
    scales = (sample(15, 1, seed=2), sample(1, 32, seed=3)) if rows else (torch.tensor(0.7), torch.tensor([-3.0]))
    bias = sample(32, seed=4).bfloat16()
    expected = (a.float() @ b.float() * scales[0] * scales[1] + bias.float()).bfloat16()
    on_metal = [t.to("metal") for t in (a, b, *scales, bias)]
    result = torch._scaled_mm(*on_metal, out_dtype=torch.bfloat16)
    torch.testing.assert_close(result.cpu(), expected)
    recipe = ScalingType.RowWise if rows else ScalingType.TensorWise
    a, b, scale_a, scale_b, bias = on_metal
    again = scaled_mm(a, b, scale_a, recipe, scale_b, recipe, bias=bias, output_dtype=torch.bfloat16)
    assert torch.equal(again, result)


@pytest.mark.parametrize("dtype", FORMATS)
def test_every_value_of_a_format(dtype):
    values = torch.arange(256, dtype=torch.uint8).view(dtype)
    expected = values.float()
    one = torch.ones(1, 1, device="metal")
    for i in range(0, 256, 64):  # one at a time: NaN and infinity stay alone
        column = values[i : i + 64, None].to("metal")
        result = torch._scaled_mm(column, one.to(dtype), one, one, out_dtype=torch.float32)
        torch.testing.assert_close(result.cpu()[:, 0], expected[i : i + 64], rtol=0, atol=0, equal_nan=True)


def test_what_is_not_implemented_says_so():
    a, b = (t.to("metal") for t in operands(torch.float8_e4m3fn))
    one = torch.ones(1, device="metal")
    with pytest.raises(NotImplementedError, match="scale_a"):
        torch._scaled_mm(a, b, torch.ones(3, 1, device="metal"), one)
    with pytest.raises(NotImplementedError, match="as a whole or by rows"):
        scaled_mm(a, b, one, ScalingType.BlockWise1x128, one, ScalingType.BlockWise1x128)
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        torch._scaled_mm(a, b.t(), one, one)
