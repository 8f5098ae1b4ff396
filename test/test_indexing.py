"""Indexing, gather and scatter agree with the CPU; what is out of range raises."""

import pytest
import torch

from test.agreement import FLOATING, INTEGRAL, assert_agrees, sample

pytestmark = pytest.mark.usefixtures("no_fallback")

ALL = (*FLOATING, *INTEGRAL, torch.bool, torch.complex64)


def ints(*values):
    return torch.tensor(values)


# name -> (shape, an index as it stands in brackets)
INDICES = {
    "rows": ((7, 5), (ints(3, 0, 0, 6),)),
    "negative": ((7, 5), (ints(-1, -7, 2),)),
    "column": ((7, 5), (slice(None), ints(4, 1, 1))),
    "pairs": ((7, 5), (ints(0, 3, 6), ints(4, 4, 0))),
    "broadcast": ((7, 5), (ints([0], [3]), ints(4, 4, 0))),
    "apart": ((4, 5, 6), (ints(0, 3, 1), slice(None), ints(5, 0, 2))),
    "middle": ((4, 5, 6, 2), (slice(None), ints(0, 3, 1), ints(5, 0, 2))),
    "with_slices": ((4, 5, 6), (slice(1, None, 2), ints(4, 0), slice(None, None, 2))),
    "mask": ((7, 5), (sample(7, 5) > 0,)),
    "row_mask": ((7, 5), (sample(7) > 0,)),
    "mask_of_nothing": ((7, 5), (torch.zeros(7, 5, dtype=torch.bool),)),
    "mask_of_five_dimensions": ((2, 3, 2, 3, 2), (sample(2, 3, 2, 3, 2) > 0,)),
    "no_rows": ((7, 5), (torch.empty(0, dtype=torch.long),)),
    "int32": ((7, 5), (ints(3, 0).int(),)),
    "vector": ((9,), (ints(8, 0, 3, 3),)),
    "one_number": ((9,), (torch.tensor(4),)),
}


def moved(index, device):
    return tuple(i.to(device) if isinstance(i, torch.Tensor) else i for i in index)


@pytest.mark.parametrize("name", INDICES)
def test_get(name):
    shape, index = INDICES[name]
    assert_agrees(lambda x: x[moved(index, x.device)], sample(*shape))


@pytest.mark.parametrize("name", [name for name in INDICES if name not in ("rows", "column")])  # those name a place twice
def test_put(name):
    shape, index = INDICES[name]
    if name == "vector":
        index = (ints(8, 0, 3),)

    def put(x, values):
        x = x.clone()
        x[moved(index, x.device)] = values
        return x

    values = sample(*sample(*shape)[index].shape, seed=3)
    assert_agrees(put, sample(*shape), values)
    assert_agrees(lambda x: put(x, 2.5), sample(*shape))


@pytest.mark.parametrize("name", [name for name in INDICES if name != "with_slices"])
def test_accumulate(name):
    shape, index = INDICES[name]

    def accumulate(x, values):
        indices = [None if isinstance(i, slice) else i for i in moved(index, x.device)]
        return torch.ops.aten.index_put(x, indices, values, accumulate=True)

    assert_agrees(accumulate, sample(*shape), sample(*sample(*shape)[index].shape, seed=3))


@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_every_dtype(dtype):
    x, values, rows = sample(7, 5, dtype=dtype), sample(4, 5, dtype=dtype, seed=1), ints(3, 0, 3, 6)
    tolerance = dict(rtol=1e-2, atol=2e-2) if dtype in FLOATING[:2] else {}
    assert_agrees(lambda x: x[rows.to(x.device)], x, **tolerance)
    assert_agrees(lambda x, v: x.index_put((rows.to(x.device),), v, accumulate=True), x, values, **tolerance)
    assert_agrees(lambda x: x.masked_select(x != 0), x, backward=False)


def test_strided_operands():
    rows = ints(3, 0, 2)
    assert_agrees(lambda x: x.t()[rows.to(x.device)], sample(7, 5))
    assert_agrees(lambda x: x[:, ::2][rows.to(x.device)], sample(7, 5))
    assert_agrees(lambda x: x[0].expand(5, 5)[rows.to(x.device)], sample(7, 5))

    def put_in_part(x):
        x = x.clone()
        x[1:, ::2][rows.to(x.device)] = x[:3, :3].clone()
        return x

    assert_agrees(put_in_part, sample(7, 5))


def test_accumulation_is_reproducible(device):
    index = torch.randint(0, 7, (3000,)).to(device)
    values = sample(3000).to(device)
    first, second = (
        torch.zeros(7, device=device).index_put((index,), values, accumulate=True) for _ in range(2)
    )
    assert torch.equal(first, second)


