"""The matrix multiplication family agrees with the CPU: every kernel of it, shapes, strides, dtypes, alpha and beta."""

import pytest
import torch
import torch.nn.functional as F

from test.agreement import FLOATING, INTEGRAL, assert_agrees, assert_close, sample

pytestmark = pytest.mark.usefixtures("no_fallback", "library")

LOOSE = {
    torch.float32: dict(rtol=1e-4, atol=1e-4),
    torch.float16: dict(rtol=2e-3, atol=1e-2),
    torch.bfloat16: dict(rtol=1.6e-2, atol=5e-2),
}

# (m, k, n): tiles of 32 and of 64, edges, vectors either way, one element, empty in each dimension.
SHAPES = [
    (32, 32, 32), (33, 5, 65), (7, 100, 9), (260, 70, 270), (256, 256, 256), (1, 40, 300), (300, 40, 1), (5, 3000, 1),
    (1, 1, 1), (1, 77, 1), (0, 4, 5), (4, 0, 5), (4, 5, 0),
]  # fmt: skip


#: Few columns or rows, short sums and long ones.
THIN = [(70, 3, 3), (3, 4, 130), (150, 32, 8), (4, 4, 4), (200, 20, 1), (3, 700, 3), (8, 1100, 5), (1, 600, 2)]


@pytest.mark.parametrize("m, k, n", SHAPES)
def test_shapes(m, k, n):
    assert_agrees(torch.mm, sample(m, k), sample(k, n, seed=1), **LOOSE[torch.float32])


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize("m, k, n", [(20, 40, 50), (260, 33, 260), (40, 50, 1), (300, 50, 1), (1, 50, 40), *THIN])
def test_floating_dtypes(dtype, m, k, n):
    assert_agrees(torch.mm, sample(m, k, dtype=dtype), sample(k, n, dtype=dtype, seed=1), **LOOSE[dtype])


@pytest.mark.parametrize("m, k, n", THIN)
@pytest.mark.parametrize("batch", [3, 50])
def test_batches_of_thin_matrices(batch, m, k, n):
    a, b, c = sample(batch, m, k), sample(batch, k, n, seed=1), sample(batch, m, n, seed=2)
    assert_agrees(torch.bmm, a, b, **LOOSE[torch.float32])
    assert_agrees(lambda a, b: a.mT.contiguous().mT @ b[:1], a, b, **LOOSE[torch.float32])
    assert_agrees(lambda a, b, c: torch.baddbmm(c, a, b, beta=0.5, alpha=2), a, b, c, **LOOSE[torch.float32])
    assert_agrees(lambda a, b, c: torch.baddbmm(c[0, :1], a, b.mT.contiguous().mT), a, b, c, **LOOSE[torch.float32])


@pytest.mark.parametrize("dtype", [*INTEGRAL, torch.complex64])
def test_other_dtypes(dtype):
    a, b, c = sample(9, 7, dtype=dtype), sample(7, 5, dtype=dtype, seed=1), sample(9, 5, dtype=dtype, seed=2)
    assert_agrees(torch.mm, a, b)
    assert_agrees(lambda a, b, c: torch.addmm(c, a, b, beta=2, alpha=3), a, b, c)
    assert_agrees(torch.bmm, a.expand(3, 9, 7), b.expand(3, 7, 5))


def test_bool_is_refused(device):
    with pytest.raises(RuntimeError, match="not implemented for 'Bool'"):
        torch.mm(torch.ones(2, 2, dtype=torch.bool, device=device), torch.ones(2, 2, dtype=torch.bool, device=device))


VIEWS = {
    "dense": lambda x: x,
    "transposed": lambda x: x.transpose(-1, -2).contiguous().transpose(-1, -2),
    "every_other_column": lambda x: x.repeat_interleave(2, -1)[..., ::2],
    "expanded_row": lambda x: x[..., :1, :].expand_as(x),
    "expanded_column": lambda x: x[..., :1].expand_as(x),
    "one_number": lambda x: x[..., :1, :1].expand_as(x),
    "offset": lambda x: F.pad(x, (1, 2, 3, 1))[..., 3:-1, 1:-2],
}


