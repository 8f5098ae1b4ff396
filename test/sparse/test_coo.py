"""COO tensors are what they are on the CPU."""

import copy
import io
import pickle

import pytest
import torch

from test.sparse.matrices import COO_KINDS, DTYPES, LAYOUTS, check, coo, dense, matrix, on_metal

pytestmark = pytest.mark.usefixtures("no_fallback")


def ones(x, *shape):
    return x.to_dense().new_ones(shape)


OPERATIONS = {
    "coalesce": lambda x: [x.coalesce().indices(), x.coalesce().values(), x.coalesce().is_coalesced()],
    "parts": lambda x: [x._indices(), x._values(), x._nnz(), x.is_coalesced(), x.sparse_dim(), x.dense_dim()],
    "to_dense": lambda x: x.to_dense(),
    "clone": lambda x: x.clone(),
    "copy_": lambda x: torch.zeros_like(x).copy_(x),
    "dtypes": lambda x: [x.float(), x.bool(), x.to(torch.complex64)],
    "zero_": lambda x: x.clone().zero_(),
    "resized": lambda x: x.clone().sparse_resize_((7, x.shape[1]), x.sparse_dim(), x.dense_dim()),
    "resized and cleared": lambda x: x.clone().sparse_resize_and_clear_((5, 5), 1, 1),
    "to_sparse": lambda x: [x.to_dense().to_sparse(), x.to_dense().to_sparse(1)],
    "dense + sparse": lambda x: [ones(x, *x.shape) + x, ones(x, *x.shape).add(x, alpha=3)],
    "dense.add_": lambda x: [ones(x, *x.shape).add_(x), ones(x, *x.shape[::-1]).T.add_(x)],
    "int + sparse": lambda x: ones(x, *x.shape).int() + x,
    "scaled": lambda x: [x * 2, 2 * x, x.clone().mul_(2)],
    "divided": lambda x: [x / 2, torch.div(x, 2, rounding_mode="trunc"), x // 2],
    "times dense": lambda x: [x * (2 * ones(x, *x.shape)), x * ones(x, x.shape[1]), ones(x, 2, *x.shape) * x],
    "sum": lambda x: [x.sum(), torch.sparse.sum(x, 0), torch.sparse.sum(x, 1), torch.sparse.sum(x, (0, 1))],
    "transposed": lambda x: [x.t(), x.permute(1, 0), x.transpose(0, 1)],
    "joined": lambda x: [torch.cat([x, x]), torch.cat([x, x], 1), torch.stack([x, x])],
    "views": lambda x: [x.unsqueeze(0), x.unsqueeze(-1), x[2], x.select(1, 1), x.narrow_copy(0, 1, 2)],
    "index_select": lambda x: [x.index_select(d, torch.tensor([1, 0, 1], device=x.device)) for d in (0, 1)],
    "no index": lambda x: x.index_select(0, torch.empty(0, dtype=torch.long, device=x.device)),
    "masked": lambda x: (2 * ones(x, *x.shape)).sparse_mask(x),
    "any, norm": lambda x: [x.any(), x.float().norm()],
}


@pytest.mark.parametrize("kind", COO_KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_operations(dtype, kind):
    for operation in OPERATIONS.values():
        check(operation, coo(kind, dtype))


UNARY = (
    *("abs", "neg", "sqrt", "sin", "tanh", "relu", "sign", "sgn", "floor", "ceil", "round", "trunc", "frac", "isnan"),
    *("isinf", "signbit", "isposinf", "isneginf", "expm1", "log1p", "erf", "erfinv", "asin", "atan", "rad2deg"),
    *("asinh", "conj_physical", "exp", "log", "logical_not"),
)


@pytest.mark.parametrize("dtype", (torch.float32, torch.complex64, torch.int32))
@pytest.mark.parametrize("name", UNARY)
def test_unary(name, dtype):
    x = coo("repeated", dtype)
    check(getattr(torch, name), x)
    if hasattr(x, name + "_"):
        check(lambda x: getattr(x.clone(), name + "_")(), x)


PRODUCTS = {
    "mm": lambda x, d: [torch.sparse.mm(x, d), torch.mm(x, d), x @ d],
    "wide": lambda x, d: x @ d.repeat(1, 20),
    "columns": lambda x, d: x @ d.t().contiguous().t(),
    "mv": lambda x, d: torch.mv(x, d[:, 0]),
    "dense @ sparse": lambda x, d: ones(x, 2, 6) @ x,
    "addmm": lambda x, d: torch.sparse.addmm(dense(6, 2, dtype=x.dtype).to(x.device), x, d, beta=2, alpha=3),
    "addmm with a row": lambda x, d: torch.addmm(ones(x, 2), x, d),
    "addmm_": lambda x, d: ones(x, 6, 2).addmm_(x, d, beta=2),
    "out": lambda x, d: torch.mm(x, d, out=d.new_empty(0)),
    "bmm": lambda x, d: torch.bmm(torch.stack([x, 0 * x, x]), torch.stack([d, d, 2 * d])),
    "hspmm": lambda x, d: torch.hspmm(x, d),
    "smm": lambda x, d: torch.smm(x, d),
    "sspaddmm": lambda x, d: torch.sspaddmm(ones(x, 6, 2).to_sparse(), x, d, beta=2, alpha=3),
    "sparse @ sparse": lambda x, d: torch.sparse.mm(x, x.t()),
}


@pytest.mark.parametrize("kind", COO_KINDS)
@pytest.mark.parametrize("dtype", [dtype for dtype in DTYPES if dtype != torch.bool])
def test_products(dtype, kind):
    for product in PRODUCTS.values():
        check(product, coo(kind, dtype), dense(4, 2, dtype=dtype))


@pytest.mark.parametrize("kind", ("repeated", "coalesced", "empty"))
def test_products_of_booleans_are_refused_unless_there_is_nothing_to_multiply(kind):
    for name in ("mm", "addmm with a row", "hspmm"):
        check(PRODUCTS[name], coo(kind, torch.bool), dense(4, 2, dtype=torch.bool))


def test_long_rows_times_a_vector():
    x, v = torch.randn(70, 300), torch.randn(300)
    check(lambda x, v: [torch.mv(x.to_sparse(), v), x.to_sparse_csr() @ v], x * (x > 0), v)


PAIRS = {
    "add": lambda a, b: [a + b, torch.add(a, b, alpha=2), a - b, a.clone().add_(b)],
    "mul": lambda a, b: [a * b, a.clone().mul_(b)],
    "mixed": lambda a, b: [a.float() + b, a.float() * b],
    "mask": lambda a, b: a.sparse_mask(b),
    "projection": lambda a, b: [torch.ops.aten._sparse_mask_projection(a, b, matches) for matches in (False, True)],
}


@pytest.mark.parametrize("dtype", (torch.float32, torch.float16, torch.complex64, torch.float64, torch.int64))
def test_pairs(dtype):
    kinds = ("repeated", "coalesced", "empty")
    for kind in kinds:
        for other in [*(coo(k, dtype) for k in kinds), matrix(dtype).flip(0, 1).to_sparse()]:
            for operation in PAIRS.values():
                check(operation, coo(kind, dtype), other)
    check(PAIRS["add"], coo("hybrid", dtype), coo("hybrid", dtype))
    check(PAIRS["add"], coo("hybrid", dtype), coo("coalesced", dtype))  # of another density: refused


def test_coalesced_operands_have_a_coalesced_sum_and_product():
    a, b = (on_metal(x) for x in (coo("coalesced"), matrix().flip(0).to_sparse()))
    for result, cpu in ((a + b, a.cpu() + b.cpu()), (a * b, a.cpu() * b.cpu())):
        assert result.is_coalesced() and torch.equal(result.indices().cpu(), cpu.indices())


@pytest.mark.parametrize("kind", COO_KINDS)
@pytest.mark.parametrize("dtype", (torch.float32, torch.float16, torch.float64, torch.int32))
def test_softmax(dtype, kind):
    for dim in (0, 1, -1):
        check(lambda x: [torch.sparse.softmax(x, dim), torch.sparse.log_softmax(x, dim)], coo(kind, dtype))


def test_softmax_of_infinities_and_nan():
    x = torch.tensor([[1.0, float("inf"), 2], [3, float("nan"), 4], [-float("inf"), 5, -float("inf")]]).to_sparse()
    for dim in (0, 1):
        check(lambda x: [torch.sparse.softmax(x, dim), torch.sparse.log_softmax(x, dim)], x)


def test_construction():
    def make(indices, values):
        return [
            torch.sparse_coo_tensor(indices, values),
            torch.sparse_coo_tensor(indices, values, (3, 4)),
            torch.sparse_coo_tensor((2, 3), device=values.device),
            torch.sparse_coo_tensor(indices, values, (3, 4), dtype=torch.float16, is_coalesced=True),
        ]

    check(make, torch.tensor([[0, 2], [1, 3]]), torch.tensor([1.0, 2]))
    assert torch.sparse_coo_tensor([[0, 1]], [1.0, 2], (4,), device="metal").device.type == "metal"
    assert torch.zeros(2, 3, layout=torch.sparse_coo, device="metal")._nnz() == 0


@pytest.mark.parametrize("indices", ([[0, 2], [0, 1]], [[0, -1], [0, 1]]))
def test_indices_out_of_range_are_refused(indices):
    i = torch.tensor(indices)
    check(lambda i, v: torch.sparse_coo_tensor(i, v, (2, 2), check_invariants=True), i, torch.ones(2))
    check(lambda i: torch.ones(3, 3, device=i.device).to_sparse().index_select(0, i[0] * 9), i)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_copies_files_and_printing(layout):
    x = LAYOUTS[layout](matrix()).to("metal")
    buffer = io.BytesIO()
    torch.save(x, buffer)
    for location in ("metal", "cpu"):
        buffer.seek(0)
        loaded = torch.load(buffer, map_location=location)
        assert loaded.device.type == location
        torch.testing.assert_close(loaded.cpu(), x.cpu())
    for other in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x), x.to("metal"), x.cpu().to("metal"), x.clone()):
        assert other.device == x.device
        torch.testing.assert_close(other, x)
    assert "device='metal:0'" in repr(x) and f"torch.{x.layout}".removeprefix("torch.") in repr(x)


@pytest.mark.parametrize("function", (torch.all, torch.exp, torch.isfinite, lambda x: x == x, lambda x: x.view(-1)))
def test_what_no_device_has_is_refused_by_name(function):
    check(function, coo("coalesced"))
    with pytest.raises(NotImplementedError, match="aten::.*metal"):
        function(on_metal(coo("coalesced")))
