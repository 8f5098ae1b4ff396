"""Metal's own failures become PyTorch's exceptions, and what comes after them works.

The software device fails on purpose where it is told to (docs/software-device.md, Injected faults).
"""

import gc
import os
import re
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest
import torch
import torch.nn.functional as F

import torch_metal
from test.agreement import assert_close, sample
from test.slow_kernel import run_slowly
from torch_metal import native

# How a command buffer may end, the exception, and what its text says.
ENDS = {
    "internal": (torch.AcceleratorError, "metal: Internal Error"),
    "timeout": (torch.AcceleratorError, "GPU Timeout Error.*smaller pieces of work"),
    "page_fault": (torch.AcceleratorError, "GPU Address Fault Error.*TORCH_METAL_VALIDATE=1"),
    "access_revoked": (torch.AcceleratorError, "prior/excessive GPU errors.*start a new one"),
    "not_permitted": (torch.AcceleratorError, "Insufficient Permission"),
    "out_of_memory": (torch.OutOfMemoryError, "metal out of memory: Insufficient Memory.*smaller batches"),
    "invalid_resource": (torch.AcceleratorError, "Invalid Resource"),
    "memoryless": (torch.AcceleratorError, "Insufficient Memoryless Attachments"),
    "stack_overflow": (torch.AcceleratorError, "Stack Overflow.*more deeply than the GPU has stack"),
}

# What cannot be made while an operator is encoded.
NOT_MADE = {
    "new_command_buffer": (torch.AcceleratorError, "could not make a command buffer.*try again"),
    "new_encoder": (torch.AcceleratorError, "could not make an encoder of (kernels|copies)"),
    "new_buffer": (torch.OutOfMemoryError, "metal out of memory. Tried to allocate .* is allocated by PyTorch"),
}


@contextmanager
def faults(text: str):
    """Faults that happen within the block; at least one must."""
    native.inject_faults(text)
    try:
        yield
        assert native.injected_faults() > 0, "nothing has failed"
    finally:
        native.inject_faults("")


def backward_of_a_model(x: torch.Tensor) -> torch.Tensor:
    torch.manual_seed(0)
    weight, bias = (sample(*shape, seed=1).to(x.device).requires_grad_() for shape in ((16, x.shape[1]), (16,)))
    F.cross_entropy(torch.relu(F.linear(x, weight, bias)), torch.arange(len(x), device=x.device) % 16).backward()
    return weight.grad


def product_by(library: str):
    def product(x: torch.Tensor) -> torch.Tensor:
        with torch_metal.backends.prefer(matmul=library):
            return x @ x

    return product


def grown(x: torch.Tensor) -> torch.Tensor:
    """A copy between buffers."""
    y = x.clone()
    y.resize_(2 * x.shape[0], x.shape[1])
    return y[: x.shape[0]]


OPERATORS = {
    "elementwise": lambda x: x.sin() * 2 + x,
    "product by MSL": product_by("msl"),
    "product by MPSGraph": product_by("mps_graph"),
    "copy": lambda x: x.t().contiguous(),
    "copy between buffers": grown,
    "copy from the CPU": lambda x: x + x.cpu().to(x.device),
    "reduction": lambda x: x.sum(dim=0),
    "sort": lambda x: x.sort(dim=1).values,
    "backward": backward_of_a_model,
}


@pytest.fixture(autouse=True)
def nothing_is_left_behind():
    """After each test no memory is in use that was not before, and no fault is wanted."""
    torch.metal.synchronize()
    before = torch.metal.memory_allocated()
    yield
    native.inject_faults("")
    torch.metal.synchronize()
    if torch.metal.memory_allocated() > before:
        gc.collect()  # tracebacks of exceptions keep tensors in cycles
    assert torch.metal.memory_allocated() <= before


def check(operator, x: torch.Tensor) -> None:
    assert_close(operator(x.to("metal")), operator(x), rtol=1e-4, atol=1e-4)