@pytest.mark.parametrize("left", VIEWS)
@pytest.mark.parametrize("right", VIEWS)
def test_strides(left, right):
    def product(a, b):
        return VIEWS[left](a) @ VIEWS[right](b)

    assert_agrees(product, sample(40, 36), sample(36, 33, seed=1), **LOOSE[torch.float32])


@pytest.mark.parametrize("view", VIEWS)
def test_strides_of_matrix_by_vector(view):
    assert_agrees(lambda a, x: VIEWS[view](a) @ x, sample(70, 45), sample(45, seed=1), **LOOSE[torch.float32])
    assert_agrees(lambda a, x: VIEWS[view](a) @ x[::2], sample(70, 45), sample(90, seed=1), **LOOSE[torch.float32])
    assert_agrees(lambda a, x: x @ VIEWS[view](a), sample(70, 45), sample(70, seed=1), **LOOSE[torch.float32])


def test_output_is_written_through_its_strides():
    def into_a_part(a, b):
        out = torch.zeros(50, 80, device=a.device)
        torch.mm(a, b, out=out[3:43, 1:67:2])
        return out

    assert_agrees(into_a_part, sample(40, 20), sample(20, 33, seed=1), backward=False, **LOOSE[torch.float32])


def test_output_may_be_an_operand():
    def onto_itself(a, b):
        torch.mm(a, b, out=a)
        return a

    expected = sample(40, 40) @ sample(40, 40, seed=1)
    metal = onto_itself(sample(40, 40).to("metal"), sample(40, 40, seed=1).to("metal"))
    assert_close(metal, expected, **LOOSE[torch.float32])


@pytest.mark.parametrize("beta, alpha", [(1, 1), (0.5, 2), (0, 1), (1, 0)])
@pytest.mark.parametrize("bias", [(40, 50), (50,), (40, 1), (1, 1), ()])
def test_addmm(beta, alpha, bias):
    def addmm(c, a, b):
        return torch.addmm(c, a, b, beta=beta, alpha=alpha)

    assert_agrees(addmm, sample(*bias), sample(40, 30), sample(30, 50, seed=1), **LOOSE[torch.float32])


@pytest.mark.parametrize("m, k, n", [(40, 30, 50), (40, 30, 1), (40, 0, 50), *THIN])
def test_beta_0_ignores_nan(device, m, k, n):
    nan = torch.full((m, n), torch.nan, device=device)
    a, b = sample(m, k).to(device), sample(k, n).to(device)
    assert not torch.addmm(nan, a, b, beta=0).isnan().any()
    assert not nan.addmm_(a, b, beta=0).isnan().any()


def test_addmm_without_inner_dimension():
    assert_agrees(lambda c, a, b: torch.addmm(c, a, b, beta=3), sample(4, 5), sample(4, 0), sample(0, 5))


def test_in_place_and_out():
    def accumulate(c, a, b):
        c = c.clone()
        c.addmm_(a, b, beta=0.5)
        return torch.addmm(c, a, b, out=torch.empty(0, device=c.device))

    assert_agrees(accumulate, sample(9, 11), sample(9, 7), sample(7, 11), backward=False, **LOOSE[torch.float32])


@pytest.mark.parametrize("shape", [(3, 20, 30, 40), (2, 70, 33, 70), (5, 9, 8, 1), (0, 3, 4, 5), (3, 4, 0, 5)])
def test_batches(shape):
    batch, m, k, n = shape
    a, b, c = sample(batch, m, k), sample(batch, k, n, seed=1), sample(batch, m, n, seed=2)
    assert_agrees(torch.bmm, a, b, **LOOSE[torch.float32])
    assert_agrees(lambda c, a, b: torch.baddbmm(c, a, b, beta=0.5, alpha=2), c, a, b, **LOOSE[torch.float32])
    assert_agrees(lambda c, a, b: torch.addbmm(c, a, b), sample(m, n), a, b, **LOOSE[torch.float32])


