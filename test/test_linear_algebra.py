"""Factorisations and triangular systems agree with the CPU: small and blocked sizes, batches, singular input, errors."""

import pytest
import torch

import torch_metal
from test.agreement import assert_agrees, assert_close, sample

pytestmark = pytest.mark.usefixtures("no_fallback")

DTYPES = (torch.float32, torch.complex64)
SIZES = ((1,), (5,), (2, 33), (3, 2, 4), (150,), (0, 3), (0,))  # batch, n: one block, several, empty
CLOSE = {"rtol": 1e-3, "atol": 1e-3}


def well_conditioned(*shape, dtype=torch.float32):
    *batch, n = shape
    x = sample(*batch, n, n, dtype=dtype) / max(n, 1) ** 0.5
    return x + 3 * torch.eye(n, dtype=dtype)


def positive(*shape, dtype=torch.float32):
    x = well_conditioned(*shape, dtype=dtype)
    return x @ x.mH


FUNCTIONS = {
    "inv": torch.linalg.inv,
    "det": lambda a: torch.linalg.det(a / 3),
    "slogdet": torch.linalg.slogdet,
    "solve": lambda a: torch.linalg.solve(a, a.mH + 1),
    "solve_from_the_right": lambda a: torch.linalg.solve(a, a.mH + 1, left=False),
    "solve_vector": lambda a: torch.linalg.solve(a, a[..., 0]),
    "lu": torch.linalg.lu,
    "lu_of_wide": lambda a: torch.linalg.lu(torch.cat((a, a + 1), -1)),
    "lu_of_tall": lambda a: torch.linalg.lu(torch.cat((a, a + 1), -2)),
    "matrix_exp": torch.linalg.matrix_exp,
    "lower": lambda a: torch.linalg.solve_triangular(a.tril(), a + 1, upper=False),
    "upper_unit": lambda a: torch.linalg.solve_triangular(a.triu() / 3, a + 1, upper=True, unitriangular=True),
    "from_the_right": lambda a: torch.linalg.solve_triangular(a.tril(), a[..., :1, :], upper=False, left=False),
    "transposed": lambda a: torch.linalg.solve_triangular(a.mH.tril(), a.mT, upper=False),
}
OF_POSITIVE = {
    "cholesky": torch.linalg.cholesky,
    "cholesky_upper": lambda a: torch.linalg.cholesky(a, upper=True),
    "cholesky_inverse": lambda a: torch.cholesky_inverse(torch.linalg.cholesky(a)),
    "cholesky_solve": lambda a: torch.cholesky_solve(a[..., :2] + 1, torch.linalg.cholesky(a)),
    "cholesky_solve_upper": lambda a: torch.cholesky_solve(a + 1, torch.linalg.cholesky(a, upper=True), upper=True),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS | OF_POSITIVE)
def test_values_and_gradients(name, dtype):
    for size in SIZES:
        if size == (0,) and name == "solve_vector":
            continue
        if size[-1] > 40 and (dtype.is_complex or name == "det"):
            size = (70,)
        if name in FUNCTIONS:
            x = well_conditioned(*size, dtype=dtype)
            if name == "matrix_exp":
                x = x / 3
            backward = name not in ("lu_of_wide", "lu_of_tall") or size[-1] > 0
            assert_agrees(FUNCTIONS[name], x, backward=backward, **CLOSE)
        else:
            assert_agrees(OF_POSITIVE[name], positive(*size, dtype=dtype), **CLOSE)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [
    *[(9, 1, 1), (9, 2, 3), (35, 4, 4), (5, 8, 3), (5, 7, 9), (3, 17, 16), (3, 32, 32), (2, 33, 5)],
    *[(6, 6), (40, 70), (200, 33), (2, 65, 65)],
])
def test_pivots_are_those_of_the_cpu(shape, dtype):
    x = sample(*shape, dtype=dtype)
    lu, pivots = torch.linalg.lu_factor(x.to("metal"))
    expected, expected_pivots = torch.linalg.lu_factor(x)
    assert pivots.dtype == torch.int32 and torch.equal(pivots.cpu(), expected_pivots)
    assert_close(lu, expected, **CLOSE)
    assert_agrees(lambda x: torch.lu_unpack(*torch.linalg.lu_factor(x)), x, backward=False, **CLOSE)