def raised(error: type, text: str, operator, x: torch.Tensor) -> str:
    """The text of the exception that the operator, or the wait for it, raises."""
    with pytest.raises(error, match=re.compile(text, re.DOTALL)) as caught:
        operator(x)
        torch.metal.synchronize()
    return str(caught.value)


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("end", ENDS)
def test_a_failed_command_buffer_raises_and_the_next_ones_are_right(end, name):
    x = sample(48, 48)
    on_metal = x.to("metal")
    check(OPERATORS[name], x)
    with faults(f"command_buffer:1={end}"):
        raised(*ENDS[end], OPERATORS[name], on_metal)
    torch.metal.synchronize()  # raised once
    check(OPERATORS[name], x)
    with faults(f"command_buffer={end}"):
        raised(*ENDS[end], OPERATORS[name], on_metal)
    check(OPERATORS[name], x)


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("place", NOT_MADE)
def test_what_cannot_be_made_raises_and_can_be_made_later(place, name):
    x = sample(48, 48)
    on_metal = x.to("metal")
    with stream_without_memory():
        with faults(place):
            raised(*NOT_MADE[place], OPERATORS[name], on_metal)
        check(OPERATORS[name], x)


def stream_without_memory():
    """A stream for which the allocator holds no memory: what is allocated there needs a new buffer."""
    torch.metal.synchronize()
    torch.metal.empty_cache()
    return torch.metal.stream(torch.metal.Stream())


def gathered(x: torch.Tensor) -> torch.Tensor:
    """An operator whose kernel reports errors, for which each stream has a buffer."""
    return x[torch.arange(0, len(x), 2, device=x.device)]


@pytest.mark.parametrize("operator", [gathered, backward_of_a_model])
def test_any_buffer_may_be_missing(operator):
    """The first buffer that an operator needs, then the second, until it needs no more."""
    x = sample(48, 48)
    on_metal, expected = x.to("metal"), operator(x)
    for number in range(1, 50):
        with stream_without_memory():
            native.inject_faults(f"new_buffer:{number}+")
            try:
                result = operator(on_metal)
                break
            except torch.OutOfMemoryError as error:
                assert "metal out of memory" in str(error)
            finally:
                failed = native.injected_faults()
                native.inject_faults("")
    torch.metal.synchronize()
    assert failed == 0 and number > 1
    assert_close(result, expected, rtol=1e-4, atol=1e-4)


def test_memory_that_is_short_for_a_moment_is_waited_for():
    x = sample(48, 48)
    on_metal = x.to("metal")
    with stream_without_memory(), faults("new_buffer:1"):
        result = on_metal * 2
        torch.metal.synchronize()
    assert_close(result, x * 2)


def test_buffers_may_be_too_large():
    with faults("new_buffer>64M"), pytest.raises(torch.OutOfMemoryError, match="Tried to allocate 128.00 MiB"):
        torch.empty(128 << 20, dtype=torch.uint8, device="metal")
    with pytest.raises(AssertionError, match="nothing has failed"), faults("new_buffer>64M"):
        torch.empty(1 << 20, dtype=torch.uint8, device="metal")


SHADER = "kernel void fill(device float* x [[buffer(0)]], constant float& v [[buffer(1)]], " \
         "uint i [[thread_position_in_grid]]) {{ x[i] = v + {unique}; }}"


@pytest.mark.parametrize("place, text", [
    ("new_library", "Failed to compile Metal source:\nCompiler encountered an internal error"),
    ("new_function", "The Metal library has no kernel 'fill', or Metal cannot load it: Compiler encountered"),
    ("new_pipeline", "Failed to make the Metal kernel 'fill': Compiler encountered an internal error"),
])
def test_kernels_that_cannot_be_compiled_raise_and_can_be_later(place, text):
    x = torch.zeros(5, device="metal")
    source = SHADER.format(unique=list(ENDS).index("timeout"))
    with faults(place), pytest.raises(RuntimeError, match=text):
        torch_metal.compile_shader(source).fill(x, 2.0)
    torch_metal.compile_shader(source).fill(x, 2.0)
    assert x.tolist() == [3.0] * 5


@pytest.mark.parametrize("place", ["new_command_buffer", "new_encoder"])
def test_kernels_that_cannot_be_encoded_raise_as_operators_do(place):
    x = torch.zeros(5, device="metal")
    fill = torch_metal.compile_shader(SHADER.format(unique=0)).fill
    torch.metal.synchronize()
    with faults(place):
        raised(*NOT_MADE[place], lambda t: fill(t, 2.0), x)
    fill(x, 2.0)
    assert x.tolist() == [2.0] * 5


def test_graphs_that_cannot_be_compiled_raise_and_can_be_later():
    x = sample(37, 37)
    operator = product_by("mps_graph")
    kept = native.kept_graphs()
    with faults("new_graph"):
        raised(RuntimeError, "MPSGraph did not compile a graph.*matmul='msl'", operator, x.to("metal"))
    assert native.kept_graphs() == kept
    check(operator, x)


