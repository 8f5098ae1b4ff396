"""The environment variables of the project; docs/environment.md says more."""

import os
from pathlib import Path

VARIABLES = {
    "TORCH_METAL_BATCH_MB": "MiB that operations in a command buffer use before it is committed",
    "TORCH_METAL_BATCH_OPERATIONS": "operations in a command buffer before it is committed",
    "TORCH_METAL_CACHE_DIR": "folder of compiled kernels",
    "TORCH_METAL_CACHE_SIZE": "bytes the cache may hold",
    "TORCH_METAL_DEVICE": "auto, software or apple: the device that must be there",
    "TORCH_METAL_FALLBACK": "error: an operator without a kernel raises instead of running on the CPU",
    "TORCH_METAL_FAULTS": "failures of Metal that the software device returns on purpose",
    "TORCH_METAL_GEMM_TILE": "matrix or register: the kind of tile that matrix products are made of",
    "TORCH_METAL_MEMORY_LIMIT": "bytes the software device says it has",
    "TORCH_METAL_REORDER": "1: the software device runs unordered dispatches backwards",
    "TORCH_METAL_TIME_LIMIT": "seconds after which the software device stops a kernel",
    "TORCH_METAL_VALIDATE": "1: kernels check their memory accesses and barriers",
}


def cache_directory() -> Path:
    """The folder in which the software device keeps compiled kernels."""
    if path := os.environ.get("TORCH_METAL_CACHE_DIR"):
        return Path(path)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "torch_metal"
