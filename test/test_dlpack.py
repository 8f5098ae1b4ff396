"""DLPack: metal tensors are kDLMetal, share memory, and go to other libraries through the CPU."""

import numpy
import pytest
import torch
from torch.utils.dlpack import DLDeviceType


def test_device_is_metal(device):
    assert torch.empty(1, device=device).__dlpack_device__() == (DLDeviceType.kDLMetal, 0)
    assert torch.empty(1).__dlpack_device__() == (DLDeviceType.kDLCPU, 0)


def test_from_dlpack_shares_memory(device):
    x = torch.zeros(4, device=device)
    torch.from_dlpack(x)[1] = 5
    assert x.cpu().tolist() == [0, 5, 0, 0]
    torch.from_dlpack(x, copy=True)[2] = 5
    assert x.cpu().tolist() == [0, 5, 0, 0]


def test_from_dlpack_moves_to_the_cpu(device):
    x = torch.arange(3.0).to(device)
    assert torch.from_dlpack(x, device="cpu").tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="without copying"):
        torch.from_dlpack(x, device="cpu", copy=False)


def test_capsules_are_released_unused(device):
    x = torch.zeros(4, device=device)
    for version in (None, (1, 0)):
        assert "dltensor" in repr(x.__dlpack__(max_version=version))


def test_tensors_that_need_gradients_are_refused(device):
    with pytest.raises(BufferError, match="require gradient"):
        torch.empty(1, device=device, requires_grad=True).__dlpack__()


def test_cpu_tensors_are_as_before(device):
    x = torch.arange(3.0)
    assert numpy.from_dlpack(x).tolist() == [0, 1, 2]
