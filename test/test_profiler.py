"""Profiles show each kernel that ran, once, with its time, bytes, flops and operator; torch.profiler shows the same."""

import json
import subprocess
import sys
import time

import pytest
import torch
import torch.nn.functional as F
from torch.profiler import ProfilerActivity

import torch_metal
from test.in_threads import run_in_threads
from test.slow_kernel import run_slowly
from torch_metal.profiler import profile

BOTH = [ProfilerActivity.CPU, ProfilerActivity.PrivateUse1]


@pytest.fixture
def x(device):
    """64 x 64 floats, with no work under way."""
    x = torch.rand(64, 64).to(device)
    x + x, x @ x, x.sum()
    torch.metal.synchronize()
    return x


def operators(p):
    return [kernel.operator for kernel in p.kernels]


def test_every_kernel_is_recorded_once_in_order(x):
    with profile() as p:
        for _ in range(70):  # more than fit a command buffer
            y = x + x
        z = y.exp()
    assert operators(p) == ["aten::add"] * 70 + ["aten::exp"]
    torch.testing.assert_close(z.cpu(), (2 * x.cpu()).exp())


def test_times_are_ordered_and_within_the_time_of_day(x):
    begin = time.time_ns()
    with profile() as p:
        for _ in range(20):
            x + x
    wall_us = (time.time_ns() - begin) / 1e3
    assert 0 < p.duration_us <= wall_us
    clocks = 500  # us by which the device's clock and the host's may be read apart on a busy machine
    for before, after in zip(p.kernels, p.kernels[1:], strict=False):
        assert after.start_us >= before.start_us + before.duration_us
    for kernel in p.kernels:
        assert kernel.duration_us > 0
        assert kernel.start_us + clocks >= kernel.encoded_us >= 0
        assert kernel.start_us + kernel.duration_us <= p.duration_us + clocks


def test_a_slow_kernel_takes_the_time_that_it_takes(x):
    y = torch.zeros(32, device=x.device)
    torch.metal.synchronize()
    begin = time.perf_counter()
    with profile() as p:
        run_slowly(y)
    wall_us = 1e6 * (time.perf_counter() - begin)
    assert wall_us / 5 < p.kernels[0].duration_us < wall_us
    assert p.kernels[0].name == "slow" and p.kernels[0].operator == ""


def test_bytes_are_those_of_the_tensors(x):
    y = x.clone()
    row = y[:1].expand(64, 64)
    torch.metal.synchronize()
    with profile() as p:
        x + y
        x + x
        x.mul_(y)
        x[:, ::2] + 1
        x + row
        x.clone()
    whole = 64 * 64 * 4
    assert [kernel.bytes for kernel in p.kernels] == [n * whole for n in (3, 2, 3, 1)] + [2 * whole + 64 * 4, 2 * whole]


def test_grid_and_threadgroup_are_in_threads(x):
    with profile() as p:
        x + x
    (kernel,) = p.kernels
    assert kernel.grid == (64 * 64, 1, 1)
    assert kernel.threadgroup[0] > 0 and "add" in kernel.name


def test_flops_are_pytorchs_figures(x):
    image, weight = torch.rand(2, 3, 8, 8, device=x.device), torch.rand(4, 3, 3, 3, device=x.device)
    bias = torch.rand(64, device=x.device)
    calls = {
        "aten::mm": lambda: x @ x,
        "aten::addmm": lambda: torch.addmm(bias, x, x),
        "aten::bmm": lambda: torch.bmm(x[None], x[None]),
        "aten::convolution_overrideable": lambda: F.conv2d(image, weight),
    }
    product = 2 * 64**3
    expected = dict.fromkeys(calls, product) | {"aten::convolution_overrideable": 2 * (2 * 4 * 6 * 6) * 3 * 3 * 3}
    for name, call in calls.items():
        with profile() as p:
            call()
        (row,) = [row for row in p.key_averages() if row.name == name]
        assert (row.calls, row.flops) == (1, expected[name])
        assert row.gflop_per_s == pytest.approx(row.flops / row.total_us / 1e3)


