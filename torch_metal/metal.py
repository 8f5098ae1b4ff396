"""The module ``torch.metal``: what ``torch.cuda`` and ``torch.mps`` have in common, for the device ``metal``."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

import torch
from torch.types import Device

from torch_metal import native
from torch_metal.shader import compile_shader

__all__ = [
    "Event",
    "Stream",
    "compile_shader",
    "current_allocated_memory",
    "current_device",
    "current_stream",
    "default_generators",
    "default_stream",
    "device",
    "device_count",
    "driver_allocated_memory",
    "empty_cache",
    "get_amp_supported_dtype",
    "get_device_capability",
    "get_device_name",
    "get_device_properties",
    "get_per_process_memory_fraction",
    "get_rng_state",
    "get_rng_state_all",
    "get_sync_debug_mode",
    "init",
    "initial_seed",
    "is_available",
    "is_bf16_supported",
    "is_initialized",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "max_memory_reserved",
    "mem_get_info",
    "memory_allocated",
    "memory_reserved",
    "memory_stats",
    "recommended_max_memory",
    "reset_accumulated_memory_stats",
    "reset_peak_memory_stats",
    "seed",
    "seed_all",
    "set_device",
    "set_per_process_memory_fraction",
    "set_rng_state",
    "set_rng_state_all",
    "set_stream",
    "set_sync_debug_mode",
    "stream",
    "synchronize",
]


# Devices


def _check_device(device: Device) -> int:
    """The index of ``device``, which must be metal or metal:0."""
    if device is None:
        return 0
    if isinstance(device, int):
        device = torch.device("metal", device)
    device = torch.device(device)
    if device.type != "metal":
        raise ValueError(f"Expected a metal device, but got: {device}")
    if device.index not in (None, 0):
        raise RuntimeError(f"Invalid device {device}: there is one Metal device, metal:0")
    return 0


def is_available() -> bool:
    return native.device_count() > 0


def device_count() -> int:
    return native.device_count()


def init() -> None:
    """Opens the device. Any use of it does so too."""
    native.open_device()


def is_initialized() -> bool:
    return native.device_is_open() and not native.in_bad_fork()


def _is_in_bad_fork() -> bool:
    return native.in_bad_fork()


def current_device() -> int:
    return 0


def set_device(device: Device) -> None:
    _check_device(device)


class device:
    """Context manager that selects a device. There is one."""

    def __init__(self, device: Device):
        self.idx = _check_device(device)

    def __enter__(self):
        return self

    def __exit__(self, *exception) -> None:
        pass


def synchronize(device: Device = None) -> None:
    """Waits for all work on the device. Raises what kernels reported."""
    _check_device(device)
    native.synchronize()


def set_sync_debug_mode(debug_mode: int | str) -> None:
    """What happens when an operator makes the host wait for the device, as ``item()`` and copies to the CPU do.

    ``"default"`` or 0: nothing; ``"warn"`` or 1: a warning; ``"error"`` or 2: RuntimeError. :func:`synchronize` is no
    operator and is always silent.
    """
    modes = ("default", "warn", "error")  # as in csrc/runtime/operator_wait.h
    if isinstance(debug_mode, str):
        if debug_mode not in modes:
            raise RuntimeError(f"invalid value of debug_mode, expected one of {', '.join(modes)}, got {debug_mode!r}")
        debug_mode = modes.index(debug_mode)
    elif debug_mode not in range(len(modes)):
        raise RuntimeError(f"invalid value of debug_mode, expected 0, 1 or 2, got {debug_mode}")
    native.set_sync_debug_mode(int(debug_mode))


def get_sync_debug_mode() -> int:
    """0, 1 or 2, as in :func:`set_sync_debug_mode`."""
    return native.sync_debug_mode()


def get_device_properties(device: Device = None) -> SimpleNamespace:
    """Name, ``total_memory`` (bytes that Metal recommends to use at most) and limits of the device."""
    _check_device(device)
    return SimpleNamespace(**native.properties())


def get_device_name(device: Device = None) -> str:
    return get_device_properties(device).name


def get_device_capability(device: Device = None) -> dict:
    """The dtypes that tensors may have. float64 and complex128 are computed on the host."""
    return torch.accelerator.get_device_capability(torch.device("metal", _check_device(device)))


def is_bf16_supported() -> bool:
    return True


def get_amp_supported_dtype() -> list[torch.dtype]:
    return [torch.float16, torch.bfloat16]


# Streams and events


class Stream(torch.Stream):
    """A queue of work on the device. ``priority`` has no effect."""

    def __new__(cls, device: Device = None, priority: int = 0, **kwargs):
        if kwargs:  # of an existing stream: stream_id, device_index, device_type
            return super().__new__(cls, **kwargs)
        return super().__new__(cls, device=torch.device("metal", _check_device(device)), priority=priority)


def Event(enable_timing: bool = False, blocking: bool = False, interprocess: bool = False) -> torch.Event:
    """A mark in a stream's work, to wait for or to measure time between. PyTorch takes no subclass of its Event."""
    return torch.Event("metal", enable_timing=enable_timing, blocking=blocking, interprocess=interprocess)


