"""scaled_dot_product_attention is one kernel forward and two backward, and agrees with the CPU in float64."""

import os
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

import torch_metal
from test.agreement import FLOATING, sample

pytestmark = pytest.mark.usefixtures("no_fallback", "recorded")

FORWARD = "_scaled_dot_product_fused_attention_overrideable"
BACKWARD = FORWARD + "_backward"
TOLERANCE = {
    torch.float32: dict(rtol=1e-4, atol=2e-5),
    torch.float16: dict(rtol=4e-3, atol=4e-3),
    torch.bfloat16: dict(rtol=3e-2, atol=3e-2),
}

#: batch, heads of queries, heads of keys, queries, keys, features of keys, features of values
SHAPES = {
    "blocks": (2, 3, 3, 64, 96, 64, 64),
    "ragged": (2, 2, 2, 37, 53, 20, 20),
    "one_key": (1, 2, 2, 40, 1, 8, 8),
    "one_feature": (2, 1, 1, 33, 34, 1, 1),
    "few_features": (1, 2, 2, 70, 40, 33, 33),
    "many_features": (1, 2, 2, 35, 67, 256, 256),
    "wide_values": (1, 2, 2, 34, 45, 24, 100),
    "narrow_values": (1, 2, 2, 34, 45, 130, 7),
    "one_query": (2, 3, 3, 1, 40, 64, 64),
    "few_queries": (1, 2, 2, 5, 77, 48, 80),
    "one_query_of_a_long_cache": (1, 2, 2, 1, 1300, 40, 40),
    "grouped": (2, 6, 2, 39, 41, 16, 16),
    "grouped_one_query": (2, 4, 1, 1, 100, 200, 200),
}


@pytest.fixture
def recorded():
    torch_metal.record_operators(True)
    yield
    torch_metal.record_operators(False)


def inputs(shape, dtype=torch.float32):
    batch, heads, key_heads, queries, keys, size, value_size = SHAPES.get(shape, shape)
    sizes = ((batch, heads, queries, size), (batch, key_heads, keys, size), (batch, key_heads, keys, value_size))
    return [sample(*s, dtype=dtype, seed=i) for i, s in enumerate(sizes)]


def attend(q, k, v, mask=None, **options):
    return F.scaled_dot_product_attention(q, k, v, mask, enable_gqa=q.size(1) != k.size(1), **options)


def fused(*tensors, **options):
    """By the kernels, whatever this machine prefers."""
    with sdpa_kernel(SDPBackend.OVERRIDEABLE):
        return attend(*tensors, **options)


def exact(tensors, mask=None, is_causal=False, **options):
    """What results() should be: PyTorch's composition in float64. (The CPU's fused kernel rounds the logarithm of a sum
    of exponentials, which loses the sum where scores are large; its gradients are wrong there, in float64 as well.)"""
    if is_causal:
        seen = torch.ones(tensors[0].size(2), tensors[1].size(2), dtype=torch.bool).tril()
        if mask is None or mask.dtype == torch.bool:
            mask = seen if mask is None else seen & mask
        else:
            mask = torch.where(seen, mask, -torch.inf)
    with sdpa_kernel(SDPBackend.MATH):
        return results("cpu", torch.float64, tensors, mask, **options)


def results(device, dtype, tensors, mask=None, **options):
    """Output and gradients of query, key and value, on the CPU."""
    leaves = [t.detach().to(device, dtype).requires_grad_() for t in tensors]
    if mask is not None:
        mask = mask.to(device) if mask.dtype == torch.bool else mask.to(device, dtype)
    out = (fused if device == "metal" else attend)(*leaves, mask, **options)
    weights = (sample(*out.shape, dtype=torch.int8, seed=7) / 2).to(device, dtype)
    return [t.detach().cpu() for t in (out, *torch.autograd.grad(out, leaves, weights))]


def inferred(tensors, mask=None, **options):
    """The output where no gradients are wanted, which for few queries has a kernel of its own."""
    dtype = tensors[0].dtype
    if mask is not None:
        mask = mask.to("metal") if mask.dtype == torch.bool else mask.to("metal", dtype)
    return fused(*(t.detach().to("metal") for t in tensors), mask, **options).cpu()