# name -> function of a tensor [5, 7], an index like it, in range of both dimensions, and another such tensor
ALONG = {
    "gather": lambda x, i, y: x.gather(1, i),
    "gather_0": lambda x, i, y: x.gather(0, i[:3, :4]),
    "gather_more_than_there_is": lambda x, i, y: x.gather(1, torch.cat([i, i, i], 1)),
    "scatter_add": lambda x, i, y: x.scatter_add(1, i, y),
    "scatter_add_0": lambda x, i, y: x.scatter_add(0, i[:3, :4], y[:3, :4]),
    "scatter_value": lambda x, i, y: x.scatter(1, i, 2.5),
    "scatter_sum": lambda x, i, y: x.scatter_reduce(1, i, y, "sum"),
    "scatter_mean": lambda x, i, y: x.scatter_reduce(1, i, y, "mean"),
    "scatter_amax": lambda x, i, y: x.scatter_reduce(1, i, y, "amax"),
    "scatter_amin_without_self": lambda x, i, y: x.scatter_reduce(0, i, y, "amin", include_self=False),
    "index_select": lambda x, i, y: x.index_select(1, i[0]),
    "index_select_0": lambda x, i, y: x.index_select(0, i[0]),
    "index_add": lambda x, i, y: x.index_add(1, i[0], y, alpha=2),
    "index_add_0": lambda x, i, y: x.index_add(0, i[0, :5], y),
    "index_fill": lambda x, i, y: x.index_fill(1, i[0], 2.5),
    "index_copy": lambda x, i, y: x.index_copy(1, torch.tensor([3, 0], device=x.device), y[:, :2]),
    "take": lambda x, i, y: x.take(i + 3),
    "take_along_dim": lambda x, i, y: x.take_along_dim(i, 1),
    "put": lambda x, i, y: x.put(torch.tensor([3, -1, 9], device=x.device), y[0, :3]),
    "put_accumulate": lambda x, i, y: x.put(i, y, accumulate=True),
    "masked_select": lambda x, i, y: x.masked_select(y > 0),
    "masked_scatter": lambda x, i, y: x.masked_scatter(i > 2, y),
    "flip": lambda x, i, y: x.flip(0, 1),
    "flip_strided": lambda x, i, y: x.t()[::2].flip(1),
    "roll": lambda x, i, y: x.roll((2, -3), (0, 1)),
    "roll_flat": lambda x, i, y: x.roll(4),
    "expanded_index": lambda x, i, y: torch.zeros_like(x).scatter_add(0, i[:, :1].expand(5, 7), y),
}


@pytest.mark.parametrize("name", ALONG)
def test_along_a_dimension(name):
    index = torch.randint(0, 5, (5, 7), generator=torch.Generator().manual_seed(0))
    assert_agrees(lambda x, y: ALONG[name](x, index.to(x.device), y), sample(5, 7), sample(5, 7, seed=1))


def whole_numbers(*shape, dtype, seed=0):
    """Of which sums are exact in every dtype."""
    return torch.randint(-4 if dtype != torch.uint8 else 0, 5, shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.uint8, torch.int64, torch.complex64], ids=str)
@pytest.mark.parametrize("dim", range(3))
def test_many_values_meet_along_a_dimension(dtype, dim):
    """Long lines and short ones, contiguous or not, most places named more than once."""
    shape, reductions = (3, 40, 70), ["sum"]
    if not dtype.is_complex:
        reductions.append("amax" if dtype.is_floating_point else "prod")
    x, y = (whole_numbers(*shape, dtype=dtype, seed=seed) for seed in range(2))
    index = torch.randint(0, 3, shape, generator=torch.Generator().manual_seed(2))
    views = [lambda t: t, lambda t: t.transpose(1, 2), lambda t: t[:, ::3, 1::2], lambda t: t[:, :3, :1].expand(3, 3, 40)]

    def reduced(x, y):
        i = index.to(x.device)
        return [
            *(view(x).clone().scatter_reduce(dim, view(i), view(y), kind) for view in views for kind in reductions),
            x.index_add(dim, i.flatten()[: x.shape[dim]], y),
            x.transpose(0, 2).clone().index_add_(dim, i.flatten()[: x.transpose(0, 2).shape[dim]], y.transpose(0, 2)),
        ]

    for ours, theirs in zip(reduced(x.to("metal"), y.to("metal")), reduced(x, y)):
        assert torch.equal(ours.cpu(), theirs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.int32, torch.int64, torch.complex64], ids=str)
