"""Products with quantised weights: exact against weights widened in float64, in both sizes of kernels."""

import pytest
import torch

from test.agreement import FLOATING, sample

pytestmark = pytest.mark.usefixtures("no_fallback")

TOLERANCE = {
    torch.float32: dict(rtol=1e-4, atol=1e-3),
    torch.float16: dict(rtol=2e-3, atol=2e-2),
    torch.bfloat16: dict(rtol=1e-2, atol=1e-1),
}
aten = torch.ops.aten


def integers(low, high, *shape, dtype):
    return torch.randint(low, high, shape, generator=torch.Generator().manual_seed(0)).to(dtype)


def assert_product(actual, expected, dtype):
    assert actual.dtype == dtype and actual.device.type == "metal"
    torch.testing.assert_close(actual.cpu().double(), expected, **TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize("m, n, k", [(1, 5, 33), (4, 64, 128), (5, 33, 100), (70, 96, 64), (0, 8, 8), (3, 4, 0)])
def test_int8_weights(m, n, k, dtype):
    a, weights = sample(m, k, dtype=dtype), integers(-128, 128, n, k, dtype=torch.int8)
    scales = (sample(n, seed=1).abs() / 50).to(dtype)
    expected = a.double() @ weights.double().t() * scales.double()
    on_metal = [t.to("metal") for t in (a, weights, scales)]
    assert_product(aten._weight_int8pack_mm(*on_metal), expected, dtype)
    strided = [t.t().contiguous().t() for t in on_metal[:2]]
    assert_product(aten._weight_int8pack_mm(*strided, on_metal[2]), expected, dtype)


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize("m, n, k, group, inner", [(1, 8, 64, 32, 2), (5, 40, 256, 64, 8), (70, 96, 128, 128, 4), (2, 16, 256, 256, 8)])
def test_int4_weights(m, n, k, group, inner, dtype):
    a, q = sample(m, k, dtype=dtype), integers(0, 16, n, k, dtype=torch.int32)
    scales, zeros = (sample(k // group, n, seed=1) / 10).to(dtype), sample(k // group, n, seed=2).to(dtype)
    per_weight = [t.double().t().repeat_interleave(group, 1) for t in (scales, zeros)]
    expected = a.double() @ ((q - 8).double() * per_weight[0] + per_weight[1]).t()
    pairs = (q[:, ::2] << 4 | q[:, 1::2]).to(torch.uint8).to("metal")
    packed = aten._convert_weight_to_int4pack(pairs, inner)
    assert packed.shape == (n // 8, k // (inner * 16), 32, inner // 2) and packed.dtype == torch.int32
    result = aten._weight_int4pack_mm(a.to("metal"), packed, group, torch.stack([scales, zeros], 2).to("metal"))
    assert_product(result, expected, dtype)


def test_quantised_as_pytorch_does():
    """PyTorch's own quantiser of weights for devices, and its tolerance."""
    from torch.testing._internal.common_quantization import _group_quantize_tensor

    a, w = sample(12, 128), sample(128, 64, seed=1)
    q, scales_and_zeros = _group_quantize_tensor(w.to("metal"), n_bit=4, q_group_size=32)
    result = aten._weight_int4pack_mm(a.to("metal"), aten._convert_weight_to_int4pack(q, 2), 32, scales_and_zeros)
    expected = a @ w
    assert ((result.cpu() - expected).abs().mean() / expected.abs().mean()) < 0.1


@pytest.mark.parametrize("m, n, k", [(1, 1, 1), (17, 8, 32), (33, 70, 4099), (0, 3, 4), (3, 2, 0)])
def test_int8_by_int8(m, n, k):
    a, b = integers(-128, 128, m, k, dtype=torch.int8), integers(-128, 128, n, k, dtype=torch.int8).t()
    expected = (a.long() @ b.long()).int()
    for right in (b, b.contiguous()):
        assert torch.equal(torch._int_mm(a.to("metal"), right.to("metal")).cpu(), expected)
    out = torch.empty(n, m, dtype=torch.int32, device="metal").t()
    torch._int_mm(a.to("metal"), b.to("metal"), out=out)
    assert torch.equal(out.cpu(), expected)


def test_bad_arguments_are_refused():
    def empty(*shape, dtype=torch.float32):
        return torch.empty(*shape, dtype=dtype, device="metal")

    for call in (
        lambda: aten._weight_int8pack_mm(empty(2, 4), empty(3, 5, dtype=torch.int8), empty(3)),
        lambda: aten._weight_int8pack_mm(empty(2, 4), empty(3, 4), empty(3)),
        lambda: aten._weight_int8pack_mm(empty(2, 4), empty(3, 4, dtype=torch.int8), empty(4)),
        lambda: aten._convert_weight_to_int4pack(empty(8, 16, dtype=torch.uint8), 3),
        lambda: aten._convert_weight_to_int4pack(empty(9, 16, dtype=torch.uint8), 2),
        lambda: aten._weight_int4pack_mm(empty(2, 32), empty(1, 1, 32, 1, dtype=torch.int32), 48, empty(1, 8, 2)),
        lambda: aten._weight_int4pack_mm(empty(2, 64), empty(1, 1, 32, 1, dtype=torch.int32), 32, empty(2, 8, 2)),
        lambda: torch._int_mm(empty(2, 3, dtype=torch.int8), empty(2, 3, dtype=torch.int8)),
        lambda: torch._int_mm(empty(2, 3), empty(3, 3)),
    ):
        with pytest.raises(RuntimeError):
            call()
