"""DLPack for metal tensors. PyTorch's own methods know no renamed backend."""

import functools

import torch
from torch.utils.dlpack import DLDeviceType

from torch_metal import native


def _dlpack(tensor, *, stream=None, max_version=None, dl_device=None, copy=None):
    """Exports a metal tensor: a capsule with the MTLBuffer and a byte offset, of device type kDLMetal."""
    if tensor.requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    if tensor.is_conj():
        raise BufferError("Can't export tensors with the conjugate bit set")
    if dl_device is not None and tuple(dl_device) != (DLDeviceType.kDLMetal, 0):
        if copy is False:
            raise BufferError("Can't export a metal tensor to another device without a copy")
        return tensor.cpu().__dlpack__(max_version=max_version, dl_device=dl_device)
    torch.metal.synchronize()
    versioned = max_version is not None and max_version[0] >= 1
    return native.to_dlpack(tensor.clone() if copy else tensor, versioned)


def _from_metal(tensor, device, copy):
    """What torch.from_dlpack makes of a metal tensor: one that shares its memory, unless asked otherwise."""
    target = torch.device(device) if device is not None else tensor.device
    if target.type != "metal" and copy is False:
        raise ValueError(f"cannot move DLPack tensor from device {tensor.device} to {target} without copying")
    result = tensor.detach().to(target)
    return result.clone() if copy and target.type == "metal" else result


def register() -> None:
    """Makes torch.from_dlpack, Tensor.__dlpack__ and __dlpack_device__ work for metal tensors."""
    tensor_dlpack, tensor_device = torch.Tensor.__dlpack__, torch.Tensor.__dlpack_device__
    torch_from_dlpack = torch.from_dlpack

    @functools.wraps(torch_from_dlpack)
    def from_dlpack(ext_tensor, *, device=None, copy=None):
        if isinstance(ext_tensor, torch.Tensor) and ext_tensor.device.type == "metal":
            return _from_metal(ext_tensor, device, copy)
        return torch_from_dlpack(ext_tensor, device=device, copy=copy)

    @functools.wraps(tensor_dlpack)
    def __dlpack__(self, **kwargs):
        return _dlpack(self, **kwargs) if self.device.type == "metal" else tensor_dlpack(self, **kwargs)

    @functools.wraps(tensor_device)
    def __dlpack_device__(self):
        return (DLDeviceType.kDLMetal, 0) if self.device.type == "metal" else tensor_device(self)

    torch.Tensor.__dlpack__ = __dlpack__
    torch.Tensor.__dlpack_device__ = __dlpack_device__
    torch.from_dlpack = torch.utils.dlpack.from_dlpack = from_dlpack