def test_memory_is_freed_where_a_graph_is_last_and_no_encoder_can_be_made():
    x, busy, other = sample(40, 40), torch.ones(1, device="metal"), torch.metal.Stream()
    on_metal = x.to("metal")
    run_slowly(busy, steps=5_000_000)  # so that what follows is not committed at once
    assert not torch.metal.current_stream().query()
    product = product_by("mps_graph")(on_metal)
    used_elsewhere = torch.empty(8, device="metal")
    used_elsewhere.record_stream(other)
    used_elsewhere.record_stream(torch.metal.current_stream())
    with faults("new_encoder"):
        del used_elsewhere
        torch.metal.synchronize()  # commits: the graph is waited for, as nothing else can order it
    assert_close(product + 1, x @ x + 1, rtol=1e-4, atol=1e-4)
    assert busy.item() == 2


def test_an_event_that_cannot_be_recorded_keeps_its_mark():
    x = torch.ones(8, device="metal")
    with faults("new_event"), pytest.raises(torch.AcceleratorError, match="could not make an event"):
        torch.metal.Event().record()
    event = torch.metal.Event()
    event.record()
    x += 1
    torch.metal.synchronize()
    with faults("new_command_buffer"), pytest.raises(torch.AcceleratorError, match="could not make a command buffer"):
        event.record()
    assert event.query()
    event.synchronize()
    event.record()
    event.synchronize()
    assert event.query() and x.tolist() == [2.0] * 8


