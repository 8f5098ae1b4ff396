"""Every operator call is counted by the way it took."""

import pytest
import torch

import torch_metal



@pytest.fixture(autouse=True)
def fresh_counts():
    torch_metal.reset_route_counts()
    yield
    torch_metal.reset_route_counts()


def test_a_kernel_counts_as_msl(device):
    x = torch.empty(5, device=device)
    x.fill_(2)
    assert torch_metal.route_counts() == {"msl": 1, "mps_graph": 0, "host": 0, "fallback": 0}


def test_views_and_factories_count_nowhere(device):
    x = torch.empty(4, 6, device=device)
    x.view(24)[3:].unsqueeze(0).expand(2, -1).t()
    assert sum(torch_metal.route_counts().values()) == 0


def test_float64_takes_the_host_route(device):
    x = torch.full((3,), 1 / 3, dtype=torch.float64).to(device)
    y = x + x
    assert y.dtype == torch.float64 and y.is_metal
    assert y.cpu().tolist() == [2 / 3] * 3
    assert torch_metal.route_counts()["host"] > 0
    assert torch_metal.route_counts()["fallback"] == 0


def test_a_fallback_is_counted_by_name(device, fallen_back):
    x = torch.eye(3).to(device)
    assert torch.equal(fallen_back(x).cpu(), fallen_back(torch.eye(3)))
    assert torch_metal.route_counts()["fallback"] > 0
    assert fallen_back.name in torch_metal.fallback_operators()


def test_fallback_can_be_an_error(device, fallen_back, monkeypatch):
    monkeypatch.setenv("TORCH_METAL_FALLBACK", "error")
    with pytest.raises(NotImplementedError, match=fallen_back.name):
        fallen_back(torch.eye(3).to(device))


@pytest.fixture
def fallen_back():
    """An operator of this test alone, with a CPU kernel and none for metal."""
    library = torch.library.Library("torch_metal_test", "FRAGMENT")
    library.define("flip_rows(Tensor self) -> Tensor")
    library.impl("flip_rows", lambda x: torch.flip(x, [0]), "CPU")

    def operator(x):
        return torch.ops.torch_metal_test.flip_rows(x)

    operator.name = "torch_metal_test::flip_rows"
    yield operator
    library._destroy()


def test_fallback_writes_to_its_out_argument(device):
    library = torch.library.Library("torch_metal_test", "FRAGMENT")
    library.define("twice.out(Tensor self, *, Tensor(a!) out) -> Tensor(a!)")

    def twice(x, *, out):
        out.resize_(x.shape)
        return out.copy_(x * 2)

    library.impl("twice.out", twice, "CPU")
    try:
        x, out = torch.arange(4.0).to(device), torch.empty(0, device=device)
        assert torch.ops.torch_metal_test.twice.out(x, out=out) is out
        assert out.is_metal and out.cpu().tolist() == [0, 2, 4, 6]
    finally:
        library._destroy()


def test_fallback_may_return_a_view_of_its_argument(device):
    library = torch.library.Library("torch_metal_test", "FRAGMENT")
    library.define("second_row(Tensor(a) self) -> Tensor(a)")
    library.impl("second_row", lambda x: x[1], "CPU")
    try:
        x = torch.zeros(2, 3).to(device)
        torch.ops.torch_metal_test.second_row(x).fill_(5)
        assert x.cpu().tolist() == [[0, 0, 0], [5, 5, 5]]
    finally:
        library._destroy()