def assert_agrees(tensors, mask=None, tolerance=None, **options):
    dtype = tensors[0].dtype
    torch_metal.reset_route_counts()
    actual = results("metal", dtype, tensors, mask, **options)
    operators = torch_metal.operator_routes()
    assert operators[FORWARD]["msl"] >= 1 and operators[BACKWARD]["msl"] >= 1, operators
    assert not any("softmax" in name or "bmm" in name for name in operators), operators
    expected = exact(tensors, mask, **options)
    for a, e in zip([inferred(tensors, mask, **options), *actual], [expected[0], *expected]):
        assert a.dtype == dtype and a.shape == e.shape
        torch.testing.assert_close(a.double(), e, equal_nan=True, **(tolerance or TOLERANCE[dtype]))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_values_and_gradients(shape, causal):
    assert_agrees(inputs(shape), is_causal=causal)


@pytest.mark.parametrize("dtype", FLOATING[:2], ids=str)
@pytest.mark.parametrize("shape", ["blocks", "ragged", "one_query", "one_query_of_a_long_cache", "grouped"])
def test_low_precision(shape, dtype):
    assert_agrees(inputs(shape, dtype), scale=0.2)
    assert_agrees(inputs(shape, dtype), sample(*mask_shape(shape), dtype=dtype, seed=5))


def mask_shape(shape):
    batch, heads, _, queries, keys, _, _ = SHAPES[shape]
    return batch, heads, queries, keys


