"""Mistakes give the errors that PyTorch users know, and the process lives on."""

import multiprocessing

import pytest
import torch


def alive(device):
    return torch.full((3,), 2.0, device=device).cpu().tolist() == [2.0] * 3


def test_mixing_devices_is_refused(device):
    a, b = torch.ones(2, 2), torch.ones(2, 2, device=device)
    for operation in (lambda: a + b, lambda: b @ a, lambda: torch.cat([a, b]), lambda: torch.where(b > 0, a, b)):
        with pytest.raises(RuntimeError, match="[Ee]xpected all tensors to be on the same device"):
            operation()
    assert alive(device)


def test_an_index_out_of_range_raises_and_names_the_operator(device):
    x, index = torch.arange(5.0).to(device), torch.tensor([0, 7]).to(device)
    with pytest.raises((torch.AcceleratorError, IndexError), match="index.*out of"):
        x[index].cpu()
    assert alive(device)


def test_shapes_that_do_not_match_are_refused(device):
    x = torch.empty(3, device=device)
    with pytest.raises(RuntimeError, match=r"The size of tensor a \(3\) must match the size of tensor b \(4\)"):
        x.copy_(torch.empty(4, device=device))
    with pytest.raises(RuntimeError, match=r"must match"):
        x.copy_(torch.empty(4))


def test_writing_to_an_expanded_tensor_is_refused(device):
    x = torch.empty(1, device=device).expand(4)
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
        x.copy_(torch.ones(4, device=device))


def in_forked_child(queue):
    try:
        torch.empty(2, device="metal")
        queue.put("no error")
    except RuntimeError as error:
        queue.put(str(error))
    queue.put((torch.arange(4.0) * 2).sum().item())


def test_a_forked_child_refuses_metal_and_can_use_the_cpu(device):
    torch.ones(2).to(device)
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=in_forked_child, args=(queue,))
    child.start()
    assert "Cannot re-initialize metal in forked subprocess" in queue.get()
    assert queue.get() == 12
    child.join()
    assert child.exitcode == 0
    assert alive(device)


class Squares(torch.utils.data.Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, i):
        return torch.tensor(float(i * i))


def test_data_loader_workers_run_beside_the_device(device):
    torch.ones(2).to(device)
    loader = torch.utils.data.DataLoader(Squares(), batch_size=4, num_workers=2)
    assert torch.cat([batch.to(device).cpu() for batch in loader]).tolist() == [i * i for i in range(8)]


def in_spawned_child(queue):
    try:
        queue.put(torch.full((2,), 3.0, device="metal").cpu().tolist())
    except BaseException as error:
        queue.put(repr(error))


def test_a_spawned_child_may_use_metal(device):
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    child = context.Process(target=in_spawned_child, args=(queue,))
    child.start()
    assert queue.get() == [3.0, 3.0]
    child.join()