def test_broadcast_batches():
    tolerance = LOOSE[torch.float32]
    assert_agrees(torch.matmul, sample(2, 3, 8, 9), sample(9, 10, seed=1), **tolerance)
    assert_agrees(torch.matmul, sample(2, 1, 8, 9), sample(3, 9, 10, seed=1), **tolerance)
    assert_agrees(torch.matmul, sample(9), sample(4, 9, 10, seed=1), **tolerance)
    assert_agrees(torch.einsum, "bhqd,bhkd->bhqk", sample(2, 3, 5, 7), sample(2, 3, 6, 7), **tolerance)


VECTORS = {
    "dot": (lambda x, y: torch.dot(x, y), (2000,), (2000,)),
    "dot_in_pieces": (lambda x, y: torch.dot(x, y), (300_001,), (300_001,)),
    "dot_strided_in_pieces": (lambda x, y: torch.dot(x.flip(0)[::2], y), (600_000,), (300_000,)),
    "dot_strided": (lambda x, y: torch.dot(x[::2], y), (200,), (100,)),
    "dot_empty": (lambda x, y: torch.dot(x, y), (0,), (0,)),
    "mv": (lambda x, y: torch.mv(x, y), (20, 30), (30,)),
    "mv_many_rows": (lambda x, y: torch.mv(x, y), (301, 100), (100,)),
    "mv_many_rows_with_gaps": (lambda x, y: torch.mv(x[::2, :-3], y[3:]), (603, 70), (70,)),
    "mv_many_rows_strided": (lambda x, y: torch.mv(x, y[::2]), (300, 40), (80,)),
    "mv_many_rows_without_elements": (lambda x, y: torch.mv(x, y), (300, 0), (0,)),
    "bmm_many_rows_by_vectors": (lambda x, y: torch.bmm(x, y), (3, 130, 50), (3, 50, 1)),
    "addmv_many_rows": (lambda x, y: torch.addmv(x[:, 0], x, y, beta=0.5, alpha=2), (290, 33), (33,)),
    "addmv_broadcast": (lambda x, y: torch.addmv(y[:1], x, y, beta=0.5, alpha=2), (290, 33), (33,)),
    "outer": (lambda x, y: torch.outer(x, y), (20,), (30,)),
    "inner": (lambda x, y: torch.inner(x, y), (4, 30), (5, 30)),
    "linear": (lambda x, y: F.linear(x, y), (2, 3, 30), (17, 30)),
    "addmv": (lambda x, y: torch.addmv(y[:20], x, y, beta=0.5, alpha=2), (20, 30), (30,)),
    "addr": (lambda x, y: torch.addr(torch.ones(20, 30, device=x.device), x, y), (20,), (30,)),
    "vdot": (lambda x, y: torch.vdot(x, y), (20,), (20,)),
    "matrix_power": (lambda x, y: torch.linalg.multi_dot([x, y, x]), (6, 7), (7, 6)),
}


@pytest.mark.parametrize("name", VECTORS)
def test_vectors(name):
    function, left, right = VECTORS[name]
    assert_agrees(function, sample(*left), sample(*right, seed=1), **LOOSE[torch.float32])


def test_complex_vectors_are_conjugated():
    x, y = sample(30, dtype=torch.complex64), sample(30, dtype=torch.complex64, seed=1)
    assert_agrees(torch.vdot, x, y, rtol=1e-4, atol=1e-4)
    a, b = sample(5, 6, dtype=torch.complex64), sample(5, 7, dtype=torch.complex64, seed=1)
    assert_agrees(lambda a, b: a.mH @ b, a, b, rtol=1e-4, atol=1e-4)


def test_float64_takes_the_host_route(device):
    a, b = sample(5, 6).double(), sample(6, 7).double()
    torch.testing.assert_close((a.to(device) @ b.to(device)).cpu(), a @ b)


@pytest.mark.parametrize(
    "left, right, message",
    [
        ((2, 3), (4, 5), "cannot be multiplied"),
        ((2, 3, 4), (3, 4, 5), "batch2|Expected size"),
        ((3,), (4,), "inconsistent"),
    ],
)
def test_sizes_that_do_not_fit(device, left, right, message):
    product = {1: torch.dot, 2: torch.mm, 3: torch.bmm}[len(left)]
    with pytest.raises(RuntimeError, match=message):
        product(torch.ones(left, device=device), torch.ones(right, device=device))
