"""Fixtures that all tests share."""

import pytest
import torch

import torch_metal


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
