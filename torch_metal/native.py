"""The native code's functions and classes, as `csrc/python` registers them with PyTorch."""

import torch

from torch_metal._C import dlpack_capsule  # loading it registers all

ProfilerRecording = torch.classes.torch_metal.ProfilerRecording
ShaderLibrary = torch.classes.torch_metal.ShaderLibrary


def to_dlpack(tensor: torch.Tensor, versioned: bool) -> object:
    """``tensor`` as a "dltensor" capsule, or "dltensor_versioned"."""
    return dlpack_capsule(torch.classes.torch_metal.Functions.to_dlpack(tensor, versioned), versioned)


def __getattr__(name: str) -> object:
    """A function; kept, so that it is looked up once."""
    function = getattr(torch.classes.torch_metal.Functions, name)
    return globals().setdefault(name, function)
