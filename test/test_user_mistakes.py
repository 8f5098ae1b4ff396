"""What users get wrong raises the type of error that the CPU raises, in words that say what and where."""

import pytest
import torch
import torch.nn.functional as F

def zero(device):
    """An index."""
    return torch.tensor([0], device=device)


# Checked before anything runs: the same type and the same words on both devices. `d` is the device.
SAME = {
    "sizes that do not broadcast": lambda d: torch.ones(3, device=d) + torch.ones(4, device=d),
    "inner sizes of a product": lambda d: torch.ones(3, 4, device=d) @ torch.ones(3, 4, device=d),
    "dtypes of a product": lambda d: torch.mm(torch.ones(2, 3, device=d), torch.ones(3, 2, device=d).half()),
    "dtypes of a dot product": lambda d: torch.dot(torch.ones(2, device=d), torch.ones(2, device=d).half()),
    "a vector for a matrix": lambda d: torch.mm(torch.ones(2, device=d), torch.ones(3, 2, device=d)),
    "an input that does not fit a layer": lambda d: torch.nn.Linear(3, 2, device=d)(torch.ones(2, 4, device=d)),
    "a view of another size": lambda d: torch.ones(3, device=d).view(2),
    "a view of a transposed matrix": lambda d: torch.ones(2, 3, device=d).t().view(6),
    "a dimension that is not there": lambda d: torch.ones(3, device=d).sum(4),
    "a softmax along one": lambda d: torch.ones(3, device=d).softmax(2),
    "a number for an index out of range": lambda d: torch.ones(3, device=d)[5],
    "sizes to concatenate": lambda d: torch.cat((torch.ones(3, 2, device=d), torch.ones(2, 3, device=d))),
    "floats as indices of an embedding": lambda d: F.embedding(torch.ones(1, device=d), torch.ones(3, 2, device=d)),
    "floats as indices of gather": lambda d: torch.ones(3, 4, device=d).gather(1, torch.ones(3, 4, device=d)),
    "an index of gather with fewer dimensions": lambda d: torch.ones(3, 4, device=d).gather(1, zero(d)),
    "a dtype for scatter": lambda d: torch.ones(3, device=d).scatter(0, zero(d), torch.ones(1, device=d).int()),
    "a dtype for index_put": lambda d: torch.ones(3, device=d).index_put_((zero(d),), torch.ones(1, device=d).half()),
    "labels that do not fit": lambda d: F.cross_entropy(torch.ones(3, 4, device=d), torch.tensor([0, 1], device=d)),
    "labels of floats": lambda d: F.nll_loss(torch.ones(3, 4, device=d), torch.ones(3, device=d)),
    "a loss of two sizes": lambda d: F.binary_cross_entropy(torch.ones(3, device=d), torch.ones(4, device=d)),
    "channels of a convolution": lambda d: F.conv2d(torch.ones(1, 3, 5, 5, device=d), torch.ones(2, 4, 3, 3, device=d)),
    "a kernel larger than the image": lambda d: F.max_pool3d(torch.ones(1, 1, 2, 2, 2, device=d), 3),
    "one value a channel": lambda d: F.batch_norm(torch.ones(1, 3, device=d), None, None, training=True),
    "statistics of another size": lambda d: F.batch_norm(torch.ones(4, 3, device=d), *torch.ones(2, 5, device=d)),
    "a normalized shape": lambda d: F.layer_norm(torch.ones(4, 3, device=d), (5,)),
    "a window larger than the image": lambda d: F.max_pool2d(torch.ones(1, 1, 2, 2, device=d), 5),
    "a complex number into a real tensor": lambda d: torch.ones(3, device=d).add_(1j),
    "a float into an integer tensor": lambda d: torch.ones(3, device=d).long().add_(1.5),
    "a mean of integers": lambda d: torch.ones(3, device=d).long().mean(),
    "the minus of a bool": lambda d: -(torch.ones(3, device=d) > 0),
    "the maximum of no elements": lambda d: torch.ones(0, device=d).max(),
    "the maximum of complex numbers": lambda d: torch.ones(2, device=d).to(torch.complex64).max(),
    "topk of fewer": lambda d: torch.ones(3, device=d).topk(5),
    "a mask of floats": lambda d: torch.ones(3, device=d).masked_fill(torch.ones(3, device=d), 1),
    "a mask of another size": lambda d: torch.ones(3, device=d)[torch.ones(4, device=d) > 0],
    "a copy of another size": lambda d: torch.ones(3, device=d).copy_(torch.ones(4, device=d)),
    "an out of another dtype": lambda d: torch.add(torch.ones(3, device=d), 1, out=torch.ones(3, device=d).long()),
    "a tensor of many for a number": lambda d: torch.ones(3, device=d).item(),
    "a tensor of many for a truth": lambda d: bool(torch.ones(3, device=d)),
    "a singular matrix": lambda d: torch.linalg.inv(torch.zeros(3, 3, device=d)),
    "a matrix that is not positive": lambda d: torch.linalg.cholesky(-torch.ones(3, 3, device=d)),
    "a range that runs away": lambda d: torch.arange(3, 0, device=d),
    "a negative size": lambda d: torch.empty(-1, device=d),
    "too many samples": lambda d: torch.ones(3, device=d).multinomial(5),
    "a probability above one": lambda d: F.dropout(torch.ones(3, device=d), 1.5),
    "writing to a leaf": lambda d: torch.ones(3, device=d, requires_grad=True).add_(1),
    "going backward from many": lambda d: torch.ones(3, device=d, requires_grad=True).backward(),
}


