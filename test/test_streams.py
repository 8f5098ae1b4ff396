"""Streams: separate queues, current stream, ordering."""

import time

import pytest
import torch

from test.slow_kernel import run_slowly


def test_default_stream_is_current():
    assert torch.metal.current_stream() == torch.metal.default_stream()
    assert torch.accelerator.current_stream().stream_id == 0


def test_stream_context_changes_and_restores_the_current_stream():
    stream = torch.metal.Stream()
    with torch.metal.stream(stream):
        assert torch.metal.current_stream() == stream
    assert torch.metal.current_stream() == torch.metal.default_stream()
    with torch.metal.stream(None):
        assert torch.metal.current_stream() == torch.metal.default_stream()


def test_new_streams_differ():
    a, b = torch.Stream("metal"), torch.metal.Stream()
    assert a != b and a.device == torch.device("metal:0")


def test_query_tells_whether_work_is_left(device):
    stream = torch.metal.Stream()
    x = torch.zeros(64, device=device)
    torch.metal.synchronize()
    with stream:
        run_slowly(x)
        assert not stream.query()
    stream.synchronize()
    assert stream.query()
    assert x[0].item() == 2


@pytest.mark.parametrize("operations", [1, 7])
def test_who_keeps_asking_a_stream_is_told_when_it_is_done(device, operations):
    stream, x = torch.metal.Stream(), torch.zeros(64, device=device)
    torch.metal.synchronize()
    with stream:
        run_slowly(x, steps=100_000)
        for _ in range(operations):  # encoded while the kernel runs
            x += 1
    deadline = time.monotonic() + 30
    while not stream.query():
        assert time.monotonic() < deadline, "the stream is never done"
    assert x[0].item() == 2 + operations


def test_wait_stream_orders_work_of_two_streams(device):
    x = torch.zeros(64, device=device)
    torch.metal.synchronize()
    first, second = torch.metal.Stream(), torch.metal.Stream()
    with first:
        run_slowly(x)
    second.wait_stream(first)
    with second:
        y = x.clone()
    second.synchronize()
    assert y.cpu().tolist() == [2] * 64


def test_a_read_on_a_side_stream_waits_for_its_own_work(device):
    x = torch.zeros(64, device=device)
    torch.metal.synchronize()
    with torch.metal.Stream():
        run_slowly(x)
        assert x[3].item() == 2


def test_writing_from_the_host_does_not_overtake_kernels(device):
    x, value = torch.zeros(64, device=device), torch.full((64,), 7.0)
    torch.metal.synchronize()
    run_slowly(x)
    y = x.clone()
    x.copy_(value)  # goes through the stream: y must not see it
    value.fill_(0)  # the source may change at once
    assert y.cpu().tolist() == [2] * 64
    assert x.cpu().tolist() == [7] * 64


def test_fresh_memory_is_not_written_before_its_last_user_is_done(device):
    x = torch.zeros(64, device=device)
    torch.metal.synchronize()
    run_slowly(x)
    y = x.clone()
    del x
    z = torch.full((64,), 7.0).to(device)  # may reuse the memory of x, which the slow kernel still writes
    assert y.cpu().tolist() == [2] * 64
    assert z.cpu().tolist() == [7] * 64


def test_pinned_source_of_a_pending_copy_is_kept_alive(device):
    x = torch.zeros(64, device=device)
    torch.metal.synchronize()
    run_slowly(x)
    source = torch.full((64,), 3.0).pin_memory()
    y = source.to(device, non_blocking=True)
    del source
    torch.full((64,), 9.0).pin_memory()  # would reuse the memory if it were free
    assert y.cpu().tolist() == [3] * 64
