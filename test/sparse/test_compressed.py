"""CSR, CSC, BSR and BSC tensors are what they are on the CPU."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from test.sparse.matrices import COMPRESSED, check, dense, matrix, with_int32_indices

pytestmark = pytest.mark.usefixtures("no_fallback")

DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.complex64, torch.float64, torch.int32, torch.bool)
FLOATING = (torch.float32, torch.float16, torch.bfloat16, torch.complex64, torch.float64)


def compressed(layout: str, dtype=torch.float32, int32=False, empty=False):
    x = COMPRESSED[layout](torch.zeros_like(matrix(dtype)) if empty else matrix(dtype))
    return with_int32_indices(x) if int32 else x


def batch(dtype=torch.float32):
    return torch.stack([matrix(dtype), matrix(dtype).flip(1)]).to_sparse_csr()


def ones(x, *shape):
    return x.to_dense().new_ones(shape)


def converted(x, layout):
    return getattr(x, f"to_sparse_{layout}")(*([(2, 1)] if layout.startswith("b") else []))


@pytest.mark.parametrize("int32", (False, True))
@pytest.mark.parametrize("layout", COMPRESSED)
@pytest.mark.parametrize("dtype", DTYPES)
def test_conversions(dtype, layout, int32):
    for empty in (False, True):
        x = compressed(layout, dtype, int32, empty)
        for other in COMPRESSED:
            check(lambda x: converted(x, other), x)
            check(lambda x: converted(x.to_dense(), other), x)
            check(lambda x: converted(x.to_sparse(), other), x)
        check(lambda x: [x.to_dense(), x.to_sparse(), x.clone(), x.transpose(0, 1), torch.empty_like(x).copy_(x)], x)
    check(lambda x: x.to_sparse_bsr((4, 1)), compressed(layout, dtype))  # blocks that do not fit: refused


def test_conversions_of_batches_and_of_dense_entries():
    hybrid = torch.stack([matrix(), 2 * matrix()], -1).to_sparse_csr(dense_dim=1)
    for x in (batch(), with_int32_indices(batch()), hybrid):
        check(lambda x: [x.to_dense(), x.to_sparse(), x.to_sparse_csc()], x)
        check(lambda x: x.to_sparse_bsr((2, 2)), x)
        check(lambda x: x.to_sparse_bsc((2, 2)), x)


@pytest.mark.parametrize("layout", COMPRESSED)
@pytest.mark.parametrize(
    "name", ("abs", "neg", "sqrt", "sin", "tanh", "relu", "sign", "isnan", "expm1", "angle", "exp")
)
def test_unary(name, layout):
    for dtype in (torch.float32, torch.complex64, torch.int32):
        check(getattr(torch, name), compressed(layout, dtype))
        if hasattr(torch.Tensor, name + "_"):
            check(lambda x: getattr(x.clone(), name + "_")(), compressed(layout, dtype))


ARITHMETIC = {
    "scaled": lambda x: [x * 2, x * 2.5],
    "mul_": lambda x: x.clone().mul_(2),
    "times itself": lambda x: x * x,
    "times dense": lambda x: [x * (2 * ones(x, 6, 4)), ones(x, 6, 4) * x],
    "itself twice": lambda x: x + x,
    "dense + sparse": lambda x: [ones(x, 6, 4) + x, x + ones(x, 6, 4), ones(x, 6, 4).add_(x)],
    "selected": lambda x: [x[1, 2], x[4, 1], x.sum()],
    "masked": lambda x: (2 * ones(x, 6, 4)).sparse_mask(x),
    "filled": lambda x: [x.clone().fill_(3), x.clone().zero_()],
}


@pytest.mark.parametrize("layout", COMPRESSED)
@pytest.mark.parametrize("name", ARITHMETIC)
def test_arithmetic(name, layout):
    for dtype in (torch.float32, torch.complex64, torch.float64):
        for int32 in (False, True):
            check(ARITHMETIC[name], compressed(layout, dtype, int32))
        check(ARITHMETIC[name], compressed(layout, dtype, empty=True))


@pytest.mark.parametrize("dtype", (*FLOATING, torch.int32, torch.bool))
def test_sums_of_csr_matrices(dtype):
    for int32 in (False, True):
        a, b = compressed("csr", dtype, int32), matrix(dtype).flip(0).to_sparse_csr()
        check(lambda a, b: [a + b, a.add(b, alpha=2), a.clone().add_(b)], a, b)


@pytest.mark.parametrize("dtype", (torch.float32, torch.float16, torch.complex64, torch.float64, torch.int32))
@pytest.mark.parametrize("reduction", ("sum", "prod"))
def test_reductions_of_csr_matrices(reduction, dtype):
    function = getattr(torch.ops.aten, f"_sparse_csr_{reduction}")
    for int32 in (False, True):
        for dims in ([0], [1], [-1], [0, 1], []):
            check(lambda x: function(x, dims, True), compressed("csr", dtype, int32))
    for dims in ([0], [1]):
        check(lambda x: function(x, dims, True), compressed("csr", dtype, empty=True))
    check(lambda x: function(x, [1], True, dtype=torch.float32), compressed("csr", dtype))
    check(lambda x: function(x, [1], False), compressed("csr", dtype))


def layout_and_dense(x):
    """For results whose entries the CPU leaves in any order."""
    return [str(x.layout), x.to_dense()]


PRODUCTS = {
    "mm": lambda x, d: [x @ d, torch.mm(x, d), torch.sparse.mm(x, d), x @ d.repeat(1, 20)],
    "columns": lambda x, d: x @ d.t().contiguous().t(),
    "mv": lambda x, d: x @ d[:, 0],
    "addmv": lambda x, d: torch.addmv(ones(x, 6), x, d[:, 0], beta=2, alpha=3),
    "addmm": lambda x, d: [torch.addmm(ones(x, 6, 2), x, d, beta=2, alpha=3), torch.addmm(ones(x, 2), x, d)],
    "addmm_": lambda x, d: ones(x, 6, 2).addmm_(x, d),
    "out": lambda x, d: torch.mm(x, d, out=d.new_empty(6, 2)),
    "dense @ sparse": lambda x, d: ones(x, 3, 6) @ x,
    "dense addmm": lambda x, d: torch.addmm(ones(x, 3, 4), ones(x, 3, 6), x, beta=2, alpha=3),
    "sparse @ sparse": lambda x, d: layout_and_dense(x @ x.transpose(0, 1)),
    "sizes that do not fit": lambda x, d: x @ d[1:],
}


#: Others are what the CPU's library does not multiply.
SQUARE_BLOCKS = {
    **COMPRESSED,
    "bsr": lambda x: x.to_sparse_bsr((2, 2)),
    "bsc": lambda x: x.to_sparse_bsc((2, 2)),
}


@pytest.mark.parametrize("blocks", ((2, 1), (3, 2), (1, 4), (6, 4)))
def test_products_with_blocks_of_any_shape(blocks):
    x, d = matrix(), dense(4, 3)
    torch.testing.assert_close((x.to_sparse_bsr(blocks).to("metal") @ d.to("metal")).cpu(), x @ d)
    torch.testing.assert_close((dense(3, 6).to("metal") @ x.to_sparse_bsc(blocks).to("metal")).cpu(), dense(3, 6) @ x)


@pytest.mark.parametrize("layout", COMPRESSED)
@pytest.mark.parametrize("dtype", (*FLOATING, torch.int32))
def test_products(dtype, layout):
    for int32 in (False, True):
        x = SQUARE_BLOCKS[layout](matrix(dtype))
        for product in PRODUCTS.values():
            check(product, with_int32_indices(x) if int32 else x, dense(4, 2, dtype=dtype))
    for name in ("mm", "mv", "addmm", "dense @ sparse"):
        check(PRODUCTS[name], compressed(layout, dtype, empty=True), dense(4, 2, dtype=dtype))


def test_products_into_a_sparse_matrix():
    a, b, c = compressed("csr"), matrix().t().contiguous().to_sparse_csr(), torch.eye(6).to_sparse_csr()
    check(lambda c, a, b: layout_and_dense(torch.addmm(c, a, b, beta=2, alpha=3)), c, a, b)
    check(lambda c, a, b: torch.addmm(c.to_dense(), a, b, beta=2, alpha=3), c, a, b)


def test_beta_zero_ignores_what_is_added():
    nan = torch.full((6, 2), float("nan"))
    check(lambda n, x, d: torch.addmm(n, x, d, beta=0), nan, compressed("csr"), dense(4, 2))
    check(lambda n, x, d: torch.addmm(n, x, d, beta=0), nan, compressed("csr", empty=True), dense(4, 2))


def test_products_of_batches():
    x, d = batch(), dense(2, 4, 3)
    product = torch.bmm(x.to("metal"), d.to("metal"))
    torch.testing.assert_close(product.cpu(), torch.bmm(x.to_dense(), d))
    sum = torch.baddbmm(torch.ones(3).to("metal"), x.to("metal"), d.to("metal"), beta=2, alpha=3)
    torch.testing.assert_close(sum.cpu(), torch.baddbmm(torch.ones(3), x.to_dense(), d, beta=2, alpha=3))


@pytest.mark.parametrize("dtype", (torch.float32, torch.complex64, torch.float64, torch.int32))
@pytest.mark.parametrize("inner", (0, 3, 40))
def test_sampled_products(inner, dtype):
    def sampled(x, a, b):
        return [
            torch.sparse.sampled_addmm(x, a, b),
            torch.sparse.sampled_addmm(x, a.mT.contiguous().mT, b, beta=2, alpha=3),
            torch.sparse.sampled_addmm(x, a, b, out=x.clone()),
        ]

    a, b = dense(2, 6, inner, dtype=dtype), dense(2, inner, 4, dtype=dtype)
    for empty in (False, True):
        check(sampled, compressed("csr", dtype, empty=empty), a[0], b[0])
    check(sampled, compressed("csc", dtype), a[0], b[0])
    check(lambda x, a, b: torch.sparse.sampled_addmm(x, a, b), batch(dtype), a, b)


@pytest.mark.parametrize("dtype", (torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int32))
@pytest.mark.parametrize("reduction", ("sum", "mean", "amax", "amin", "prod", "median"))
def test_reduced_products(reduction, dtype):
    d = dense(4, 3, dtype=dtype)
    if dtype.is_floating_point:
        d[2, 1] = float("nan")
    for int32 in (False, True):
        check(lambda x, d: torch.sparse.mm(x, d, reduction), compressed("csr", dtype, int32), d)
    check(lambda x, d: torch.sparse.mm(x, d, reduction), compressed("csr", dtype, empty=True), d)
    check(lambda x, d: torch.sparse.mm(x, d, reduction), compressed("csc", dtype), d)


@pytest.mark.parametrize("upper", (False, True))
@pytest.mark.parametrize("transpose", (False, True))
def test_triangular_solve(upper, transpose):
    x = torch.randn(5, 5, generator=torch.Generator().manual_seed(0)) + 4 * torch.eye(5)
    a = (x.triu() if upper else x.tril()).to_sparse_csr()
    check(lambda b, a: torch.triangular_solve(b, a, upper, transpose)[0], dense(5, 2), a)


INVALID = {
    "none": ([0, 1, 2], [0, 1]),
    "first": ([1, 1, 2], [0, 1]),
    "last": ([0, 1, 1], [0, 1]),
    "descending": ([0, 2, 1, 2], [0, 1]),
    "out of range": ([0, 1, 2], [0, 2]),
    "negative": ([0, 1, 2], [0, -1]),
    "repeated": ([0, 2, 2], [1, 1]),
    "not sorted": ([0, 2, 2], [1, 0]),
    "too few rows": ([0, 1], [0, 1]),
    "too long": ([0, 3, 3], [0, 1, 1]),
}


@pytest.mark.parametrize("fault", INVALID)
@pytest.mark.parametrize("layout", (torch.sparse_csr, torch.sparse_csc))
def test_invariants_are_checked_with_the_same_words(layout, fault):
    def words(indices, dtype, device):
        compressed, plain = (torch.tensor(i, dtype=dtype, device=device) for i in indices)
        size = (len(compressed) - 1,) * 2 if fault == "descending" else (2, 2)
        try:
            torch.sparse_compressed_tensor(
                compressed, plain, torch.ones(len(plain), device=device), size, layout=layout, check_invariants=True
            )
        except RuntimeError as error:
            return str(error)

    for dtype in (torch.int32, torch.int64):
        assert words(INVALID[fault], dtype, "metal") == words(INVALID[fault], dtype, "cpu")


def test_indices_in_both_forms():
    rows = torch.tensor([0, 0, 2, 5, 5, 5])
    crow, columns = torch.tensor([[0, 2, 2, 3], [0, 0, 1, 3]]), torch.tensor([[1, 2, 0]] * 2)
    for dtype in (torch.int32, torch.int64):
        for out_int32 in (False, True):
            check(lambda r: torch._convert_indices_from_coo_to_csr(r, 7, out_int32=out_int32), rows.to(dtype))
            for t in (False, True):
                convert = lambda c, p: torch._convert_indices_from_csr_to_coo(c, p, out_int32=out_int32, transpose=t)
                check(convert, crow.to(dtype), columns.to(dtype))
                check(convert, crow[0].to(dtype), columns[0].to(dtype))


def test_functions_of_pytorch_s_own_are_those_that_cuda_shares():
    """csrc/ops/sparse/generic.cpp runs PyTorch's functions for the CPU on metal's tensors. That is right for those that
    never touch memory themselves, which are those that serve CUDA as well."""
    torchgen = Path(find_spec("torchgen").submodule_search_locations[0])
    yaml = torchgen.joinpath("packaged/ATen/native/native_functions.yaml").read_text()
    functions = {}
    for block in yaml.split("\n- func: ")[1:]:
        entries = re.findall(r"^    ([\w, ]+): (\w+)", block, re.MULTILINE)
        kernels = {key: kernel for keys, kernel in entries for key in keys.split(", ")}
        functions[block[: block.index("(")]] = kernels
    source = Path(__file__).parents[2].joinpath("csrc/ops/sparse/generic.cpp").read_text()
    tables = {
        name: re.findall(r'"([^"]+)"', text)
        for name, text in re.findall(r"constexpr const char\* k(\w+)\[\] = \{(.*?)\};", source, re.DOTALL)
    }
    shared = [*(f"{n}{s}" for n in tables["Unary"] for s in ("", "_", ".out")), *tables["Both"]]
    shared += [f"{n}{s}" for n in tables["Predicates"] for s in ("", ".out")]
    for key, names in (("Sparse", tables["Coo"]), ("SparseCsr", tables["Compressed"])):
        for name in [*shared, *names]:
            kernels = functions[name]
            on_cpu, on_cuda = kernels.get(f"{key}CPU"), kernels.get(f"{key}CUDA")
            assert on_cpu and (on_cpu == on_cuda or name in ("is_pinned", "_pin_memory")), (key, name, on_cpu, on_cuda)
