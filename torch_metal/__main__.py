"""``python -m torch_metal``: the device, versions, cache, limits, routes and environment variables."""

import os
from pathlib import Path

import torch

import torch_metal
from torch_metal.environment import VARIABLES, cache_directory


def gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"


def folder_size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def rows():
    """(what, value) for each line."""
    properties = torch.metal.get_device_properties()
    cache = cache_directory()
    yield "device", f"metal:0, {properties.name}"
    yield "torch_metal", f"{torch_metal.__version__}, torch {torch.__version__}"
    yield "cache", f"{cache} ({folder_size(cache) / 2**20:.1f} MiB)"
    yield "memory", f"{gib(properties.total_memory)}, longest buffer {gib(properties.max_buffer_length)}"
    yield "threadgroup", (
        f"{properties.max_threads_per_threadgroup} threads, {properties.max_threadgroup_memory_length} bytes of memory"
    )
    yield "routes", ", ".join(f"{route} {count}" for route, count in torch_metal.route_counts().items())
    for name, meaning in VARIABLES.items():
        yield name, f"{os.environ.get(name, 'not set')}    ({meaning})"


def main() -> None:
    lines = list(rows())
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        print(f"{name:{width}}  {value}")


if __name__ == "__main__":
    main()
