"""Several Python threads use the device at once, and order holds between asynchronous work and reads."""

import os
import threading
import time

import pytest
import torch

import torch_metal
from test.in_threads import run_in_threads


def test_two_threads_compute_independently(device):
    def work(i):
        generator = torch.Generator().manual_seed(i)
        for _ in range(20):
            a, b = torch.randn(33, 17, generator=generator), torch.randn(17, 9, generator=generator)
            torch.testing.assert_close((a.to(device) @ b.to(device)).relu().sum(0).cpu(), (a @ b).relu().sum(0))

    run_in_threads(work, 2)


def test_two_threads_train_each_their_own_model(device):
    def losses(seed, device):
        generator = torch.Generator().manual_seed(seed)
        x, y = torch.randn(32, 5, generator=generator), torch.randn(32, 1, generator=generator)
        w = torch.zeros(5, 1, device=device, requires_grad=True)
        x, y = x.to(device), y.to(device)
        result = []
        for _ in range(10):
            loss = ((x @ w - y) ** 2).mean()
            (gradient,) = torch.autograd.grad(loss, w)
            w = (w - 0.1 * gradient).detach().requires_grad_()
            result.append(loss.detach())
        return torch.stack(result).cpu()

    run_in_threads(lambda i: torch.testing.assert_close(losses(i, device), losses(i, "cpu")))


SLOW = """
#include <metal_stdlib>
using namespace metal;
// A long dependent chain: nothing shortens it, so the host is far ahead when it reads.
kernel void slow(device float* x [[buffer(0)]], constant uint& steps [[buffer(1)]],
                 uint i [[thread_position_in_grid]]) {
  float v = x[i];
  for (uint s = 0; s < steps; s++) v = fma(v, 0.5f, 1.0f);
  x[i] = v;
}
"""


def test_a_read_waits_for_the_kernel_that_writes(device):
    slow = torch_metal.compile_shader(SLOW).slow
    x = torch.zeros(64, device=device)
    slow(x, 20_000_000)
    assert x[5].item() == 2.0


def test_a_slow_kernel_returns_before_it_ends(device):
    slow = torch_metal.compile_shader(SLOW).slow
    x = torch.zeros(64, device=device)
    slow(x, 50_000_000)
    event = torch.Event("metal")
    event.record()
    assert not event.query()
    event.synchronize()
    assert event.query()
    assert torch.equal(x.cpu(), torch.full((64,), 2.0))


def test_an_operator_after_a_slow_kernel_sees_its_result(device):
    slow = torch_metal.compile_shader(SLOW).slow
    x = torch.zeros(64, device=device)
    slow(x, 20_000_000)
    y = x * 3
    x.zero_()
    assert torch.equal(y.cpu(), torch.full((64,), 6.0))
    assert torch.equal(x.cpu(), torch.zeros(64))


def test_other_threads_run_while_one_waits_for_the_device(device):
    slow = torch_metal.compile_shader(SLOW).slow
    slow(torch.zeros(64, device=device), 50_000_000)
    done, seen = threading.Event(), []

    def watch():
        while not done.is_set():
            seen.append(time.monotonic())

    thread = threading.Thread(target=watch)
    thread.start()
    start = time.monotonic()
    torch.metal.synchronize()
    end = time.monotonic()
    done.set()
    thread.join()
    assert any(start + 0.3 * (end - start) < at < start + 0.7 * (end - start) for at in seen)


# Each threadgroup counts itself in and looks for a while whether another is at work.
MEETING = """
#include <metal_stdlib>
using namespace metal;
kernel void meet(device atomic_uint* present [[buffer(0)]], device uint* met [[buffer(1)]],
                 uint group [[threadgroup_position_in_grid]], uint thread_index [[thread_index_in_threadgroup]]) {
  if (thread_index != 0) return;
  atomic_fetch_add_explicit(present, 1, memory_order_relaxed);
  bool seen = false;
  for (uint i = 0; i < 2000000 && !seen; ++i) seen = atomic_load_explicit(present, memory_order_relaxed) > 1;
  met[group] = seen;
  atomic_fetch_sub_explicit(present, 1, memory_order_relaxed);
}
"""


@pytest.mark.software
def test_the_number_of_threads_may_be_changed_while_the_device_is_in_use(device):
    meet = torch_metal.compile_shader(MEETING).meet

    def do_threadgroups_meet(threads):
        torch.set_num_threads(threads)
        present, met = (torch.zeros(n, dtype=torch.int32, device=device) for n in (1, 64))
        meet(present, met, threads=64 * 32, group_size=32)
        while not torch.metal.current_stream().query():
            os.sched_yield()  # who waits would do the work; this leaves it to the device's own thread
        return met.sum().item() > 0

    before = torch.get_num_threads()
    try:
        assert [do_threadgroups_meet(threads) for threads in (1, 2, 1, 2)] == [False, True, False, True]
    finally:
        torch.set_num_threads(before)
