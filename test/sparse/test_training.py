"""Gradients through sparse tensors, sparse gradients of embeddings, and the optimisers that take them."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from test.sparse.matrices import LAYOUTS, assert_same, check, dense, matrix

pytestmark = pytest.mark.usefixtures("no_fallback")


def gradients(function):
    """The gradients of all inputs by a weighted sum of the result."""

    def run(*inputs):
        leaves = [x.detach().requires_grad_() for x in inputs]
        result = function(*leaves)
        if result.layout != torch.strided:
            result = result.to_dense()
        weights = dense(*result.shape).to(result.device)
        return torch.autograd.grad((result * weights).sum(), leaves)

    return run


def check_gradients(function, *inputs):
    check(gradients(function), *inputs)


ANY_LAYOUT = {
    "to_dense": lambda x: x.to_dense(),
    "scaled": lambda x: x * 2,
    "sin": lambda x: torch.sin(x),
    "relu": lambda x: torch.relu(x),
    "sum": lambda x: x.sum(),
    "values": lambda x: (x.coalesce() if x.is_sparse else x).values(),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradients_of_any_layout(layout):
    for function in ANY_LAYOUT.values():
        check_gradients(function, LAYOUTS[layout](matrix()))
    check_gradients(LAYOUTS[layout], matrix())


@pytest.mark.parametrize("layout", ("coo", "csr", "csc"))
def test_gradients_of_products(layout):
    x, w = LAYOUTS[layout](matrix()), dense(4, 3)
    check_gradients(torch.mm, x, w)
    check_gradients(torch.sparse.mm, x, w)
    check_gradients(lambda x, w: x @ w[:, 0], x, w)
    check_gradients(lambda b, x, w: torch.sparse.addmm(b, x, w, beta=2, alpha=3), dense(6, 3), x, w)


def test_gradients_of_linear_layers_with_sparse_weights():
    for layout in ("coo", "csr"):
        check_gradients(F.linear, dense(3, 4), LAYOUTS[layout](matrix()))


COO = {
    "sums": lambda x: torch.sparse.sum(x, 0).to_dense() + torch.sparse.sum(x.t(), 1).to_dense(),
    "sum": lambda x: torch.sparse.sum(x),
    "softmax": lambda x: torch.sparse.softmax(x, 0),
    "log_softmax": lambda x: torch.sparse.log_softmax(x, 1),
    "product": lambda x: torch.sparse.mm(x, x.t()),
    "transposed": lambda x: (2 * x).t(),
    "square": lambda x: x * x,
}


@pytest.mark.parametrize("name", COO)
def test_gradients_of_coo_tensors(name):
    check_gradients(COO[name], matrix().to_sparse())


@pytest.mark.parametrize("dims", ((0,), (1,), (0, 1)))
def test_gradients_of_sums_of_hybrid_tensors(dims):
    check_gradients(lambda x: torch.sparse.sum(x, dims), matrix().to_sparse(1))
    check_gradients(lambda x: torch.sparse.softmax(x, dims[0]), matrix().to_sparse(1))


def test_gradients_of_construction_masks_and_batches():
    indices = torch.tensor([[0, 1, 1], [2, 0, 2]])
    check_gradients(lambda v: torch.sparse_coo_tensor(indices.to(v.device), v, (2, 3)), torch.tensor([1.0, 2, 3]))
    check_gradients(lambda x: x.sparse_mask((x.detach() > 1).float().to_sparse()), matrix())
    check_gradients(torch.bmm, torch.stack([matrix(), matrix()]).to_sparse(), dense(2, 4, 3))


@pytest.mark.parametrize("reduction", ("sum", "mean", "amax", "amin"))
@pytest.mark.parametrize("dtype", (torch.float32, torch.float64))
def test_gradients_of_reduced_products(reduction, dtype):
    x, w = matrix(dtype).to_sparse_csr(), torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=dtype)
    check_gradients(lambda x, w: torch.sparse.mm(x, w, reduction), x, w)


def test_gradients_of_sampled_products():
    function = lambda x, a, b: torch.sparse.sampled_addmm(x, a, b, beta=2, alpha=3)
    check_gradients(function, matrix().to_sparse_csr(), dense(6, 5), dense(5, 4))


EMBEDDINGS = {
    "embedding": lambda: nn.Embedding(6, 3, sparse=True),
    "padding": lambda: nn.Embedding(6, 3, sparse=True, padding_idx=1),
    "sums of bags": lambda: nn.EmbeddingBag(6, 3, sparse=True, mode="sum"),
    "means of bags": lambda: nn.EmbeddingBag(6, 3, sparse=True, mode="mean"),
    "padding in bags": lambda: nn.EmbeddingBag(6, 3, sparse=True, mode="sum", padding_idx=1),
}
OPTIMISERS = {
    "SGD": lambda p: torch.optim.SGD(p, 0.1),
    "momentum": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9),
    "SGD of many": lambda p: torch.optim.SGD(p, 0.1, foreach=True),
    "Adagrad": lambda p: torch.optim.Adagrad(p, 0.1),
    "SparseAdam": lambda p: torch.optim.SparseAdam(p, 0.1),
    "maximised": lambda p: torch.optim.SparseAdam(p, 0.1, maximize=True),
}


def trained(make, optimiser, device):
    """The first gradient, and the weights after four steps."""
    torch.manual_seed(1)
    module = make().to(device)
    steps = optimiser(module.parameters())
    indices = torch.tensor([[1, 4, 4, 0], [2, 1, 1, 3]], device=device)
    first = None
    for _ in range(4):
        steps.zero_grad()
        out = module(indices)
        (out * dense(*out.shape).to(device)).sum().backward()
        first = first if first is not None else module.weight.grad.clone()
        steps.step()
    return [first, module.weight]


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("module", EMBEDDINGS)
def test_embeddings_train_with_sparse_gradients(module, optimiser):
    cpu, metal = (trained(EMBEDDINGS[module], OPTIMISERS[optimiser], device) for device in ("cpu", "metal"))
    assert metal[0].layout == torch.sparse_coo
    assert_same(metal, cpu)


def test_weighted_bags_have_sparse_gradients():
    def grad(device):
        torch.manual_seed(1)
        bag = nn.EmbeddingBag(6, 3, sparse=True, mode="sum").to(device)
        weights = torch.rand(2, 4, generator=torch.Generator().manual_seed(2)).to(device)
        bag(torch.tensor([[1, 4, 4, 0], [2, 1, 1, 3]], device=device), per_sample_weights=weights).sum().backward()
        return bag.weight.grad

    assert_same(grad("metal"), grad("cpu"))


def test_sparse_gradients_add_up():
    module = nn.Embedding(5, 2, sparse=True).to("metal")
    for indices in ([1, 2], [1, 3]):
        module(torch.tensor(indices, device="metal")).sum().backward()
    assert module.weight.grad.to_dense().cpu()[:, 0].tolist() == [0, 2, 1, 1, 0]


def test_adam_refuses_sparse_gradients():
    with pytest.raises(RuntimeError, match="sparse"):
        trained(EMBEDDINGS["embedding"], torch.optim.Adam, "metal")
