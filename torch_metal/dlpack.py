"""DLPack for metal tensors. PyTorch's own methods know no renamed backend."""

import functools

import torch
from torch.utils.dlpack import DLDeviceType

from torch_metal import _C


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
    return _C.to_dlpack(tensor.clone() if copy else tensor, versioned)


def register() -> None:
    """Makes Tensor.__dlpack__ and __dlpack_device__ work for metal tensors."""
    tensor_dlpack, tensor_device = torch.Tensor.__dlpack__, torch.Tensor.__dlpack_device__

    @functools.wraps(tensor_dlpack)
    def __dlpack__(self, **kwargs):
        return _dlpack(self, **kwargs) if self.device.type == "metal" else tensor_dlpack(self, **kwargs)

    @functools.wraps(tensor_device)
    def __dlpack_device__(self):
        return (DLDeviceType.kDLMetal, 0) if self.device.type == "metal" else tensor_device(self)

    torch.Tensor.__dlpack__ = __dlpack__
    torch.Tensor.__dlpack_device__ = __dlpack_device__
