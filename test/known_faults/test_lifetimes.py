"""Memory and time: sources that die before an asynchronous copy has run, threads, memory that must not grow."""

import gc

import pytest
import torch
import torch.nn.functional as F

from test.agreement import sample
from test.in_threads import run_in_threads
from test.slow_kernel import run_slowly

MIB = 2**20


@pytest.mark.parametrize("pinned", [False, True])
def test_a_non_blocking_copy_to_the_device_outlives_its_source(pinned, device):
    busy, targets = torch.zeros(64, device=device), []
    run_slowly(busy)
    for i in range(20):
        source = torch.full((50_000,), float(i))
        source = source.pin_memory() if pinned else source
        targets.append(torch.empty(50_000, device=device).copy_(source, non_blocking=True))
        del source
        noise = torch.full((50_000,), -1.0)  # takes the place of the source
        noise = noise.pin_memory() if pinned else noise
    assert busy[0].item() == 2
    for i, target in enumerate(targets):
        assert torch.equal(target.cpu(), torch.full((50_000,), float(i)))


def test_a_non_blocking_copy_takes_what_the_source_held_when_it_was_called(device):
    busy, source = torch.zeros(64, device=device), torch.ones(10_000)
    run_slowly(busy)
    target = source.to(device, non_blocking=True)
    source.fill_(5)
    assert torch.equal(target.cpu(), torch.ones(10_000))


def test_a_non_blocking_copy_to_the_host_outlives_its_source(device):
    busy = torch.zeros(64, device=device)
    run_slowly(busy)
    source = busy.repeat(1000)
    target = torch.empty(64_000, pin_memory=True).copy_(source, non_blocking=True)
    del source, busy
    overwritten = torch.full((64_000,), -1.0, device=device)
    torch.metal.synchronize()
    assert torch.equal(target, torch.full((64_000,), 2.0)) and overwritten[0] == -1


def test_a_non_blocking_copy_to_pageable_memory_is_complete_when_it_returns(device):
    busy = torch.zeros(64, device=device)
    run_slowly(busy)
    assert torch.equal(busy.to("cpu", non_blocking=True), torch.full((64,), 2.0))


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def use_operators(i, device):
    """A few operators of each kind, on shapes that no other i has."""
    rows, columns = 1 + i % 101, 1 + i // 101
    x = torch.ones(rows, columns, device=device)
    y = (x + x[:1]).t().contiguous()
    y.sum(0), y.softmax(1), y @ x, y[:, ::2] * 2, torch.cat((y, y)), y[:, :1].expand_as(y).clone()
    F.layer_norm(x, (columns,)), y.argmax(0), y.sort(0), y.cumsum(1), x.index_select(0, x[:1, 0].long() * 0)
    return y


@pytest.mark.software  # reads /proc
def test_memory_stays_flat_over_10_000_shapes(device):
    # First what all shapes share is loaded. One kernel, graph or command buffer for each shape would be megabytes.
    for i in (*range(2000), *range(11_900, 12_000)):
        use_operators(i, device)
    torch.metal.synchronize()
    gc.collect()
    resident, allocated, reserved = resident_bytes(), torch.metal.memory_allocated(), torch.metal.memory_reserved()
    for i in range(2000, 12_000):
        use_operators(i, device)
    torch.metal.synchronize()
    gc.collect()
    assert torch.metal.memory_allocated() == allocated
    assert torch.metal.memory_reserved() <= reserved + 8 * MIB
    assert resident_bytes() <= resident + 8 * MIB


def test_two_threads_use_one_operator_and_one_kernel_cache_at_once(device):
    def work(seed):
        for i in range(60):
            x = sample(3 + i, 5 + seed, seed=seed)
            y = x.to(device)
            torch.testing.assert_close(
                [(y @ y.t()).cpu(), y.softmax(1).cpu(), y.sort(1).values.cpu(), y[y > 0].cpu()],
                [x @ x.t(), x.softmax(1), x.sort(1).values, x[x > 0]],
            )

    run_in_threads(work)


def test_two_threads_read_what_they_wrote_on_streams_of_their_own(device):
    def work(thread):
        value = (1, 1000)[thread]
        with torch.metal.stream(torch.metal.Stream()):
            for i in range(100):
                x = torch.full((10_000,), float(value), device=device).add_(i)
                assert x.sum().item() == 10_000 * (value + i)

    run_in_threads(work)