def test_very_many_values_for_few_places(dtype, device):
    """Which threadgroups add up in copies of the places; what lies between and beside these stays."""
    count, places = 1 << 17, 100
    values, before = whole_numbers(count, dtype=dtype), whole_numbers(250, dtype=dtype, seed=1)
    index = torch.randint(0, places, (count,), generator=torch.Generator().manual_seed(2))

    def sums(where):
        results = []
        for view in (slice(0, 100), slice(50, 150), slice(3, 203, 2)):
            for add in (
                lambda target, i, v: target.index_add_(0, i, v),
                lambda target, i, v: target.scatter_add_(0, i, v),
                lambda target, i, v: target.index_put_((i - places,), v, accumulate=True),
            ):
                all_places = before.clone().to(where)
                add(all_places[view], index.to(where), values.to(where))
                results.append(all_places.cpu())
        return results

    for ours, theirs in zip(sums(device), sums("cpu"), strict=True):
        assert torch.equal(ours, theirs)


def test_an_index_out_of_range_among_very_many_values_is_an_error(device):
    index = torch.zeros(1 << 17, dtype=torch.int64, device=device)
    index[-1] = 100
    with pytest.raises(torch.AcceleratorError, match="index 100 is out of bounds for dimension 0 with size 100"):
        torch.zeros(100, device=device).index_add(0, index, torch.ones(1 << 17, device=device)).cpu()


@pytest.mark.parametrize("dtype", [torch.int8, torch.float16, torch.float32, torch.int64, torch.complex64], ids=str)
@pytest.mark.parametrize("columns", [1, 3, 32, 64, 100])
def test_whole_rows(dtype, columns):
    """Rows that are moved by 16 bytes at once, and rows that cannot be."""
    x, rows = whole_numbers(50, columns, dtype=dtype), torch.randint(-50, 50, (77,), generator=torch.Generator().manual_seed(1))
    places = torch.arange(0, 50, 2)

    def moved_rows(x):
        i, j = rows.to(x.device), places.to(x.device)
        odd = torch.cat([x.flatten(), x.flatten()[:1]])[1:].view(50, columns)  # begins where no 16 bytes do
        return x[i], odd[i], x.index_put((j,), x[:25]), odd.index_copy(0, j, x[:25]), x.t()[:, i], x.flip(0), x.flip(1), odd.flip(1)

    for ours, theirs in zip(moved_rows(x.to("metal")), moved_rows(x)):
        assert torch.equal(ours.cpu(), theirs)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.int16, torch.int32, torch.int64, torch.complex64], ids=str)
def test_few_lines_of_many_values(dtype):
    """More than a thread for each line could go along."""
    values, rows = (whole_numbers(20000, *columns, dtype=dtype).sgn() for columns in ((), (40,)))
    index = torch.randint(0, 2000, (20000,), generator=torch.Generator().manual_seed(0))

    def sums(device):
        i, v, r = index.to(device), values.to(device), rows.to(device)
        empty = torch.zeros(2000, 40, dtype=dtype, device=device)
        return (
            empty[:, 0].scatter_add(0, i, v),
            empty[:, :1].clone().index_put_((i, torch.zeros_like(i)), v, accumulate=True),
            empty.index_add(0, i, r),
            empty.scatter_add(0, i[:, None].expand(-1, 40), r),
            empty.flatten().put_(i * 7, v, accumulate=True),
        )

    for ours, theirs in zip(sums("metal"), sums("cpu")):
        assert torch.equal(ours.cpu(), theirs)


def test_halves_are_summed_as_floats():
    """4096 + 1 + 1 ... in bfloat16 or float16 alone would stay 4096."""
    for dtype in (torch.float16, torch.bfloat16):
        x = torch.full((64, 2), 4096.0, dtype=dtype, device="metal")
        y, index = torch.ones(64, 512, dtype=dtype, device="metal"), torch.zeros(64, 512, dtype=torch.int64, device="metal")
        assert (x.scatter_add(1, index, y)[:, 0] == 4608).all()
        assert (x.t().contiguous().scatter_add(0, index.t(), y.t())[0] == 4608).all()


NO_GRADIENTS = {
    "scatter": lambda x, y: x.scatter(1, torch.tensor([[3, 0, 1]] * 5, device=x.device), y),
    "scatter_prod": lambda x, y: x.scatter_reduce(1, torch.zeros_like(x, dtype=torch.long), y, "prod"),
    "scatter_multiply": lambda x, y: x.scatter(1, torch.zeros_like(x, dtype=torch.long), y, reduce="multiply"),
    "index_reduce": lambda x, y: x.index_reduce(0, torch.tensor([3, 1, 1, 3, 0], device=x.device), y, "amax"),
    "index_reduce_mean": lambda x, y: x.index_reduce(
        0, torch.tensor([3, 1, 1, 3, 0], device=x.device), y, "mean", include_self=False
    ),
    "index_fill_tensor": lambda x, y: x.index_fill(0, torch.tensor([-1], device=x.device), y[0, 0]),
}