def error_of(function, *arguments):
    with pytest.raises(Exception) as raised:
        function(*arguments)
    return raised.value


@pytest.mark.parametrize("mistake", SAME.values(), ids=SAME.keys())
def test_an_error_is_the_one_of_the_cpu(mistake):
    on_cpu, on_metal = error_of(mistake, "cpu"), error_of(mistake, "metal")
    assert type(on_metal) is type(on_cpu)
    assert str(on_metal).splitlines()[0][:40] == str(on_cpu).splitlines()[0][:40]


# Found by kernels: raised when the result is waited for, as torch.AcceleratorError, which is a RuntimeError.
LATE = {
    "embedding": (lambda: F.embedding(torch.tensor([7], device="metal"), torch.ones(3, 2, device="metal")),
                  "index 7 is out of bounds for dimension 0 with size 3"),
    "a negative token": (lambda: F.embedding(torch.tensor([-1], device="metal"), torch.ones(3, 2, device="metal")),
                         "index -1 is out of bounds for dimension 0 with size 3"),
    "gather": (lambda: torch.ones(3, 4, device="metal").gather(1, torch.tensor([[9]], device="metal")),
               "gather.*index 9 is out of bounds for dimension 1 with size 4"),
    "scatter": (lambda: torch.ones(3, 4, device="metal").scatter_(1, torch.tensor([[9]], device="metal"), 1.0),
                "scatter.*index 9 is out of bounds for dimension 1 with size 4"),
    "index_select": (lambda: torch.ones(3, 4, device="metal").index_select(1, torch.tensor([9], device="metal")),
                     "index_select: index 9 is out of bounds for dimension 1 with size 4"),
    "index_add": (lambda: torch.ones(3, 4, device="metal").index_add(
                      1, torch.tensor([9], device="metal"), torch.ones(3, 1, device="metal")),
                  "index_add.*index 9 is out of bounds for dimension 1 with size 4"),
    "index_fill": (lambda: torch.ones(3, 4, device="metal").index_fill_(1, torch.tensor([-5], device="metal"), 1),
                   "index_fill.*index -5 is out of bounds for dimension 1 with size 4"),
    "indexing": (lambda: torch.ones(3, device="metal")[torch.tensor([5], device="metal")],
                 "index 5 is out of bounds for dimension 0 with size 3"),
    "take": (lambda: torch.ones(3, 4, device="metal").take(torch.tensor([99], device="metal")),
             "take: index 99 is out of bounds for dimension 0 with size 12"),
    "cross_entropy": (lambda: F.cross_entropy(torch.ones(2, 4, device="metal"), torch.tensor([0, 9], device="metal")),
                      "nll_loss.*Target 9 is out of bounds"),
    "embedding_bag": (lambda: F.embedding_bag(
                          torch.tensor([9], device="metal"), torch.ones(3, 2, device="metal"), zero("metal")),
                      "embedding_bag.*idx to be 9"),
}


