"""torch.use_deterministic_algorithms(True): what CUDA refuses or changes is the same bit by bit at every repetition, on
several threads, or raises PyTorch's error."""

import pytest
import torch
import torch.nn.functional as F

from test.agreement import assert_close, sample

pytestmark = pytest.mark.usefixtures("no_fallback", "deterministic")

COUNT = 20000


@pytest.fixture
def deterministic():
    threads = torch.get_num_threads()
    torch.set_num_threads(4)
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(threads)


def bits(result):
    result = result if isinstance(result, tuple) else (result,)
    return [t.detach().contiguous().cpu().view(-1).view(torch.uint8) for t in result]


def indices(high, *shape, seed=0):
    """Many of them equal."""
    return torch.randint(0, high, shape, generator=torch.Generator().manual_seed(seed)).to("metal")


def values(*shape, dtype=torch.float32):
    """Of such different sizes that the order of a sum shows in its last bits."""
    return (sample(*shape) * torch.exp(sample(*shape, seed=1) * 4)).to("metal", dtype)


def gradient(function, *inputs):
    inputs = [i.requires_grad_() if i.is_floating_point() else i for i in inputs]
    out = function(*inputs)
    return torch.autograd.grad(out, [i for i in inputs if i.requires_grad], values(*out.shape))


def image(*shape):
    return values(2, 3, *shape)


def ctc(x):
    lengths = torch.full((4,), 30), torch.full((4,), 10)
    return F.ctc_loss(x.log_softmax(2), indices(8, 4, 10) + 1, *lengths)


REPEATABLE = {
    "scatter_add": lambda: torch.zeros(9, device="metal").scatter_add(0, indices(9, COUNT), values(COUNT)),
    "scatter_add rows": lambda: torch.zeros(3, 9, device="metal").scatter_add(1, indices(9, 3, COUNT), values(3, COUNT)),
    "scatter": lambda: torch.zeros(9, device="metal").scatter(0, indices(9, COUNT), values(COUNT)),
    "scatter_reduce sum": lambda: values(9).scatter_reduce(0, indices(9, COUNT), values(COUNT), "sum"),
    "scatter_reduce mean": lambda: values(9).scatter_reduce(0, indices(9, COUNT), values(COUNT), "mean"),
    "scatter_reduce prod": lambda: values(900).scatter_reduce(0, indices(900, COUNT), values(COUNT), "prod"),
    "index_add": lambda: values(9, 5).index_add(0, indices(9, COUNT), values(COUNT, 5)),
    "index_copy": lambda: values(9, 5).index_copy(0, indices(9, COUNT), values(COUNT, 5)),
    "index_put": lambda: values(9, 5).index_put((indices(9, COUNT), indices(5, COUNT, seed=1)), values(COUNT)),
    "index_put accumulate": lambda: values(9, 5).index_put((indices(9, COUNT),), values(COUNT, 5), accumulate=True),
    "index_reduce": lambda: values(9, 5).index_reduce(0, indices(9, COUNT), values(COUNT, 5), "mean"),
    "getitem backward": lambda: gradient(lambda x: x[indices(9, COUNT)], values(9, 5)),
    "gather backward": lambda: gradient(lambda x: x.gather(0, indices(9, COUNT)), values(9)),
    "index_select backward": lambda: gradient(lambda x: x.index_select(0, indices(9, COUNT)), values(9, 5)),
    "repeat_interleave backward": lambda: gradient(lambda x: x.repeat_interleave(3000), values(9)),
    "take backward": lambda: gradient(lambda x: x.take(indices(9, COUNT)), values(9)),
    "embedding backward": lambda: gradient(lambda w: F.embedding(indices(9, COUNT), w), values(9, 5)),
    "embedding_bag sum backward": lambda: gradient(lambda w: F.embedding_bag(indices(9, 100, 50), w, mode="sum"), values(9, 5)),
    "embedding_bag max backward": lambda: gradient(lambda w: F.embedding_bag(indices(9, 100, 50), w, mode="max"), values(9, 5)),
    "cumsum": lambda: values(7, COUNT).cumsum(1),
    "cumprod": lambda: values(7, COUNT).sign().cumprod(1),
    "sum": lambda: values(7, COUNT).sum(),
    "bincount": lambda: indices(9, COUNT).bincount(values(COUNT)),
    "histc": lambda: values(COUNT).histc(20, -3, 3),
    "median": lambda: tuple(values(7, 999).round().median(1)),
    "kthvalue": lambda: tuple(values(7, 999).round().kthvalue(300, 1)),
    "mode": lambda: tuple(values(7, 99).round().mode(1)),
    "conv2d backward": lambda: gradient(F.conv2d, image(20, 20), values(4, 3, 3, 3)),
    "conv3d backward": lambda: gradient(F.conv3d, image(8, 8, 8), values(4, 3, 3, 3, 3)),
    "conv_transpose2d backward": lambda: gradient(F.conv_transpose2d, image(10, 10), values(3, 4, 3, 3)),
    "max_pool2d backward": lambda: gradient(lambda x: F.max_pool2d(x, 3, 1), image(40, 40)),
    "max_pool3d backward": lambda: gradient(lambda x: F.max_pool3d(x, 3, 1), image(9, 9, 9)),
    "avg_pool3d backward": lambda: gradient(lambda x: F.avg_pool3d(x, 3, 1), image(9, 9, 9)),
    "adaptive_avg_pool2d backward": lambda: gradient(lambda x: F.adaptive_avg_pool2d(x, 7), image(20, 20)),
    "adaptive_avg_pool3d backward": lambda: gradient(lambda x: F.adaptive_avg_pool3d(x, 3), image(8, 8, 8)),
    "adaptive_max_pool2d backward": lambda: gradient(lambda x: F.adaptive_max_pool2d(x, 7), image(20, 20)),
    "fractional_max_pool2d backward": lambda: gradient(lambda x: fractional(F.fractional_max_pool2d, x), image(20, 20)),
    "fractional_max_pool3d backward": lambda: gradient(lambda x: fractional(F.fractional_max_pool3d, x), image(9, 9, 9)),
    "max_unpool2d": lambda: F.max_unpool2d(image(10, 10), indices(400, 2, 3, 10, 10), 2),
    "max_unpool3d": lambda: F.max_unpool3d(image(4, 4, 4), indices(512, 2, 3, 4, 4, 4), 2),
    "reflection_pad2d backward": lambda: gradient(lambda x: F.pad(x, (3, 3, 3, 3), "reflect"), image(20, 20)),
    "replication_pad3d backward": lambda: gradient(lambda x: F.pad(x, (3,) * 6, "replicate"), image(5, 6, 7)),
    "nll_loss2d": lambda: F.nll_loss(image(40, 40), indices(3, 2, 40, 40)),
    "nll_loss2d backward": lambda: gradient(lambda x: F.nll_loss(x, indices(3, 2, 40, 40)), image(40, 40)),
    "ctc_loss backward": lambda: gradient(ctc, values(30, 4, 9)),
    "layer_norm backward": lambda: gradient(lambda x, w: F.layer_norm(x, (50,), w), values(900, 50), values(50)),
    **{
        f"interpolate {mode} backward": lambda mode=mode, size=size: gradient(
            lambda x: F.interpolate(x, scale_factor=2.3, mode=mode), image(*size)
        )
        for mode, size in {"nearest": (9, 9), "linear": (30,), "bilinear": (9, 9), "bicubic": (9, 9), "trilinear": (5, 5, 5)}.items()
    },
}  # fmt: skip


