"""Sparse tensors of every kind, and what their tests compare with."""

import torch
from torch.utils._pytree import tree_flatten, tree_map_only

DTYPES = (
    *(torch.float32, torch.float16, torch.bfloat16, torch.complex64, torch.float64),
    *(torch.uint8, torch.int32, torch.int64, torch.bool),
)
HALF = (torch.float16, torch.bfloat16)

_VALUES = [[0, 1, 2, 0], [0, 0, 3, 0], [4, 0, 0, 1], [0, 0, 0, 0], [0, 2, 0, 5], [1, 0, 0, 0]]


def matrix(dtype=torch.float32):
    """A dense matrix of 6 by 4 with an empty row, and every row and column different."""
    return torch.tensor(_VALUES).to(dtype)


def dense(*shape, dtype=torch.float32):
    """Small numbers of both signs, in which nothing is zero by chance alone."""
    return (torch.arange(torch.Size(shape).numel()).reshape(shape) % 5 - 1).to(dtype)


def coo(kind: str, dtype=torch.float32):
    """A COO tensor of 6 by 4: with several entries a place, coalesced, without entries, or with rows as values."""
    x = matrix(dtype).to_sparse()
    if kind == "coalesced":
        return x
    if kind == "empty":
        return torch.zeros(6, 4, dtype=dtype).to_sparse()
    if kind == "hybrid":
        return matrix(dtype).to_sparse(1)
    order = torch.arange(x._nnz()).flip(0).repeat(2)  # every place twice, in descending order
    return torch.sparse_coo_tensor(x._indices()[:, order], x._values()[order], x.shape)


COO_KINDS = ("repeated", "coalesced", "empty", "hybrid")
COMPRESSED = {
    "csr": lambda x: x.to_sparse_csr(),
    "csc": lambda x: x.to_sparse_csc(),
    "bsr": lambda x: x.to_sparse_bsr((2, 1)),
    "bsc": lambda x: x.to_sparse_bsc((2, 1)),
}
LAYOUTS = {"coo": lambda x: x.to_sparse(), **COMPRESSED}


def with_int32_indices(x):
    by_row = x.layout in (torch.sparse_csr, torch.sparse_bsr)
    indices = (x.crow_indices(), x.col_indices()) if by_row else (x.ccol_indices(), x.row_indices())
    return torch.sparse_compressed_tensor(*(i.int() for i in indices), x.values(), x.shape, layout=x.layout)


def on_metal(tree):
    return tree_map_only(torch.Tensor, lambda t: t.to("metal"), tree)


def assert_same(metal, cpu) -> None:
    """Trees of results: layout, dtype, shape and values."""
    metal, cpu = tree_flatten(metal)[0], tree_flatten(cpu)[0]
    assert len(metal) == len(cpu)
    for m, c in zip(metal, cpu):
        if not isinstance(c, torch.Tensor):
            assert m == c
            continue
        assert (m.device.type, m.layout, m.dtype, m.shape) == ("metal", c.layout, c.dtype, c.shape)
        m, c = m.detach().cpu(), c.detach()
        if c.layout == torch.sparse_coo:
            m, c = m.to_dense(), c.to_dense()
        tolerance = {"rtol": 2e-2, "atol": 2e-2} if c.dtype in HALF else {}
        torch.testing.assert_close(m, c, equal_nan=True, **tolerance)


def wider(tree):
    """Half precision as float32."""
    return tree_map_only(torch.Tensor, lambda t: t.float() if t.dtype in HALF else t, tree)


def check(function, *inputs) -> None:
    """function(*inputs) on metal is what it is on the CPU; if the CPU refuses, so does metal, with the same kind of
    error. Half precision, which the CPU does not always take, may be what float32 gives."""
    try:
        expected, error = function(*inputs), None
    except (RuntimeError, IndexError, NotImplementedError) as cpu_error:
        expected, error = None, type(cpu_error)
    if error is None:
        return assert_same(function(*on_metal(inputs)), expected)
    try:
        actual = function(*on_metal(inputs))
    except (RuntimeError, IndexError, NotImplementedError) as metal_error:
        assert type(metal_error) is error, repr(metal_error)
        return
    assert any(t.dtype in HALF for t in inputs), f"metal accepts what the CPU refuses with {error.__name__}"
    expected = function(*wider(inputs))
    assert_same(actual, tree_map_only(torch.Tensor, lambda t: t.to(inputs[0].dtype), expected))