@pytest.mark.parametrize("mistake", LATE.values(), ids=LATE.keys())
def test_what_only_a_kernel_can_see_raises_at_the_next_wait_and_the_device_goes_on(mistake):
    function, words = mistake
    with pytest.raises(torch.AcceleratorError, match=words):
        function()
        torch.metal.synchronize()
    assert torch.ones(3, device="metal").sum().item() == 3


MIXED = {
    "add": lambda: torch.ones(3, device="metal") + torch.ones(3),
    "matmul": lambda: torch.ones(2, 3, device="metal") @ torch.ones(3, 2),
    "linear": lambda: F.linear(torch.ones(3, device="metal"), torch.ones(2, 3)),
    "addmm": lambda: torch.addmm(torch.ones(2), *torch.ones(2, 2, 2, device="metal")),
    "conv2d": lambda: F.conv2d(torch.ones(1, 3, 5, 5, device="metal"), torch.ones(2, 3, 3, 3)),
    "embedding": lambda: F.embedding(torch.tensor([0]), torch.ones(3, 2, device="metal")),
    "gather": lambda: torch.ones(3, device="metal").gather(0, torch.tensor([0])),
    "cat": lambda: torch.cat((torch.ones(3, device="metal"), torch.ones(3))),
    "where": lambda: torch.where(torch.ones(3) > 0, torch.ones(3, device="metal"), torch.ones(3, device="metal")),
    "cross_entropy": lambda: F.cross_entropy(torch.ones(3, 4, device="metal"), torch.tensor([0, 1, 2])),
    "batch_norm": lambda: F.batch_norm(torch.ones(4, 3, device="metal"), torch.ones(3), torch.ones(3)),
    "layer_norm": lambda: F.layer_norm(torch.ones(4, 3, device="metal"), (3,), torch.ones(3)),
    "masked_fill": lambda: torch.ones(3, device="metal").masked_fill_(torch.ones(3) > 0, 1),
    "index_put": lambda: torch.ones(3, device="metal").index_put_((torch.tensor([0]),), torch.ones(1)),
    "mse_loss": lambda: F.mse_loss(torch.ones(3, device="metal"), torch.ones(3)),
    "prelu": lambda: F.prelu(torch.ones(3, device="metal"), torch.ones(1)),
    "out": lambda: torch.add(torch.ones(3, device="metal"), 1, out=torch.ones(3)),
}


@pytest.mark.parametrize("mistake", MIXED.values(), ids=MIXED.keys())
def test_tensors_on_two_devices_are_named(mistake):
    with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device, but found .*two devices"):
        mistake()


def test_products_of_two_dtypes_are_refused():
    a, b = torch.ones(1, 2, 3, device="metal"), torch.ones(1, 3, 2, device="metal").half()
    c = torch.ones(2, device="metal")
    for product in (
        lambda: torch.bmm(a, b),
        lambda: torch.addmm(c, a[0], b[0]),
        lambda: torch.addmm(c.half(), a[0], b[0].float()),
        lambda: torch.mv(b[0], c),
        lambda: torch.baddbmm(c, a, b),
        lambda: F.linear(a, b[0].t()),
    ):
        with pytest.raises(RuntimeError, match="dtype"):
            product()


def test_a_device_that_is_not_there():
    with pytest.raises(RuntimeError, match="Invalid device metal:7: there is one Metal device, metal:0"):
        torch.ones(3).to("metal:7")


def test_a_generator_of_the_cpu():
    with pytest.raises(RuntimeError, match="Expected a 'metal' device type for generator but found 'cpu'"):
        torch.randn(3, device="metal", generator=torch.Generator())


def test_numpy_of_a_tensor_on_metal():
    with pytest.raises(TypeError, match="can't convert metal:0 device type tensor to numpy"):
        torch.ones(3, device="metal").numpy()