def current_stream(device: Device = None) -> torch.Stream:
    return torch.accelerator.current_stream(torch.device("metal", _check_device(device)))


def default_stream(device: Device = None) -> torch.Stream:
    index = _check_device(device)
    return Stream(stream_id=0, device_index=index, device_type=int(torch._C._autograd.DeviceType.PrivateUse1))


def set_stream(stream: torch.Stream) -> None:
    if stream is not None:
        torch.accelerator.set_stream(stream)


def stream(stream: torch.Stream | None):
    """Context manager in which ``stream`` is the current one. None changes nothing."""
    return contextlib.nullcontext() if stream is None else stream


# Memory


def memory_stats(device: Device = None) -> dict:
    """Counts and bytes of the caching allocator, with the keys of torch.cuda.memory_stats."""
    return torch.accelerator.memory_stats(_check_device(device))


def memory_allocated(device: Device = None) -> int:
    """Bytes that tensors take."""
    return torch.accelerator.memory_allocated(_check_device(device))


def max_memory_allocated(device: Device = None) -> int:
    return torch.accelerator.max_memory_allocated(_check_device(device))


def memory_reserved(device: Device = None) -> int:
    """Bytes that the allocator holds, in use or cached."""
    return torch.accelerator.memory_reserved(_check_device(device))


def max_memory_reserved(device: Device = None) -> int:
    return torch.accelerator.max_memory_reserved(_check_device(device))


def reset_peak_memory_stats(device: Device = None) -> None:
    torch.accelerator.reset_peak_memory_stats(_check_device(device))


def reset_accumulated_memory_stats(device: Device = None) -> None:
    torch.accelerator.reset_accumulated_memory_stats(_check_device(device))


def mem_get_info(device: Device = None) -> tuple[int, int]:
    """Free and total bytes within the memory limit."""
    return torch.accelerator.get_memory_info(_check_device(device))


def empty_cache() -> None:
    """Returns cached memory that no tensor uses to the system."""
    torch.accelerator.empty_cache()


def set_per_process_memory_fraction(fraction: float, device: Device = None) -> None:
    """Limits tensors to this share of recommended_max_memory(), 0 to 2. 0 is no limit; 1 is the default."""
    _check_device(device)
    if not isinstance(fraction, float):
        raise TypeError("Invalid type for fraction argument, must be `float`")
    if not 0 <= fraction <= 2:
        raise ValueError(f"Invalid fraction value: {fraction}. Allowed range: 0~2")
    native.set_memory_fraction(fraction)


def get_per_process_memory_fraction(device: Device = None) -> float:
    _check_device(device)
    return native.memory_fraction()


def current_allocated_memory() -> int:
    """As torch.mps.current_allocated_memory: bytes that tensors take."""
    return memory_allocated()


def driver_allocated_memory() -> int:
    """As torch.mps.driver_allocated_memory: bytes that the allocator holds."""
    return memory_reserved()


def recommended_max_memory() -> int:
    """Bytes that Metal recommends to use at most."""
    return get_device_properties().total_memory


# Random numbers

default_generators = (native.default_generator(),)


def get_rng_state(device: Device = "metal") -> torch.Tensor:
    """The default generator's state: 16 bytes, seed and offset."""
    return default_generators[_check_device(device)].get_state()


def set_rng_state(new_state: torch.Tensor, device: Device = "metal") -> None:
    default_generators[_check_device(device)].set_state(new_state)


def get_rng_state_all() -> list[torch.Tensor]:
    return [get_rng_state()]


def set_rng_state_all(new_states: list[torch.Tensor]) -> None:
    for state in new_states:
        set_rng_state(state)


def manual_seed(seed: int) -> None:
    default_generators[0].manual_seed(int(seed))


def manual_seed_all(seed: int) -> None:
    manual_seed(seed)


def seed() -> None:
    """Seeds the default generator with a number that nobody knows."""
    default_generators[0].seed()


def seed_all() -> None:
    seed()


def initial_seed() -> int:
    return default_generators[0].initial_seed()
