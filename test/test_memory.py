"""The caching allocator: reuse, statistics, limits, out of memory, storages, pinned memory."""

import gc

import pytest
import torch

MIB = 2**20


@pytest.fixture(autouse=True)
def clean_allocator():
    gc.collect()
    torch.metal.empty_cache()
    yield
    torch.metal.set_per_process_memory_fraction(1.0)
    torch.metal.empty_cache()


def allocate(size, device="metal"):
    return torch.empty(size, dtype=torch.uint8, device=device)


def test_a_freed_block_is_reused_on_its_stream():
    x = allocate(3 * MIB)
    address = x.data_ptr()
    del x
    assert allocate(3 * MIB).data_ptr() == address


def test_statistics_follow_allocations():
    before, reserved = torch.metal.memory_allocated(), torch.metal.memory_reserved()
    torch.metal.reset_peak_memory_stats()
    x = allocate(4 * MIB)
    assert torch.metal.memory_allocated() == before + 4 * MIB
    assert torch.metal.memory_reserved() >= reserved + 4 * MIB
    del x
    assert torch.metal.memory_allocated() == before
    assert torch.metal.max_memory_allocated() == before + 4 * MIB
    assert torch.accelerator.memory_stats()["allocated_bytes.all.current"] == before


def test_small_requests_share_a_segment():
    before = torch.metal.memory_stats()["segment.all.current"]
    tensors = [allocate(1000) for _ in range(100)]
    assert torch.metal.memory_stats()["segment.all.current"] <= before + 1
    assert len({t.data_ptr() for t in tensors}) == 100


def test_neighbours_merge_when_freed():
    tensors = [allocate(256 * 1024) for _ in range(8)]  # fill one small segment
    reserved = torch.metal.memory_reserved()
    del tensors
    allocate(1 * MIB)
    assert torch.metal.memory_reserved() == reserved


def test_a_large_block_that_is_free_serves_smaller_requests():
    allocate(100 * MIB)
    reserved = torch.metal.memory_reserved()
    tensors = [allocate(20 * MIB) for _ in range(5)]
    assert torch.metal.memory_reserved() == reserved
    del tensors
    allocate(100 * MIB)
    assert torch.metal.memory_reserved() == reserved


def test_what_is_free_gives_way_to_a_larger_request():
    tensors = [allocate(20 * MIB) for _ in range(5)]
    reserved = torch.metal.memory_reserved()
    del tensors
    allocate(100 * MIB)
    assert torch.metal.memory_reserved() <= reserved


def test_empty_cache_returns_unused_memory():
    x, y = allocate(30 * MIB), allocate(30 * MIB)
    reserved = torch.metal.memory_reserved()
    del x
    torch.metal.empty_cache()
    assert torch.metal.memory_reserved() == reserved - 30 * MIB
    del y


def test_out_of_memory_names_sizes_and_leaves_the_process_alive():
    total = torch.metal.recommended_max_memory()
    torch.metal.set_per_process_memory_fraction(256 * MIB / total)
    with pytest.raises(torch.OutOfMemoryError) as error:
        allocate(1024 * MIB)
    text = str(error.value)
    assert "Tried to allocate 1.00 GiB" in text
    assert "256.00 MiB" in text or "255." in text
    assert "allocated by PyTorch" in text and "reserved" in text
    assert allocate(MIB).zero_().sum().item() == 0


def test_cached_memory_is_given_back_before_running_out():
    total = torch.metal.recommended_max_memory()
    torch.metal.set_per_process_memory_fraction((torch.metal.memory_reserved() + 64 * MIB) / total)
    allocate(40 * MIB)  # freed at once, stays cached
    assert allocate(60 * MIB).numel() == 60 * MIB


def test_free_and_total_memory():
    free, total = torch.metal.mem_get_info()
    assert 0 < free <= total


@pytest.mark.parametrize("fraction, error", [(1, TypeError), (-0.5, ValueError), (3.0, ValueError)])
def test_bad_fractions_are_refused(fraction, error):
    with pytest.raises(error):
        torch.metal.set_per_process_memory_fraction(fraction)


def test_a_block_used_by_another_stream_waits_for_it():
    stream = torch.metal.Stream()
    x = allocate(3 * MIB)
    address = x.data_ptr()
    x.record_stream(stream)
    del x
    stream.synchronize()
    assert allocate(3 * MIB).data_ptr() == address


def test_memory_of_one_stream_is_not_handed_to_another():
    x = allocate(3 * MIB)
    address = x.data_ptr()
    del x
    with torch.metal.Stream():
        assert allocate(3 * MIB).data_ptr() != address


def test_storage_resize_keeps_content(device):
    x = torch.arange(8, dtype=torch.int32).to(device)
    x.untyped_storage().resize_(64)
    assert x.untyped_storage().nbytes() == 64
    x.resize_(16)
    assert x[:8].cpu().tolist() == list(range(8))
    x.untyped_storage().resize_(0)
    assert x.untyped_storage().nbytes() == 0


def test_resize_grows_and_keeps_the_front(device):
    x = torch.arange(6.0).to(device)
    x.resize_(2, 3)
    assert x.cpu().tolist() == [[0, 1, 2], [3, 4, 5]]
    x.resize_(100)
    assert x[:6].cpu().tolist() == [0, 1, 2, 3, 4, 5]


def test_set_shares_storage(device):
    x, y = torch.arange(6.0).to(device), torch.empty(0, device=device)
    y.set_(x.untyped_storage(), 2, (2,), (2,))
    assert y.cpu().tolist() == [2, 4]
    assert y.is_set_to(x[2::2])
    assert torch.empty(0, device=device).set_(x).data_ptr() == x.data_ptr()
    assert y.set_().numel() == 0


def test_pinned_memory_copies_both_ways(device):
    x = torch.arange(1000.0).pin_memory()
    assert x.is_pinned() and not torch.arange(3.0).is_pinned()
    y = torch.empty(1000).pin_memory()
    y.copy_(x.to(device, non_blocking=True), non_blocking=True)
    torch.metal.synchronize()
    assert torch.equal(x, y)


def test_data_loader_pins_memory(device):
    data = torch.utils.data.TensorDataset(torch.arange(8.0))
    for (batch,) in torch.utils.data.DataLoader(data, batch_size=4, pin_memory=True):
        assert batch.is_pinned()


def test_deterministic_mode_fills_fresh_memory(device):
    torch.use_deterministic_algorithms(True)
    try:
        assert torch.empty(5, device=device).isnan().all().item()
    finally:
        torch.use_deterministic_algorithms(False)
