"""Tensors of more than 2^31 and 2^32 elements. `make test-large` runs these, one at a time; each takes up to 11 GB."""

import gc
import os
import sys

import pytest
import torch

GIB = 2**30


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent == item.session.config.rootpath / "test" / "large":
            item.add_marker(pytest.mark.large)


def available_memory():
    with open("/proc/meminfo") as file:
        figures = dict(line.split(":") for line in file)
    return int(figures["MemAvailable"].split()[0]) * 1024


@pytest.fixture(autouse=True)
def room(request):
    """Memory for a test that is marked `needs(gigabytes)`, else 10 GB; given back afterwards."""
    sys.last_exc = sys.last_value = sys.last_traceback = None  # which keep the tensors of a test that failed
    gc.collect()
    torch.metal.empty_cache()
    mark = request.node.get_closest_marker("needs")
    needed = (mark.args[0] if mark else 10) * GIB
    if os.path.exists("/proc/meminfo") and available_memory() < needed:
        pytest.skip(f"needs {needed / GIB:.0f} GB of memory, {available_memory() / GIB:.1f} are available")
    yield
    gc.collect()
    torch.metal.empty_cache()
