"""The device itself: its name, index, properties, and what PyTorch's generic code asks of it."""

import copy
import os
import pickle
import re
import subprocess
import sys

import pytest
import torch


def test_tensor_is_on_the_device(device):
    x = torch.empty(3, device=device)
    assert x.device == torch.device("metal", 0)
    assert x.is_metal and not torch.empty(3).is_metal


def test_index_other_than_0_is_refused(device):
    with pytest.raises(RuntimeError, match="metal:1.*one Metal device"):
        torch.empty(3, device="metal:1")
    with pytest.raises(RuntimeError, match="metal:1"):
        torch.metal.set_device(1)


def test_accelerator_is_metal():
    assert torch.accelerator.is_available()
    assert torch.accelerator.current_accelerator().type == "metal"
    assert torch.accelerator.device_count() == 1
    assert torch.accelerator.current_device_index() == 0
    torch.accelerator.set_device_index(0)
    torch.accelerator.synchronize()


VARIABLES = {
    "the_other_device": ("TORCH_METAL_DEVICE", "apple", "TORCH_METAL_DEVICE=apple, but this build .* software device"),
    "no_device": ("TORCH_METAL_DEVICE", "cuda", "TORCH_METAL_DEVICE is 'cuda'; it may be auto, software or apple"),
    "no_number": ("TORCH_METAL_BATCH_OPERATIONS", "many", "TORCH_METAL_BATCH_OPERATIONS is 'many'; .* whole number"),
    "nothing": ("TORCH_METAL_BATCH_MB", "0", "TORCH_METAL_BATCH_MB is '0'; .* from 1"),
}


@pytest.mark.software
@pytest.mark.parametrize("name", VARIABLES)
def test_what_the_environment_asks_for_in_vain_is_named_and_the_cpu_works(name):
    variable, value, message = VARIABLES[name]
    program = "import torch; print(torch.ones(3).sum().item()); torch.ones(3, device='metal') + 1"
    environment = {**os.environ, variable: value}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == "3.0\n"
    assert re.search(message, done.stderr), done.stderr


@pytest.mark.parametrize("operations", [1, 1000])
def test_results_do_not_depend_on_how_work_is_batched(operations):
    program = "import torch; x = torch.ones(9, device='metal')\nfor i in range(99): x = x * 2 - i\nprint(x.tolist())"
    environment = {**os.environ, "TORCH_METAL_BATCH_OPERATIONS": str(operations), "TORCH_METAL_BATCH_MB": "1"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    x = torch.ones(9)
    for i in range(99):
        x = x * 2 - i
    assert done.stdout == f"{x.tolist()}\n", done.stderr


def test_properties_tell_name_and_limits():
    properties = torch.metal.get_device_properties()
    assert properties.name and properties.name == torch.metal.get_device_name()
    assert properties.total_memory > 0
    assert properties.max_threads_per_threadgroup == 1024
    assert torch.float16 in torch.metal.get_device_capability()["supported_dtypes"]


def test_metal_methods_move_tensors_modules_and_storages():
    x = torch.arange(4.0)
    assert torch.equal(x.metal().cpu(), x)
    assert torch.nn.Linear(2, 2).metal().weight.is_metal
    assert x.untyped_storage().metal().device.type == "metal"


def test_device_context_selects_factories():
    with torch.device("metal"):
        assert torch.empty(2).is_metal
    with torch.metal.device(0):
        assert torch.metal.current_device() == 0


def test_deepcopy_and_pickle_keep_the_device(device):
    x = torch.arange(6.0).to(device).view(2, 3)
    for y in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert y.is_metal and y.data_ptr() != x.data_ptr()
        assert torch.equal(y.cpu(), x.cpu())


def test_printing_shows_values_and_device(device):
    assert repr(torch.tensor([1.0, 2.5]).to(device)) == "tensor([1.0000, 2.5000], device='metal:0')"
    assert repr(torch.tensor([], device=device)) == "tensor([], device='metal:0')"


def test_numpy_is_refused_as_on_other_devices(device):
    with pytest.raises(TypeError, match="can't convert metal:0 device type tensor to numpy"):
        torch.empty(2, device=device).numpy()


def test_report_names_device_cache_limits_and_routes():
    report = subprocess.run([sys.executable, "-m", "torch_metal"], capture_output=True, text=True, check=True).stdout
    for word in ("metal:0", "torch_metal", "cache", "memory", "routes", "TORCH_METAL_CACHE_DIR"):
        assert word in report
