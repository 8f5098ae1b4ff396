"""torch.metal.set_sync_debug_mode tells which operators make the host wait, and no others."""

import warnings

import pytest
import torch


@pytest.fixture(autouse=True)
def silent_again():
    yield
    torch.metal.set_sync_debug_mode(0)


def test_modes_have_names_and_numbers():
    for number, name in enumerate(("default", "warn", "error")):
        torch.metal.set_sync_debug_mode(name)
        assert torch.metal.get_sync_debug_mode() == number
    for wrong in ("loud", 3):
        with pytest.raises(RuntimeError, match="invalid value of debug_mode"):
            torch.metal.set_sync_debug_mode(wrong)


@pytest.mark.parametrize(
    "call", [lambda x: x.sum().item(), lambda x: x.cpu(), lambda x: x.nonzero(), lambda x: bool(x.any())]
)
def test_operators_that_wait_raise(call, device):
    x = torch.ones(3, device=device)
    torch.metal.set_sync_debug_mode("error")
    with pytest.raises(RuntimeError, match="called a synchronizing metal operation: .* makes the host wait"):
        call(x)
    torch.metal.set_sync_debug_mode("default")
    call(x)


def test_operators_that_wait_are_named_in_a_warning(device):
    x = torch.ones(3, device=device)
    torch.metal.set_sync_debug_mode("warn")
    with pytest.warns(UserWarning, match="nonzero makes the host wait"):
        x.nonzero()


def test_work_and_synchronisation_are_silent(device):
    torch.metal.set_sync_debug_mode("error")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = torch.ones(3, 3).to(device)
        (x @ x).sin_().add_(1).sum()
        x.to("cpu", non_blocking=True)
        torch.metal.synchronize()