def masks(shape):
    batch, heads, queries, keys = mask_shape(shape)
    padding = torch.ones(batch, 1, 1, keys, dtype=torch.bool)
    padding[0, ..., keys // 2 + 1 :] = False
    return {
        "bool": sample(batch, heads, queries, keys, seed=5) > -1,
        "padding": padding,
        "rows": torch.ones(queries, keys, dtype=torch.bool).tril(3),
        "float": sample(batch, heads, queries, keys, seed=5),
        "of_each_key": sample(1, keys, seed=5),
        "of_each_query": sample(queries, 1, seed=5),
        "strided": sample(keys, heads, queries, seed=5).permute(1, 2, 0),
        "every_other": sample(queries, 2 * keys, seed=5)[:, ::2],
        "least_number": torch.where(padding, 0.0, torch.finfo(torch.float32).min),
        "only_least_numbers": torch.full((queries, keys), torch.finfo(torch.float32).min),
    }


@pytest.mark.parametrize("shape", ["ragged", "few_queries", "many_features", "grouped"])
@pytest.mark.parametrize("name", masks("ragged"))
def test_masks(name, shape):
    mask = masks(shape)[name]
    assert_agrees(inputs(shape), mask, scale=0.3)


@pytest.mark.parametrize("shape", ["blocks", "ragged", "few_queries", "many_features"])
def test_rows_that_see_one_key_alone_have_no_gradients(shape):
    """Not even roundings, which large features would multiply."""
    q, k, v = inputs(shape)
    _, dq, dk, _ = results("metal", torch.float32, (1e3 * q, 1e3 * k, v))
    assert not dq.any() and not dk.any()


@pytest.mark.parametrize("scale", [-0.3, 0.0, 0.5])
@pytest.mark.parametrize("shape", ["ragged", "few_queries"])
def test_scales(shape, scale):
    assert_agrees(inputs(shape), scale=scale)


@pytest.mark.parametrize("shape", ["ragged", "few_queries"])
@pytest.mark.parametrize("name", ["bool", "float"])
def test_a_mask_beside_the_causal_one(name, shape):
    """Which PyTorch's composition does not take, but the CPU's fused kernel does."""
    assert_agrees(inputs(shape), masks(shape)[name], is_causal=True)


@pytest.mark.parametrize("shape", ["ragged", "few_queries", "one_query_of_a_long_cache"])
@pytest.mark.parametrize("boolean", [True, False])
def test_rows_that_see_nothing_give_zeros_as_on_the_cpu(shape, boolean):
    batch, _, queries, keys = mask_shape(shape)
    mask = sample(batch, 1, queries, keys, seed=5) > 0
    mask[0, :, queries // 2] = False
    mask[-1] = False
    assert_agrees(inputs(shape), mask if boolean else torch.where(mask, 0.5, -torch.inf))
    assert results("metal", torch.float32, inputs(shape), mask)[0][0, :, queries // 2].count_nonzero() == 0


def test_a_mask_in_float32_of_low_precision_inputs(device):
    tensors, mask = inputs("ragged", torch.bfloat16), sample(37, 53, seed=5)
    actual = fused(*(t.to(device) for t in tensors), mask.to(device)).cpu()
    expected = attend(*(t.double() for t in tensors), mask.double())
    torch.testing.assert_close(actual.double(), expected, **TOLERANCE[torch.bfloat16])


@pytest.mark.parametrize("layout", ["transposed", "packed", "sliced", "expanded", "features_apart"])
@pytest.mark.parametrize("queries", [2, 40])
def test_strides(layout, queries):
    q, k, v = inputs((2, 3, 3, queries, 45, 24, 24))
    if layout == "transposed":
        q, k, v = (t.transpose(1, 2).contiguous().transpose(1, 2) for t in (q, k, v))
    elif layout == "packed":
        k, v = torch.stack((k, v), 2).unbind(2)
    elif layout == "sliced":
        q, k, v = (torch.cat((t, t), 3).repeat(1, 1, 2, 1)[:, :, 1::2, 3:27] for t in (q, k, v))
    elif layout == "expanded":
        q, k, v = (t[:1, :, :1].expand_as(t) for t in (q, k, v))
    else:
        q, k, v = (t.transpose(2, 3).contiguous().transpose(2, 3) for t in (q, k, v))
    assert_agrees([q, k, v])


def test_outputs_lie_in_memory_as_queries_do(device):
    q = torch.zeros(2, 40, 3, 8, device=device).transpose(1, 2)
    assert fused(q, q, q).transpose(1, 2).is_contiguous()


EMPTY = [(0, 2, 2, 5, 6), (2, 0, 0, 5, 6), (2, 2, 2, 0, 6), (2, 2, 2, 40, 0), (2, 2, 2, 1, 0)]


@pytest.mark.parametrize("sizes", EMPTY)
def test_empty(sizes):
    sizes = (*sizes, 8, 8)
    actual, expected = (results(d, torch.float32, inputs(sizes)) for d in ("metal", "cpu"))
    for a, e in zip(actual, expected):
        assert torch.equal(a, e)


@pytest.mark.parametrize("queries", [2, 40])
def test_large_logits(queries):
    q, k, v = inputs((1, 2, 2, queries, 50, 32, 32))
    assert_agrees([q * 30, k * 30, v], tolerance=dict(rtol=2e-3, atol=2e-3))
    assert_agrees([q * 1e15, k * 1e15, v], tolerance=dict(rtol=1e-3, atol=1e16))


@pytest.mark.parametrize("queries", [2, 40])
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("where", [0, 1, 2])
def test_values_that_are_not_finite(where, value, queries):
    tensors = inputs((1, 2, 2, queries, 50, 16, 16))
    tensors[where][0, 0, 1, 3] = value
    for a, e in zip(results("metal", torch.float32, tensors), exact(tensors)):
        torch.testing.assert_close(a.double(), e, equal_nan=True, **TOLERANCE[torch.float32])


@pytest.mark.parametrize("threads", [1, 3])
def test_results_repeat_bit_by_bit(threads):
    before = torch.get_num_threads()
    first = results("metal", torch.float32, inputs("grouped"))
    try:
        torch.set_num_threads(threads)
        again = results("metal", torch.float32, inputs("grouped"))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(first, again))


def operators_of(function):
    torch_metal.reset_route_counts()
    function()
    return torch_metal.operator_routes()


def test_one_kernel_forward_and_two_backward(device):
    q, k, v = (t.to(device).requires_grad_() for t in inputs("blocks"))
    assert operators_of(lambda: fused(q, k, v)) == {FORWARD: {"msl": 1, "mps_graph": 0, "host": 0, "fallback": 0}}
    out = fused(q, k, v, is_causal=True)
    grad = torch.ones_like(out)
    assert BACKWARD in operators_of(lambda: out.backward(grad))


@pytest.mark.parametrize("name", ["FLASH_ATTENTION", "EFFICIENT_ATTENTION", "OVERRIDEABLE"])
def test_backends_that_are_fused(name, device):
    q, k, v = (t.to(device) for t in inputs("blocks"))
    with sdpa_kernel(getattr(SDPBackend, name)):
        assert FORWARD in operators_of(lambda: attend(q, k, v))
        with pytest.raises(RuntimeError, match="No viable backend"):
            attend(q.double(), k.double(), v.double())


def test_the_math_backend_is_pytorchs_composition(device):
    q, k, v = (t.to(device) for t in inputs("blocks"))
    with sdpa_kernel(SDPBackend.MATH):
        operators = operators_of(lambda: attend(q, k, v))
    assert FORWARD not in operators and any("softmax" in name for name in operators)
    assert FORWARD not in operators_of(lambda: torch.ops.aten._scaled_dot_product_attention_math(q, k, v))


UNFUSED = {
    "float64": lambda q, k, v: attend(q.double(), k.double(), v.double()),
    "three_dimensions": lambda q, k, v: F.scaled_dot_product_attention(q[0], k[0], v[0]),
    "broadcast_heads": lambda q, k, v: F.scaled_dot_product_attention(q, k[:, :1], v[:, :1]),
    "wide_heads": lambda q, k, v: attend(*(torch.cat([t] * 5, 3) for t in (q, k, v))),
    "mask_with_gradient": lambda q, k, v: attend(q, k, v, torch.zeros(64, 96, device=q.device, requires_grad=True)),
}


@pytest.mark.parametrize("name", UNFUSED)
def test_what_the_kernels_leave_out_is_composed(name, device):
    tensors = inputs("blocks")
    calls = operators_of(lambda: UNFUSED[name](*(t.to(device) for t in tensors)))
    assert FORWARD not in calls
    actual = UNFUSED[name](*(t.to(device) for t in tensors)).detach().cpu()
    torch.testing.assert_close(actual, UNFUSED[name](*tensors).detach(), rtol=1e-4, atol=1e-5)



# Dropout. With the identity for values, the output is the weights themselves.


def weights_after_dropout(p, queries, keys, seed=0, **options):
    torch.metal.manual_seed(seed)
    q, k = sample(2, 2, queries, 16).to("metal"), sample(2, 2, keys, 16, seed=1).to("metal")
    identity = torch.eye(keys, device="metal").expand(2, 2, keys, keys)
    return fused(q, k, identity, dropout_p=p, **options).cpu(), fused(q, k, identity, **options).cpu()


@pytest.mark.parametrize("p", [0.1, 0.5])
@pytest.mark.parametrize("queries", [8, 100])
def test_dropout_drops_with_its_probability_and_scales_the_rest(p, queries):
    dropped, weights = weights_after_dropout(p, queries, 203)
    kept = dropped != 0
    torch.testing.assert_close(dropped[kept], weights[kept] / (1 - p), rtol=1e-4, atol=1e-7)
    deviation = (p * (1 - p) / kept.numel()) ** 0.5
    assert abs(1 - kept.double().mean().item() - p) < 5 * deviation
    flat = (~kept).double().flatten() - p
    assert abs((flat[1:] * flat[:-1]).mean().item()) < 5 * p * (1 - p) / kept.numel() ** 0.5  # neighbours


def test_dropout_follows_the_generator():
    first, again, other = (weights_after_dropout(0.5, 40, 50, seed)[0] for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    torch.metal.manual_seed(1)
    q = torch.zeros(1, 1, 64, 8, device="metal")
    v = torch.rand(1, 1, 64, 8, device="metal")
    assert not torch.equal(fused(q, q, v, dropout_p=0.5), fused(q, q, v, dropout_p=0.5))


def test_dropout_of_everything_gives_zeros():
    assert weights_after_dropout(1.0, 40, 50)[0].count_nonzero() == 0


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("shape", ["blocks", "ragged", "few_queries", "grouped", "narrow_values"])
def test_gradients_use_the_mask_that_the_forward_pass_drew(shape, causal):
    """The kernels' dropout is a mask that depends on the generator alone, so a call with the identity for values shows
    it; PyTorch's composition with that mask in float64 has the same gradients."""
    p, (batch, heads, queries, keys) = 0.3, mask_shape(shape)
    tensors = inputs(shape)
    q, k, _ = (t.to("metal") for t in tensors)
    torch.metal.manual_seed(3)
    identity = torch.eye(keys, device="metal").expand(batch, k.size(1), keys, keys)
    kept = fused(torch.zeros_like(q), torch.zeros_like(k), identity, dropout_p=p).cpu() != 0

    def composed(q, k, v):
        k, v = (t.repeat_interleave(heads // t.size(1), 1) for t in (k, v))
        scores = q @ k.transpose(2, 3) / q.size(3) ** 0.5
        if causal:
            scores = scores.masked_fill(torch.ones(queries, keys, dtype=torch.bool).tril().logical_not(), -torch.inf)
        return (scores.softmax(-1) * kept / (1 - p)) @ v

    leaves = [t.double().requires_grad_() for t in tensors]
    out = composed(*leaves)
    weights = (sample(*out.shape, dtype=torch.int8, seed=7) / 2).double()
    expected = [out, *torch.autograd.grad(out, leaves, weights)]
    torch.metal.manual_seed(3)
    actual = results("metal", torch.float32, tensors, dropout_p=p, is_causal=causal)
    for a, e in zip(actual, expected):
        torch.testing.assert_close(a.double(), e.detach(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("shape", ["ragged", "few_queries", "grouped"])
def test_second_derivatives(shape, causal):
    def second(device, dtype):
        leaves = [t.to(device, dtype).requires_grad_() for t in inputs(shape)]
        out = (fused if device == "metal" else attend)(*leaves, is_causal=causal)
        first = torch.autograd.grad(out.square().sum(), leaves, create_graph=True)
        return [t.cpu() for t in torch.autograd.grad(sum(g.sin().sum() for g in first), leaves)]

    actual = second("metal", torch.float32)
    with sdpa_kernel(SDPBackend.MATH):  # the CPU's fused one has no second derivative
        expected = second("cpu", torch.float64)
    for a, e in zip(actual, expected):
        torch.testing.assert_close(a.double(), e, rtol=1e-3, atol=1e-3)


def test_second_derivatives_with_dropout_are_an_error_that_says_what_to_do(device):
    q, k, v = (t.to(device).requires_grad_() for t in inputs("ragged"))
    out = fused(q, k, v, dropout_p=0.5)
    with pytest.raises(NotImplementedError, match="SDPBackend.MATH"):
        torch.autograd.grad(out.sum(), q, create_graph=True)


SCRIPT = """
import sys, torch, torch_metal
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention as attend

def is_fused(queries, mask=None, is_causal=False, features=16, **options):
    q, k, v = (torch.randn(1, 2, n, features, **options) for n in (queries, 50, 50))
    torch_metal.record_operators(True)
    torch_metal.reset_route_counts()
    on_metal = None if mask is None else mask.to("metal")
    actual = attend(q.to("metal"), k.to("metal"), v.to("metal"), on_metal, is_causal=is_causal).cpu()
    torch.testing.assert_close(actual, attend(q, k, v, mask, is_causal=is_causal), rtol=1e-4, atol=1e-5)
    return any("fused" in name for name in torch_metal.operator_routes())

assert is_fused(40) and is_fused(4) and is_fused(4, requires_grad=True)
assert is_fused(40, torch.zeros(40, 50), is_causal=True)
assert is_fused(4, features=200) and is_fused(40, features=200) == (sys.argv[1] == "register")
assert is_fused(40, torch.zeros(40, 50), is_causal=True, features=200)
with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
    assert is_fused(40, features=200)
"""


@pytest.mark.parametrize("kind", ["register", "matrix"])
def test_attention_is_fused_by_default_where_registers_hold_the_sums_of_products(kind):
    environment = {**os.environ, "TORCH_METAL_GEMM_TILE": kind}
    result = subprocess.run([sys.executable, "-c", SCRIPT, kind], env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_kernels_by_matrices_pass_all_of_these_tests():
    """The ones that GPUs take."""
    environment = {**os.environ, "TORCH_METAL_GEMM_TILE": "matrix"}
    others = "not by_default and not by_matrices"
    command = [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", __file__, "-k", others]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
