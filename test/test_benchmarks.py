"""What the benchmarks compute, and that the document made from their tables is up to date."""

import math

import pytest
import torch

import torch_metal
from bench import roofline, scaling
from bench.roofline_tables import FAMILIES, MACHINES


def test_a_fit_finds_what_times_are_made_of():
    work = [4**i for i in range(14)]
    times = [2e-6 + w / 1e9 for w in work]
    fit = scaling.fit(work, times)
    assert (fit.t0, fit.rate, fit.half) == pytest.approx((2e-6, 1e9, 2000), rel=1e-6)
    assert fit.worst == pytest.approx(1)
    assert fit.seconds(2000) == pytest.approx(4e-6)


def test_a_fit_has_no_negative_parts():
    assert scaling.fit([1, 2, 4], [1.0, 1.0, 1.0]).rate == math.inf
    faster_than_nothing = scaling.fit([1, 2, 4], [1.0, 2.2, 4.8])
    assert faster_than_nothing.t0 == 0 and faster_than_nothing.worst > 1
    slower = scaling.fit([1, 2, 4], [4.0, 2.0, 1.0])
    assert slower.rate == math.inf and slower.worst > 1
    with pytest.raises(ValueError, match="two amounts"):
        scaling.fit([1, 1], [1.0, 2.0])


@pytest.mark.parametrize("operator", scaling.OPERATORS, ids=lambda operator: operator.name)
def test_operators_that_are_scaled_agree_with_the_cpu(operator):
    for n in (1, 4, 64, 4096):
        torch.testing.assert_close(operator.make("metal", n)().cpu(), operator.make("cpu", n)(), rtol=1e-4, atol=1e-4)


def test_peaks_are_measured():
    peaks = roofline.measured_peaks(samples=3, elements=1 << 16, steps=64, threads=1 << 12)
    assert 0 < peaks.gb_per_s < 1e5 and 0 < peaks.gflop_per_s < 1e6


def test_machines_are_found_by_the_devices_name():
    assert roofline.find_machine("Apple M2 Pro").cores == 19
    assert roofline.find_machine("Apple M1").gb_per_s < roofline.find_machine("Apple M1 Pro").gb_per_s
    assert roofline.find_machine("Apple M99") is None and roofline.find_machine(torch.metal.get_device_name()) is None


def test_a_prediction_is_the_longer_of_two_times():
    family = FAMILIES[0]
    assert family.seconds(1, 1e9) == pytest.approx(family.bytes / 1e9)
    assert family.seconds(1e9, 1) == pytest.approx(family.flops / 1e9)
    assert all(machine.gflop_per_s == 256 * machine.cores * machine.ghz for machine in MACHINES)


@pytest.mark.parametrize("name", ["softmax", "layer norm", "sort", "FFT"])
def test_families_move_the_bytes_that_the_table_says(name):
    (family,) = [family for family in FAMILIES if family.name == name]
    call = family.make("metal")
    with torch_metal.profiler.profile() as p:
        call()
    # A few more: statistics, roots of unity.
    assert family.bytes <= sum(kernel.bytes for kernel in p.kernels) <= 1.05 * family.bytes
    launched = [kernel.name for kernel in p.kernels]
    assert all(kernel.name in launched for kernel in family.kernels)


def test_the_roofline_document_is_up_to_date():
    text = roofline.DOCUMENT.read_text()
    assert roofline.with_tables(text) == text, "run python -m bench.roofline --document"


def test_a_document_without_its_tables_is_refused():
    with pytest.raises(ValueError, match="machines"):
        roofline.with_tables("no table here")
