"""PyTorch on the device ``metal``: the Apple GPU on a Mac, a software Metal device elsewhere.

Importing torch is enough once the package is installed (the ``torch.backends`` entry point). What a program uses is
``torch.device("metal")`` and the module ``torch.metal``; what belongs to this project alone is here.
"""

import atexit
import time

import torch

from torch_metal import backends, dlpack, metal, native, profiler
from torch_metal.routes import fallback_operators, operator_routes, record_operators, reset_route_counts, route_counts
from torch_metal.shader import compile_shader
from torch_metal.version import __version__

__all__ = [
    "__version__",
    "backends",
    "compile_shader",
    "fallback_operators",
    "operator_routes",
    "profiler",
    "record_operators",
    "reset_route_counts",
    "route_counts",
]


def _register() -> None:
    """Gives PyTorch the device's name, its module and the methods that every device has."""
    torch.utils.rename_privateuse1_backend("metal")
    torch._register_device_module("metal", metal)
    torch.utils.generate_methods_for_privateuse1_backend(for_tensor=True, for_module=True, for_storage=True)
    dlpack.register()
    atexit.register(_finish)


def _finish() -> None:
    """Work still under way would outlive what it runs on.

    The autograd thread of the device may still be letting go of its last graph: were it to ask for the interpreter's
    lock once that is shut down, the process would abort. So it is let in now (Python hands the lock over to a thread
    that has waited for 5 ms).
    """
    if native.device_is_open() and not native.in_bad_fork():
        native.wait_all()
        time.sleep(0.02)


_register()
