"""torch.Event and torch.metal.Event: order between streams, and time."""

import pytest
import torch

from test.slow_kernel import run_slowly


def test_event_is_reached_when_the_work_before_it_is_done(device):
    x, event = torch.zeros(64, device=device), torch.Event("metal")
    assert event.query()  # never recorded
    torch.metal.synchronize()
    run_slowly(x)
    event.record()
    assert not event.query()
    event.synchronize()
    assert event.query()


def test_a_stream_waits_for_an_event_of_another(device):
    x = torch.zeros(64, device=device)
    torch.metal.synchronize()
    run_slowly(x)
    event = torch.metal.current_stream().record_event()
    stream = torch.metal.Stream()
    stream.wait_event(event)
    with stream:
        y = x.clone()
    stream.synchronize()
    assert y[0].item() == 2


def test_elapsed_time_is_that_of_the_work_between(device):
    x = torch.zeros(64, device=device)
    run_slowly(x, 1)
    start, end = torch.metal.Event(enable_timing=True), torch.metal.Event(enable_timing=True)
    start.record()
    run_slowly(x)
    end.record()
    end.synchronize()
    slow = start.elapsed_time(end)
    start.record()
    end.record()
    end.synchronize()
    assert slow > 10 > start.elapsed_time(end) >= 0


def test_elapsed_time_needs_timing_and_recording():
    untimed, timed = torch.Event("metal"), torch.Event("metal", enable_timing=True)
    untimed.record()
    timed.record()
    torch.metal.synchronize()
    with pytest.raises((RuntimeError, ValueError), match="enable_timing"):
        untimed.elapsed_time(timed)
    with pytest.raises((RuntimeError, ValueError), match="recorded"):
        timed.elapsed_time(torch.Event("metal", enable_timing=True))