def test_gradients_of_convolutions_have_flops(x):
    image = torch.rand(2, 3, 8, 8, device=x.device, requires_grad=True)
    weight = torch.rand(4, 3, 3, 3, device=x.device, requires_grad=True)
    out = F.conv2d(image, weight)
    gradient = torch.ones_like(out)
    with profile() as p:
        out.backward(gradient)
    (row,) = [row for row in p.key_averages() if "convolution_backward" in row.name]
    assert row.flops == 2 * 2 * (2 * 4 * 6 * 6) * 3 * 3 * 3


def test_what_has_no_formula_has_no_flops(x):
    with profile() as p:
        x + x
    assert p.kernels[0].flops is None
    assert p.key_averages()[0].flops is None and p.key_averages()[0].gflop_per_s is None


def test_summaries_add_up(x):
    with profile() as p:
        for _ in range(3):
            x + x
        x.sum()
    total = sum(kernel.duration_us for kernel in p.kernels)
    for by in ("operator", "kernel"):
        rows = p.key_averages(by)
        assert sum(row.total_us for row in rows) == pytest.approx(total)
        assert sum(row.share for row in rows) == pytest.approx(1)
        assert sum(row.kernels for row in rows) == len(p.kernels)
        assert [row.total_us for row in rows] == sorted((row.total_us for row in rows), reverse=True)
    by_operator = {row.name: row for row in p.key_averages()}
    assert by_operator["aten::add"].calls == 3 and by_operator["aten::sum"].calls == 1
    assert "aten::add" in p.table() and "add" in p.table("kernel")
    with pytest.raises(ValueError, match="operator"):
        p.key_averages("stream")


def test_the_table_can_be_cut(x):
    with profile() as p:
        x + x
        x.exp()
        x.sum()
    assert "... and 2 more" in p.table(row_limit=1)


def test_nothing_is_recorded_when_off(x):
    with profile() as p:
        x + x
    before = list(p.kernels)
    x.exp()
    torch.metal.synchronize()
    assert p.kernels == before
    with profile() as empty:
        pass
    assert empty.kernels == [] and empty.key_averages() == []
    assert "0 kernels" in empty.table()


def test_work_that_was_encoded_before_is_not_recorded(x):
    run_slowly(x)
    x.exp()
    with profile() as p:
        x + x
    assert operators(p) == ["aten::add"]


