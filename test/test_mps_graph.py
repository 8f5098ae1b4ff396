"""MPSGraph computes what it is asked to: in queue order, beside kernels, whatever the waiting thread is doing."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

import torch_metal
from test.agreement import assert_close, sample
from test.in_threads import run_in_threads

GRAPH = dict(matmul="mps_graph", convolution="mps_graph")


@pytest.fixture
def graphs():
    """Every product and convolution that MPSGraph can do goes to it; counts start at zero."""
    with torch_metal.backends.prefer(**GRAPH):
        torch_metal.reset_route_counts()
        yield


def count() -> int:
    return torch_metal.route_counts()["mps_graph"]


def test_automatic_takes_graphs_for_large_products_only():
    for size, expected in ((16, 0), (256, 1)):
        a = torch.rand(size, size, device="metal")
        torch_metal.reset_route_counts()
        a @ a
        assert count() == expected


def test_preferences_are_obeyed():
    a, image, weight = (torch.rand(s, device="metal") for s in ((256, 256), (2, 16, 20, 20), (16, 16, 3, 3)))
    for library, expected in (("msl", 0), ("mps_graph", 2)):
        with torch_metal.backends.prefer(matmul=library, convolution=library):
            torch_metal.reset_route_counts()
            a @ a, F.conv2d(image, weight)
            assert count() == expected
    assert torch_metal.backends.preferred_library("matmul") == "automatic"


def test_unknown_names_are_named():
    with pytest.raises(ValueError, match="no library 'cublas': expected one of automatic, msl, mps_graph"):
        torch_metal.backends.preferred_library("matmul", "cublas")
    with pytest.raises(ValueError, match="no family 'attention': expected one of matmul, convolution"):
        torch_metal.backends.preferred_library("attention")


def test_graphs_and_kernels_run_in_queue_order(graphs):
    x = sample(40, 40)
    on_cpu, on_metal, weight = x, x.to("metal"), sample(40, 40, seed=1) / 10
    on_metal_weight = weight.to("metal")
    for _ in range(60):
        on_cpu = (on_cpu @ weight).sin() + x
        on_metal = (on_metal @ on_metal_weight).sin() + x.to("metal")
    assert_close(on_metal, on_cpu, rtol=1e-4, atol=1e-4)
    assert count() == 60


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("bias", [True, False])
def test_memory_orders_are_fed_as_they_are(graphs, dtype, bias):
    image = sample(2, 8, 9, 9, dtype=dtype).to(memory_format=torch.channels_last)
    weight = sample(12, 8, 3, 3, dtype=dtype, seed=1)
    vector = sample(12, dtype=dtype, seed=2) if bias else None
    expected = F.conv2d(image.double(), weight.double(), vector.double() if bias else None)
    result = F.conv2d(image.to("metal"), weight.to("metal"), vector.to("metal") if bias else None)
    assert result.is_contiguous(memory_format=torch.channels_last) and count() == 1
    assert_close(result, expected.to(dtype), **{torch.float32: dict(rtol=1e-5, atol=1e-5)}.get(dtype, {}))


def test_what_has_gaps_or_no_graph_goes_to_kernels(graphs):
    wide, square = sample(30, 60).to("metal"), sample(30, 30).to("metal")
    for a, b in ((wide[:, ::2], square), (square.int(), square.int()), (square * 1j, square * 1j)):
        assert_close((a @ b), a.cpu() @ b.cpu(), rtol=1e-4, atol=1e-4)
    torch.addmm(square, square, square, alpha=2)
    assert count() == 0


def test_what_mpsgraph_computes_wrongly_goes_to_kernels(graphs):
    long = torch.ones(2, 32767, device="metal")
    assert (long @ long.t()).cpu().eq(32767).all()
    many = torch.ones(65537, 1, 2, device="metal")
    assert torch.baddbmm(many[:, :, :1], many, many.transpose(1, 2)).cpu().eq(3).all()
    assert F.conv1d(many, torch.ones(3, 1, 2, device="metal")).cpu().eq(2).all()
    channels = torch.ones(65537, 2, 1, device="metal")
    assert F.conv1d(channels[:1], channels).cpu().eq(2).all()
    assert F.conv_transpose1d(torch.ones(1, 65537, 1, device="metal"), channels).cpu().eq(65537).all()
    row = torch.ones(2, 1, 1, 256, device="metal")
    assert F.conv2d(row, row).cpu().eq(256).all()
    assert count() == 0


VOLUMES = {  # convolution, input, weight
    "plain": (F.conv3d, (2, 3, 5, 6, 7), (4, 3, 2, 3, 3)),
    "transposed": (F.conv_transpose3d, (2, 4, 3, 4, 5), (4, 3, 2, 3, 3)),
}


@pytest.mark.parametrize("name", VOLUMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_volumes_and_their_gradients_are_graphs(graphs, name, dtype):
    convolve, *shapes = VOLUMES[name]
    leaves = [sample(*shape, dtype=dtype).to("metal").requires_grad_() for shape in shapes]
    with torch_metal.profiler.profile() as profile:
        convolve(*leaves, stride=(1, 2, 1)).square().mean().backward()
    ran = {kernel.name.split()[1] for kernel in profile.kernels if kernel.name.startswith("MPSGraph")}
    in_any_dtype = {"convolution", "convolution_weights_gradient"}
    assert ran == in_any_dtype | ({"convolution_data_gradient"} if dtype == torch.float32 else set())


def test_a_thousand_shapes_keep_a_bounded_number_of_graphs(graphs):
    for n in range(1, 1001):
        torch.ones(2, n, device="metal") @ torch.ones(n, 2, device="metal")
    torch.metal.synchronize()
    assert count() == 1000
    assert 0 < torch_metal.native.kept_graphs() <= 512


def test_convolutions_keep_a_bounded_amount_of_memory(graphs):
    for channels in range(1, 40):
        F.conv2d(torch.ones(4, channels, 200, 200, device="metal"), torch.ones(8, channels, 3, 3, device="metal"))
    torch.metal.synchronize()
    assert 4 * 8 * 198 * 198 * 4 < torch_metal.native.kept_memory() <= 32 * 2**20


def test_memory_that_is_kept_is_not_the_memory_of_tensors(graphs):
    image, weight = sample(4, 16, 100, 100), sample(16, 16, 3, 3, seed=1)
    expected = F.conv2d(image, weight)
    results = [F.conv2d(image.to("metal"), weight.to("metal")) for _ in range(4)]
    on_cpu = [F.conv2d(image, weight) for _ in range(4)]
    torch.metal.synchronize()
    for result in results:
        assert_close(result, expected, rtol=1e-4, atol=1e-4)
    assert all(torch.equal(result, expected) for result in on_cpu)


class Seen(TorchDispatchMode):
    """Collects the devices of what the operators of a thread return."""

    def __init__(self):
        super().__init__()
        self.devices = set()

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        result = function(*arguments, **(keywords or {}))
        if isinstance(result, torch.Tensor):
            self.devices.add(result.device.type)
        return result


def test_the_waiting_threads_modes_do_not_reach_the_library(graphs):
    a, expected = sample(50, 50).to("metal"), sample(50, 50) @ sample(50, 50)
    image, weight = torch.rand(2, 3, 8, 8, device="metal"), torch.rand(4, 3, 3, 3, device="metal")
    with Seen() as seen, torch.autocast("cpu", torch.bfloat16), torch.inference_mode():
        for _ in range(20):  # the waiting thread executes most of these itself
            product = a @ a
            F.conv2d(image, weight)
            torch.metal.synchronize()
    assert_close(product, expected, rtol=1e-5, atol=1e-5)
    assert seen.devices == {"metal"}


def test_profilers_see_the_same_operators_whichever_library_computes():
    a = torch.rand(50, 50, device="metal")

    def operators(library):
        with torch_metal.backends.prefer(matmul=library), torch.profiler.profile() as profile:
            a @ a
            torch.metal.synchronize()
        return [event.name for event in profile.events() if event.name in ("aten::matmul", "aten::mm")]

    assert operators("mps_graph") == operators("msl")


def test_profiles_show_graphs_with_their_bytes_and_flops(graphs):
    a = torch.rand(50, 50, device="metal")
    with torch_metal.profiler.profile() as profile:
        a @ a
    (kernel,) = profile.kernels
    assert (kernel.name, kernel.operator, kernel.bytes) == ("MPSGraph matmul", "aten::mm", 3 * 4 * 50 * 50)
    assert kernel.flops == 2 * 50**3 and kernel.duration_us > 0


def test_two_threads_on_streams_of_their_own(graphs):
    def work(i):
        with torch.metal.stream(torch.metal.Stream()):
            x = sample(64, 64, seed=i)
            on_metal = x.to("metal")
            for n in range(30):
                assert_close((on_metal[: n + 2] @ on_metal), x[: n + 2] @ x, rtol=1e-4, atol=1e-4)

    run_in_threads(work)