def fractional(pool, x):
    samples = torch.full((2, 3, x.dim() - 2), 0.3, device="metal")
    return pool(x, 3, output_size=6, _random_samples=samples)


@pytest.mark.parametrize("name", REPEATABLE)
def test_repetitions_are_the_same_bit_by_bit(name):
    first = bits(REPEATABLE[name]())
    for _ in range(3):
        assert all(torch.equal(a, b) for a, b in zip(first, bits(REPEATABLE[name]())))


@pytest.mark.parametrize("dtype", [torch.bool, torch.int16, torch.float32, torch.complex64])
def test_the_last_of_several_values_for_one_place_stays(dtype):
    at, source = indices(9, COUNT), sample(COUNT).to("metal", dtype)

    def put(device):
        i, s, target = at.to(device), source.to(device), torch.zeros(2, 9, dtype=dtype, device=device)
        return (
            target[0].scatter(0, i, s),
            target[0].index_copy(0, i, s),
            target[0].index_put((i,), s),
            target.index_put((torch.ones_like(i), i), s),
            target.t().index_put((i,), torch.stack([s, s.flip(0)], 1)),
            target.t().scatter(0, i[:, None].expand(-1, 2), torch.stack([s, s.flip(0)], 1)),
        )

    assert_close(put("metal"), put("cpu"))


def test_one_value_for_all_places():
    x = torch.zeros(9, device="metal")
    assert x.index_fill(0, indices(4, 50), 2.0).tolist() == [2] * 4 + [0] * 5
    assert x.index_put((indices(4, 50),), torch.tensor(3.0, device="metal")).tolist() == [3] * 4 + [0] * 5


def test_indices_out_of_bounds_are_still_refused():
    with pytest.raises(RuntimeError, match="out of bounds"):
        torch.zeros(9, device="metal").index_put((indices(20, 50),), values(50)).cpu()


def test_what_is_not_deterministic_raises():
    """Sums by atomic additions in no order."""
    x, grid = image(9, 9).requires_grad_(), (values(2, 5, 5, 2) / 100).clamp(-1, 1)
    result = F.grid_sample(x, grid, align_corners=False)
    with pytest.raises(RuntimeError, match="does not have a deterministic implementation"):
        result.sum().backward()
    with pytest.raises(RuntimeError, match="does not have a deterministic implementation"):
        values(9).put_(indices(9, 50), values(50))
    torch.use_deterministic_algorithms(True, warn_only=True)
    with pytest.warns(UserWarning, match="does not have a deterministic implementation"):
        F.grid_sample(x, grid, align_corners=False).sum().backward()


def test_memory_that_a_resize_adds_is_filled():
    x = torch.zeros(3, device="metal").resize_(8)
    assert x[:3].eq(0).all() and x[3:].isnan().all()
    assert torch.zeros(3, dtype=torch.int32, device="metal").resize_(4)[3] == torch.iinfo(torch.int32).max
