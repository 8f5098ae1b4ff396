"""torch.save and torch.load across devices."""

import io

import pytest
import torch


def saved(value):
    buffer = io.BytesIO()
    torch.save(value, buffer)
    buffer.seek(0)
    return buffer


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.bool, torch.float64])
def test_tensors_come_back_on_the_device(device, dtype):
    x = torch.tensor([0, 1, 2]).to(dtype)
    y = torch.load(saved(x.to(device)))
    assert y.is_metal and torch.equal(y.cpu(), x)


def test_map_location_moves_both_ways(device):
    x = torch.arange(5.0)
    assert torch.load(saved(x.to(device)), map_location="cpu").device.type == "cpu"
    for location in ("metal", "metal:0", device, {"cpu": "metal:0"}, lambda storage, _: storage.metal()):
        y = torch.load(saved(x), map_location=location)
        assert y.is_metal and torch.equal(y.cpu(), x)


def test_views_share_storage_after_loading(device):
    x = torch.arange(6.0).to(device)
    a, b = torch.load(saved((x[:3], x[3:])))
    assert a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()
    assert b.cpu().tolist() == [3, 4, 5]


def test_a_model_and_its_optimiser_resume(device):
    def make():
        model = torch.nn.Linear(3, 2).to(device)
        return model, torch.optim.Adam(model.parameters())

    model, optimiser = make()
    model(torch.ones(4, 3, device=device)).sum().backward()
    optimiser.step()
    state = torch.load(saved({"model": model.state_dict(), "optimiser": optimiser.state_dict()}))
    other, other_optimiser = make()
    other.load_state_dict(state["model"])
    other_optimiser.load_state_dict(state["optimiser"])
    assert torch.equal(other.weight.cpu(), model.weight.cpu())
    assert all(s["exp_avg"].is_metal for s in other_optimiser.state.values())


def test_a_missing_index_is_refused(device):
    with pytest.raises(RuntimeError, match="device_count"):
        torch.load(saved(torch.ones(2)), map_location="metal:3")
