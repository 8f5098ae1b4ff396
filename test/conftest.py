"""Fixtures that all tests share, and which files other systems and devices leave out."""

import os
import sys
from pathlib import Path

import pytest
import torch

import torch_metal
from test.macos.kernel_list import listed_kernels, write_kernels

#: Tests of what is cross-built and checked on Linux.
LINUX_ONLY = ["emulated", "macos"]
#: Tests of mslc and the software device, which a build for a Mac's GPU lacks.
SOFTWARE_ONLY = ["fuzz", "metal", "mslc", "test_faults.py", "test_validation.py"]


def left_out(platform: str, package: Path) -> list[str]:
    """The files of this folder that do not concern the torch_metal in `package` on `platform`."""
    has_software_device = any((package / "lib").glob("libmetal_software.*"))
    return [] if platform == "linux" else LINUX_ONLY + ([] if has_software_device else SOFTWARE_ONLY)


collect_ignore = left_out(sys.platform, Path(torch_metal.__file__).parent)


@pytest.fixture
def device() -> torch.device:
    return torch.device("metal")


@pytest.fixture
def no_fallback():
    """Fails the test if any operator in it took the fallback route."""
    torch_metal.reset_route_counts()
    yield
    assert torch_metal.fallback_operators() == {}


@pytest.fixture(params=["msl", "mps_graph"])
def library(request) -> str:
    """Runs the test once with each of the libraries that compute matrix products and convolutions."""
    with torch_metal.backends.prefer(matmul=request.param, convolution=request.param):
        yield request.param


# Every kernel that the tests make stands in test/macos/kernels.tsv, or Apple's rules would not be checked for it. Runs
# with more of PyTorch's databases make more kernels, and name them.

_MADE = pytest.StashKey[set]()


def pytest_addoption(parser):
    parser.addoption("--add-kernels", action="store_true", help="add the kernels that this run makes to kernels.tsv")


def pytest_configure(config):
    config.stash[_MADE] = set()


class _KernelsOfWorkers:
    """What the processes of pytest-xdist hand over."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node, error):
        node.config.stash[_MADE].update(map(tuple, getattr(node, "workeroutput", {}).get("kernels", ())))


def pytest_sessionstart(session):
    session.config.pluginmanager.register(_KernelsOfWorkers())


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    made = session.config.stash[_MADE]
    made.update(torch_metal.native.kernels_in_use())
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["kernels"] = sorted(made)
    elif session.config.getoption("add_kernels"):
        write_kernels(listed_kernels() | made)
    elif made - listed_kernels() and os.environ.get("TORCH_METAL_OPINFO", "each") == "each":
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_unconfigure(config):
    """The last word, after the line that counts passed tests: that line alone reads like success."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    missing = config.stash[_MADE] - listed_kernels()
    if reporter and missing:
        for family, name in sorted(missing):
            reporter.line(f"{family}: {name}")
        reporter.line(f"{len(missing)} kernels that test/macos/kernels.tsv lacks: run these tests with --add-kernels")