@pytest.mark.parametrize("adjoint", [False, True])
@pytest.mark.parametrize("left", [False, True])
def test_lu_solve_broadcasts_and_transposes(left, adjoint):
    for dtype in DTYPES:
        a, b = well_conditioned(2, 1, 40, dtype=dtype), sample(3, *((40, 4) if left else (4, 40)), dtype=dtype, seed=1)

        def solve(a, b):
            return torch.linalg.lu_solve(*torch.linalg.lu_factor(a), b, left=left, adjoint=adjoint)

        assert_agrees(solve, a, b, **CLOSE)


def test_strided_input():
    x = well_conditioned(3, 40)
    for view in (lambda x: x.mT, lambda x: x.transpose(0, 1)[:3, :3].transpose(0, 1), lambda x: x[:, ::2, ::2]):
        assert_agrees(lambda x: (torch.linalg.inv_ex(view(x)[..., :3, :3]).inverse), x, **CLOSE)


@pytest.mark.parametrize("n", [2, 6, 13, 32, 40])
def test_info_of_singular_input(n):
    x = torch.stack([torch.eye(n), torch.eye(n), torch.zeros(n, n)])
    x[1, n - 1, n - 1] = 0
    for function in (torch.linalg.lu_factor_ex, torch.linalg.inv_ex, torch.linalg.cholesky_ex):
        assert torch.equal(function(x.to("metal")).info.cpu(), function(x).info)
    assert torch.linalg.det(x.to("metal")).cpu().tolist() == [1, 0, 0]
    ones = torch.ones(3, n, n)  # of equal pivots the first
    assert_close(torch.linalg.lu_factor_ex(ones.to("metal")), torch.linalg.lu_factor_ex(ones))
    indefinite = -torch.eye(3)
    assert torch.linalg.cholesky_ex(indefinite.to("metal")).info.item() == 1


def test_errors_are_those_of_the_cpu():
    zeros = torch.zeros(2, 3, 3)
    for function in (torch.linalg.inv, torch.linalg.cholesky, lambda x: torch.linalg.solve(x, x)):
        with pytest.raises(torch.linalg.LinAlgError) as on_cpu:
            function(zeros)
        with pytest.raises(torch.linalg.LinAlgError) as on_metal:
            function(zeros.to("metal"))
        assert str(on_metal.value) == str(on_cpu.value)


def test_nan_stays_where_it_is_read():
    x = well_conditioned(40)
    x[0, 39] = float("nan")  # above the diagonal, where nobody looks
    assert_agrees(lambda x: torch.linalg.solve_triangular(x, x[:, :3], upper=False), x, backward=False, **CLOSE)


def test_wrong_pivots_are_reported():
    lu = torch.eye(3, device="metal")
    torch.lu_unpack(lu, torch.tensor([1, 9, 3], dtype=torch.int32, device="metal"))
    with pytest.raises(RuntimeError, match="pivots passed to lu_unpack"):
        torch.metal.synchronize()


HOST = {
    "svd": lambda a: torch.linalg.svdvals(a),
    "eigh": lambda a: torch.linalg.eigvalsh(a + a.mH),
    "qr": torch.linalg.qr,
    "lstsq": lambda a: torch.linalg.lstsq(a, a[..., :2]).solution,
    "ldl": lambda a: torch.linalg.ldl_factor(a + a.mT),
    "geqrf": torch.geqrf,
    "householder": lambda a: torch.linalg.householder_product(*torch.geqrf(a)),
    "ormqr": lambda a: torch.ormqr(*torch.geqrf(a), a),
}


@pytest.mark.parametrize("name", HOST)
def test_lapack_runs_on_the_host_by_design(name):
    for dtype in DTYPES:
        for size in ((5,), (2, 4)):
            assert_agrees(HOST[name], well_conditioned(*size, dtype=dtype), backward=False, **CLOSE)
    assert torch_metal.route_counts()["host"] > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
def test_linear_combination(dtype):
    combine = torch.ops.aten._compute_linear_combination
    x, c = sample(3, 4, 5, dtype=dtype), sample(2, 3, dtype=dtype)
    expected = torch.einsum("mn,nij->mij", c, x)  # the CPU's operator is wrong for complex numbers
    assert_close(combine(x.to("metal"), c.to("metal")), expected)
    out = torch.ones(2, 4, 5, dtype=dtype, device="metal")
    assert_close(combine.out(x.to("metal"), c.to("metal"), out=out), expected + 1)
    with pytest.raises(RuntimeError, match="column of coefficients"):
        combine(torch.ones(3, 2, device="metal"), torch.ones(2, 2, device="metal"))