@pytest.mark.parametrize("name", NO_GRADIENTS)
@pytest.mark.filterwarnings("ignore")
def test_values_only(name):
    assert_agrees(NO_GRADIENTS[name], sample(5, 7), sample(5, 7, seed=1), backward=False)


def test_0d_tensors():
    zero = torch.tensor(0)
    assert_agrees(lambda x: x.gather(0, zero.to(x.device)), sample())
    assert_agrees(lambda x: x.gather(0, torch.zeros(5, dtype=torch.int64, device=x.device)), sample(1))
    assert_agrees(lambda x: x.index_select(0, zero.to(x.device)), sample())
    assert_agrees(lambda x, y: x.scatter_add(0, zero.to(x.device), y), sample(), sample())
    assert_agrees(lambda x: x.nonzero(), torch.tensor(3.0), backward=False)


@pytest.mark.parametrize("shape", [(10,), (5, 7), (3, 40, 50), (0, 4), (), (5000,)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.bool])
def test_nonzero(shape, dtype):
    assert_agrees(torch.nonzero, sample(*shape, dtype=dtype), backward=False)
    assert_agrees(lambda x: torch.nonzero(x, as_tuple=True), sample(*shape, dtype=dtype), backward=False)


def test_nonzero_of_everything_and_of_strides():
    assert_agrees(torch.nonzero, torch.ones(33, 65), backward=False)
    assert_agrees(lambda x: torch.nonzero(x.t()[::2] > 0), sample(33, 65), backward=False)
    assert_agrees(lambda x: torch.where(x > 0), sample(33, 65), backward=False)


OUT_OF_RANGE = {
    "get": (lambda x, i: x[i], "index 9 is out of bounds for dimension 0 with size 5"),
    "gather": (lambda x, i: x.gather(0, i.view(1, 1)), "index 9 is out of bounds"),
    "index_add": (lambda x, i: x.index_add(0, i, x[:1]), "index 9 is out of bounds"),
    "put": (lambda x, i: x.clone().index_put_((i,), x[:1]), "index 9 is out of bounds"),
    "line": (lambda x, i: x.scatter_add(1, i.expand(5, 20), torch.ones(5, 20, device=i.device)), "index 9 is out of bounds"),
    "atomic": (lambda x, i: x[:, 0].scatter_add(0, i.expand(9999), torch.ones(9999, device=i.device)), "index 9 is out of bounds"),
}


@pytest.mark.parametrize("name", OUT_OF_RANGE)
def test_out_of_range_raises_and_the_process_lives_on(name, device):
    function, message = OUT_OF_RANGE[name]
    function(torch.ones(5, 7, device=device), torch.tensor([9], device=device))
    with pytest.raises((RuntimeError, IndexError), match=message):
        torch.metal.synchronize()
    assert torch.ones(3, device=device).sum().item() == 3


def test_negative_gather_is_out_of_range(device):
    torch.ones(5, device=device).gather(0, torch.tensor([-1], device=device))
    with pytest.raises((RuntimeError, IndexError), match="index -1 is out of bounds"):
        torch.metal.synchronize()


CONCATENATIONS = {
    "rows": lambda x, y: torch.cat([x, y]),
    "columns": lambda x, y: torch.cat([x, y, x], 1),
    "many": lambda x, y: torch.cat([x[i : i + 1] for i in range(5)] * 20),
    "strided": lambda x, y: torch.cat([x.t(), y[:, ::2].t()]),
    "legacy_empty": lambda x, y: torch.cat([torch.empty(0, device=x.device), x]),
    "empty": lambda x, y: torch.cat([x[:0], y[:0]]),
    "stack": lambda x, y: torch.stack([x, y], 1),
    "hstack": lambda x, y: torch.hstack([x, y]),
    "channels_last": lambda x, y: torch.cat(
        [t[None, :, :, None].to(memory_format=torch.channels_last) for t in (x, y)], 1
    ),
}


@pytest.mark.parametrize("name", CONCATENATIONS)
def test_concatenation(name):
    assert_agrees(CONCATENATIONS[name], sample(5, 7), sample(5, 7, seed=1))


def test_concatenation_promotes_dtypes():
    assert_agrees(lambda x, y: torch.cat([x, y]), sample(5), sample(4, dtype=torch.int32))
    assert_agrees(lambda x, y: torch.cat([x, y]), sample(5, dtype=torch.float16), sample(4), rtol=1e-3, atol=1e-3)
    assert_agrees(lambda x, y: torch.cat([x, y > 0]), sample(5, dtype=torch.uint8), sample(4), backward=False)


def test_take_from_a_view_with_gaps():
    x = torch.arange(40).reshape(4, 5, 2)
    index = torch.tensor([[3, -1], [7, 19]])
    assert torch.equal(x.to("metal")[..., 0].take(index.to("metal")).cpu(), x[..., 0].take(index))