def test_a_trace_has_a_track_for_each_stream(x, tmp_path):
    side = torch.metal.Stream()
    with profile() as p:
        x + x
        with side:
            x.exp()
    p.export_chrome_trace(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    kernels = [event for event in events if event.get("cat") == "kernel"]
    assert [event["tid"] for event in kernels] == [0, side.stream_id]
    assert [event["args"]["operator"] for event in kernels] == ["aten::add", "aten::exp"]
    assert all(event["ph"] == "X" and event["dur"] > 0 for event in kernels)
    tracks = {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e["name"] == "thread_name"}
    for event in kernels:
        assert tracks[event["pid"], event["tid"]] == f"stream {event['tid']}"
    hosts = [event for event in events if event.get("cat") == "operator"]
    assert [event["name"] for event in hosts] == ["aten::add", "aten::exp"]
    assert all((event["pid"], event["tid"]) in tracks for event in hosts)
    starts, ends = ([e["id"] for e in events if e["ph"] == phase] for phase in "sf")
    assert starts == ends == [0, 1]


def test_waiting_for_another_stream_is_not_a_kernels_time(x):
    first, second = torch.metal.Stream(), torch.metal.Stream()
    y, z = torch.zeros(2, 32, device=x.device)
    torch.metal.synchronize()
    with profile() as p:
        with first:
            run_slowly(y)
        with second:
            run_slowly(z, steps=5_000_000)  # so that the next kernel is not handed over for want of work
            x.exp()
            second.wait_stream(first)
            y.clone()
    slow, _, exp, clone = p.kernels
    end_of_slow = slow.start_us + slow.duration_us
    assert exp.start_us + exp.duration_us < end_of_slow <= clone.start_us


def test_an_exception_in_the_block_ends_the_profile(x):
    p = profile()
    with pytest.raises(KeyError), p:
        x + x
        raise KeyError
    assert operators(p) == ["aten::add"]
    with profile() as q:
        x.exp()
    assert operators(q) == ["aten::exp"]


def test_a_failed_operator_leaves_no_kernel(x):
    with profile() as p:
        with pytest.raises(RuntimeError, match="same device"):
            x + torch.ones(64, 64)
        x.exp()
    assert operators(p) == ["aten::exp"]


def test_profiles_nest_and_overlap(x):
    outer, inner = profile(), profile()
    outer.start()
    x + x
    inner.start()
    x.exp()
    outer.stop()
    x.sin()
    inner.stop()
    assert operators(outer) == ["aten::add", "aten::exp"]
    assert operators(inner) == ["aten::exp", "aten::sin"]


def test_kernels_of_all_threads_are_recorded(x):
    def work(i):
        for _ in range(25):
            x.exp() if i else x + x

    with profile() as p:
        run_in_threads(work, 2)
    assert sorted(operators(p)) == ["aten::add"] * 25 + ["aten::exp"] * 25
    threads = {operator: {k.thread for k in p.kernels if k.operator == operator} for operator in set(operators(p))}
    assert all(len(some) == 1 for some in threads.values()) and len(set.union(*threads.values())) == 2


def test_two_threads_may_profile_at_once(x):
    def work(i):
        with profile() as p:
            for _ in range(10):
                x.exp() if i else x + x
        assert operators(p).count("aten::exp" if i else "aten::add") == 10

    run_in_threads(work, 2)


def test_kernels_of_the_backward_pass_know_their_operators(x):
    w = torch.rand(64, 64, device=x.device, requires_grad=True)
    with profile() as p:
        (x @ w).sum().backward()
    assert "aten::mm" in operators(p) and all(operators(p))


def test_a_kernel_that_is_stopped_is_recorded_with_its_error(x):
    library = torch_metal.compile_shader(
        "kernel void far(device float* x, constant ulong& i) { x[i] = 1; }"  # no process has as much memory
    )
    with profile() as p:
        library.far(x, 1 << 45, threads=1)
        x + x
    far, add = p.kernels
    assert (far.name, add.operator) == ("far", "aten::add")
    assert "far" in far.error and add.error == "" and far.duration_us >= 0
    with pytest.raises(torch.AcceleratorError, match="far"):
        torch.metal.synchronize()


def test_a_profile_says_when_it_is_misused(x):
    p = profile()
    with pytest.raises(RuntimeError, match="not been started"):
        p.stop()
    with pytest.raises(RuntimeError, match="not been stopped"):
        p.table()
    with p, pytest.raises(RuntimeError, match="has been started"):
        p.start()
    with p:  # again, from the beginning
        x + x
    assert operators(p) == ["aten::add"]


def test_a_profile_that_is_forgotten_ends(x):
    p = profile()
    p.start()
    del p
    x + x
    with profile() as q:
        x.exp()
    assert operators(q) == ["aten::exp"]


def test_a_script_can_be_profiled(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, torch\n"
        "x = torch.ones(8, device='metal')\n"
        "print((x + x).sum().item(), sys.argv[1:])\n"
        "raise SystemExit(3)\n"
    )
    command = [sys.executable, "-m", "torch_metal", "profile", "--trace", tmp_path / "t.json", script, "--rows", "7"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 3, done.stderr
    assert "16.0 ['--rows', '7']" in done.stdout and "aten::add" in done.stdout
    assert json.loads((tmp_path / "t.json").read_text())["traceEvents"]


# torch.profiler


def test_torch_profiler_has_every_kernel_below_its_operator(x):
    with torch.profiler.profile(activities=BOTH) as p:
        for _ in range(5):
            x + x
        x @ x
    device = [event for event in p.events() if event.device_type == torch.autograd.DeviceType.PrivateUse1]
    assert len([event for event in device if "add" in event.name]) == 5
    assert all(event.time_range.elapsed_us() > 0 for event in device)
    averages = {row.key: row for row in p.key_averages()}
    adding = sum(event.time_range.elapsed_us() for event in device if "add" in event.name)
    assert averages["aten::add"].self_device_time_total == pytest.approx(adding, rel=0.01)
    assert averages["aten::mm"].device_time_total > 0
    assert "METAL" in p.key_averages().table().upper()


def test_torch_profilers_trace_has_kernels_with_their_bytes_and_grids(x, tmp_path):
    with torch.profiler.profile(activities=BOTH) as p:
        x + x
    path = str(tmp_path / "trace.json")
    p.export_chrome_trace(path)
    with open(path) as file:
        events = json.load(file)["traceEvents"]
    (kernel,) = [event for event in events if event.get("cat") == "kernel"]
    assert kernel["args"]["bytes"] == 2 * 64 * 64 * 4 and kernel["args"]["grid"] == [64 * 64, 1, 1]
    assert kernel["args"]["stream"] == 0 and kernel["dur"] > 0
    (launch,) = [event for event in events if event.get("cat") == "privateuse1_runtime"]
    operator = next(event for event in events if event.get("name") == "aten::add")
    assert operator["ts"] <= launch["ts"] <= operator["ts"] + operator["dur"]


def test_torch_profiler_of_the_cpu_alone_records_no_kernel(x):
    with torch.profiler.profile(activities=[ProfilerActivity.CPU]) as p:
        x + x
    assert all(event.device_type == torch.autograd.DeviceType.CPU for event in p.events())


def test_torch_profiler_and_a_profile_see_the_same_kernels(x):
    with torch.profiler.profile(activities=BOTH) as theirs, profile() as ours:
        x + x
        x.exp()
    names = [e.name for e in theirs.events() if e.device_type == torch.autograd.DeviceType.PrivateUse1]
    assert names == [kernel.name for kernel in ours.kernels]


def test_the_profiler_of_autograd_takes_metal(x):
    with torch.autograd.profiler.profile(use_device="metal", use_kineto=True) as p:
        with torch.autograd.profiler.record_function("step"):
            x + x
    rows = {row.key: row for row in p.key_averages()}
    assert rows["aten::add"].device_time_total > 0 and rows["step"].count == 1
    assert rows["step"].device_time_total >= rows["aten::add"].self_device_time_total


def test_operators_are_timed_without_kineto(x):
    with torch.autograd.profiler.profile(use_device="metal") as p:
        run_slowly(x, steps=1_000_000)
        x.exp()
    assert {row.key: row for row in p.key_averages()}["aten::exp"].device_time_total >= 0
    assert [event for event in p.function_events if event.kernels]


@pytest.mark.filterwarnings("ignore:Warning. Profiler clears events")
def test_a_schedule_of_torch_profiler_has_the_kernels_of_its_cycles(x):
    cycles = []
    schedule = torch.profiler.schedule(wait=1, warmup=1, active=2, repeat=2)
    with torch.profiler.profile(
        activities=BOTH, schedule=schedule, on_trace_ready=lambda p: cycles.append(p.events())
    ) as p:
        for _ in range(8):
            x.exp()
            p.step()
    assert [sum("exp" in e.name and e.name != "aten::exp" for e in events) for events in cycles] == [2, 2]


def test_every_stream_goes_on_while_one_profile_ends(x):
    def work(i):
        for _ in range(20):
            with profile() as p:
                x.exp() if i else x + x
            assert ("aten::exp" if i else "aten::add") in operators(p)

    run_in_threads(work, 3)


def test_torch_profiler_knows_the_memory_of_operators(x):
    with torch.profiler.profile(activities=BOTH, profile_memory=True) as p:
        y = torch.empty(1024, 1024, device=x.device)
        del y
    rows = {row.key: row for row in p.key_averages()}
    assert rows["aten::empty"].self_device_memory_usage == 4 << 20
    assert rows["[memory]"].self_device_memory_usage == -4 << 20


def test_the_software_device_says_that_it_cannot_capture(tmp_path):
    with pytest.raises(RuntimeError, match="no GPU capture; torch_metal.profiler"):
        with torch_metal.profiler.metal_capture(tmp_path / "trace.gputrace"):
            pass