@pytest.mark.parametrize("text, error", [
    ("command_buffer=timeout", torch.AcceleratorError),
    ("new_command_buffer", torch.AcceleratorError),
    ("new_buffer", torch.OutOfMemoryError),
])
def test_a_fault_in_the_backward_thread_reaches_the_caller(text, error):
    w = sample(2000, 1500)  # too large to share a buffer with another tensor
    weight = w.to("metal").requires_grad_()
    with stream_without_memory():
        loss = (weight * weight).sin().sum()
        torch.metal.synchronize()
        torch.metal.empty_cache()
        with faults(text), pytest.raises(error):
            loss.backward()
            torch.metal.synchronize()
        weight.grad = None
        (weight * weight).sin().sum().backward()
        assert_close(weight.grad, 2 * w * (w * w).cos(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("text", ["command_buffer:15=page_fault", "new_command_buffer:15", "new_encoder:15"])
def test_of_two_threads_one_fails_and_the_other_is_right(text):
    outcomes = []

    def work(i):
        x = sample(40, 40, seed=i)
        try:
            with torch.metal.stream(streams[i]):
                for _ in range(20):
                    check(lambda t: (t @ t).sin() + t, x)
            outcomes.append("right")
        except torch.AcceleratorError as error:
            outcomes.append(str(error))

    streams = [torch.metal.Stream(), torch.metal.Stream()]
    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    with faults(text):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in threads)
    assert len(outcomes) == 2 and outcomes.count("right") == 1, outcomes
    torch.metal.synchronize()


def test_profiles_of_failed_work_say_so():
    x = sample(20, 20).to("metal")
    with faults("command_buffer=timeout"), pytest.raises(torch.AcceleratorError):
        with torch_metal.profiler.profile() as profile:
            x * 2
        torch.metal.synchronize()
    assert [("Timeout" in kernel.error) for kernel in profile.kernels] == [True]


@pytest.mark.parametrize("text, why", [
    ("new_bufer", "'new_bufer' is none of open_device, new_command_queue"),
    ("command_buffer", "ends in a failure"),
    ("command_buffer=broken", "'broken' is none of internal, timeout"),
    ("new_buffer=timeout", "ends in a failure"),
    ("new_library>1M", "only new_buffer has a size"),
    ("new_buffer:x", "a number is missing"),
    ("new_buffer:1 new_event", "a comma is missing"),
])
def test_faults_that_make_no_sense_are_refused(text, why):
    with pytest.raises(ValueError, match=re.escape(why)):
        native.inject_faults(text)


def run_program(program: str, wanted: str) -> list[str]:
    """The lines that a Python program prints with these faults from the start. It ends by itself, without error."""
    environment = {**os.environ, "TORCH_METAL_FAULTS": wanted}
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


FIRST_USE = """
import torch
from torch_metal import native
for attempt in range(20):
    try:
        print((torch.arange(6, device="metal") * 7)[torch.tensor([5, 2], device="metal")].tolist())
        break
    except RuntimeError as error:
        print(type(error).__name__, str(error).splitlines())
print(native.injected_faults(), torch.ones(2).tolist())
"""


def test_each_step_of_the_first_use_may_fail_and_be_tried_again():
    places = ["open_device", "new_command_queue", "new_residency_set", "new_command_buffer", "new_encoder",
              "new_library", "new_function", "new_pipeline"]
    *errors, result, rest = run_program(FIRST_USE, ",".join(f"{place}:1" for place in places))
    assert result == "[35, 14]" and rest == f"{len(places)} [1.0, 1.0]"
    assert len(errors) == len(places)
    for text in ("could not be opened", "make a command queue", "no residency set", "make a command buffer",
                 "make an encoder", "Failed to compile", "has no kernel", "Failed to make the Metal kernel"):
        assert sum(text in error for error in errors) == 1, (text, errors)


FIRST_BUFFERS = """
import torch
from torch.nn.functional import embedding_bag
from torch_metal import native
for number in range(1, 50):
    torch.metal.empty_cache()
    native.inject_faults(f"new_buffer:{number}+")
    try:
        print(embedding_bag(torch.tensor([[0, 2]], device="metal"), torch.ones(3, 3, device="metal")).tolist())
        break
    except torch.OutOfMemoryError as error:
        print(error)
"""


def test_buffers_that_the_runtime_keeps_may_be_missing_at_first():
    *errors, result = run_program(FIRST_BUFFERS, "")
    assert result == "[[1.0, 1.0, 1.0]]"
    assert [error.split(". ")[0] for error in errors[1:]] == [
        "metal out of memory: no 15364 bytes for the error buffer of '_embedding_bag_forward_only'",
        "metal out of memory: no 256 bytes for arguments without memory",
    ]


NO_DEVICE = """
import torch
for _ in range(2):
    try:
        torch.empty(2, device="metal")
    except RuntimeError as error:
        print(type(error).__name__, error)
print((torch.ones(2) + 1).tolist())
"""


def test_without_a_device_the_error_says_so_and_the_cpu_works():
    first, second, cpu = run_program(NO_DEVICE, "open_device")
    assert first == second == "RuntimeError The software Metal device could not be opened"
    assert cpu == "[2.0, 2.0]"


WAITING_FOR_FAILED_WORK = """
import torch
from torch_metal import native
x, stream, event = torch.ones(2, device="metal"), torch.metal.Stream(), torch.metal.Event()
torch.metal.synchronize()
native.inject_faults("command_buffer:1=timeout")
event.record(stream)  # a command buffer of its own, which fails and signals nothing
event.wait()
y = x * 3
torch.metal.current_stream().synchronize()
print(y.tolist())
try:
    event.synchronize()
except torch.AcceleratorError as error:
    print(error)
"""


def test_streams_that_wait_for_failed_work_go_on():
    result, error = run_program(WAITING_FOR_FAILED_WORK, "")
    assert result == "[3.0, 3.0]" and "Timeout" in error


REMOVED = """
import torch
import torch_metal
from torch_metal import native
x = torch.arange(4.0, device="metal", requires_grad=True)
loss, event, stream = (x * x).sum(), torch.metal.Event(), torch.metal.Stream()
event.record()
torch.metal.synchronize()
native.inject_faults("command_buffer:1=device_removed")
y = x.detach() + 1
actions = dict(
    synchronize=torch.metal.synchronize,
    cpu=y.cpu,
    item=lambda: y.sum().item(),
    kernel=lambda: x + 1,
    backward=loss.backward,
    allocate=lambda: torch.empty(64 << 20, device="metal"),
    small=lambda: torch.zeros(3, device="metal"),
    event=event.record,
    wait=event.synchronize,
    stream=lambda: stream.__enter__() and x + 1,
    upload=lambda: torch.ones(3).to("metal") + 1,
    shader=lambda: torch_metal.compile_shader("kernel void f() {}"),
    properties=torch.metal.get_device_properties,
    graph=lambda: torch.mm(*[torch.ones(256, 256, device="metal")] * 2),
    free=torch.metal.mem_get_info,
    print=lambda: repr(y),
)
for name, action in actions.items():
    try:
        action()
        print(name, "no error")
    except torch.AcceleratorError as error:
        print(name, error)
del y, loss
torch.metal.empty_cache()
print(torch.metal.memory_allocated() > 0, torch.ones(2).tolist())
"""


def test_a_removed_device_is_named_by_every_call_and_the_process_ends_well():
    *calls, last = run_program(REMOVED, "")
    assert len(calls) == 16
    assert [call for call in calls if not re.match(r"\w+ metal: the device was removed.*start a new one", call)] == []
    assert last == "True [1.0, 1.0]"
