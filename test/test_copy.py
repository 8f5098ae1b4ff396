"""Copies: every pair of dtypes, strides, conjugate and negative views, devices, item()."""

import itertools

import pytest
import torch

DTYPES = [
    torch.bool,
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.complex64,
]


def sample(dtype, shape=(4, 5)):
    values = torch.tensor([0, 1, 2, 3, 100, 5.5, 7, 0.25]).repeat(20)[: torch.Size(shape).numel()].view(shape)
    if not dtype.is_signed and dtype != torch.bool:
        values = values.abs()
    return (values + 2j * values).to(dtype) if dtype.is_complex else values.to(dtype)


@pytest.mark.parametrize("source", DTYPES, ids=str)
def test_conversion_to_every_dtype(device, source):
    x = sample(source)
    for target in DTYPES:
        if x.is_complex() and not target.is_complex:
            continue
        torch.testing.assert_close(x.to(device).to(target).cpu(), x.to(target), rtol=0, atol=0, msg=str(target))


@pytest.mark.filterwarnings("ignore:Casting complex values to real")
def test_complex_to_real_keeps_the_real_part(device):
    x = sample(torch.complex64)
    assert torch.equal(x.to(device).to(torch.float32).cpu(), x.real)


def test_negative_numbers_wrap_to_uint8_as_on_the_cpu(device):
    x = torch.tensor([-1.0, -3.7, 255.0])
    assert torch.equal(x.to(device).to(torch.uint8).cpu(), x.to(torch.uint8))


LAYOUTS = {
    "transposed": lambda x: x.transpose(0, 2),
    "every other": lambda x: x[:, ::2],
    "inner slice": lambda x: x[..., 1:3],
    "odd offset": lambda x: x.flatten()[1:],
    "expanded": lambda x: x[:1].expand_as(x),
    "permuted": lambda x: x.permute(2, 0, 1),
    "single": lambda x: x[1, 2, 3],
    "empty": lambda x: x[:, :0],
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
@pytest.mark.parametrize("dtype", [torch.bool, torch.bfloat16, torch.float32, torch.int64], ids=str)
def test_strided_sources_and_targets(device, layout, dtype):
    x = sample(dtype, (4, 6, 5))
    on_device = layout(x.to(device))
    assert torch.equal(on_device.cpu(), layout(x))
    assert torch.equal(on_device.contiguous().cpu(), layout(x).contiguous())
    if layout is not LAYOUTS["expanded"]:
        y, target = x.to(device).clone(), x.clone()
        layout(y).copy_(torch.ones_like(on_device))
        layout(target).fill_(1)
        assert torch.equal(y.cpu(), target)


def test_many_dimensions(device):
    x = torch.arange(2**10).view([2] * 10).permute(9, 1, 8, 2, 7, 3, 6, 4, 5, 0)
    assert torch.equal(x.to(device).permute(5, 3, 1, 0, 2, 4, 6, 8, 7, 9).contiguous().cpu(),
                       x.permute(5, 3, 1, 0, 2, 4, 6, 8, 7, 9))


def test_broadcasting_source(device):
    x = torch.zeros(3, 4, device=device)
    x.copy_(torch.arange(4.0).to(device))
    assert torch.equal(x.cpu(), torch.arange(4.0).expand(3, 4))
    x.copy_(torch.arange(3.0)[:, None])
    assert torch.equal(x.cpu(), torch.arange(3.0)[:, None].expand(3, 4))


def test_conjugate_and_negative_views(device):
    x = sample(torch.complex64).to(device)
    reference = x.cpu()
    assert torch.equal(x.conj().cpu(), reference.conj())
    assert torch.equal(x.conj().clone().cpu(), reference.conj())
    assert torch.equal(x.conj().imag.cpu(), reference.conj().imag)
    assert torch.equal(x.conj().resolve_conj().cpu(), reference.conj().resolve_conj())
    assert torch.equal(x.conj().imag.clone().cpu(), -reference.imag)
    y = torch.zeros_like(x)
    y.conj().copy_(x)
    assert torch.equal(y.cpu(), reference.conj())


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128], ids=str)
def test_double_precision_survives_the_round_trip(device, dtype):
    x = torch.tensor([1 / 3, 2.0**60, 1e-300], dtype=dtype)
    y = x.to(device)
    assert y.dtype == dtype and torch.equal(y.cpu(), x)
    assert torch.equal(y[::2].clone().cpu(), x[::2])
    assert torch.equal(y.real.to(torch.float32).cpu(), x.real.float())


@pytest.mark.parametrize("dtype", DTYPES + [torch.float64, torch.uint16, torch.uint32, torch.uint64], ids=str)
def test_fill_zero_and_item(device, dtype):
    x = torch.empty(3, 7, dtype=dtype, device=device)
    assert torch.equal(x.fill_(1).cpu(), torch.ones(3, 7, dtype=dtype))
    x[:, ::2].zero_()
    reference = torch.ones(3, 7, dtype=dtype)
    reference[:, ::2] = 0
    assert torch.equal(x.cpu(), reference)
    assert x[1, 1].item() == 1 and type(x[1, 1].item()) is type(reference[1, 1].item())


def test_fill_takes_a_tensor(device):
    x = torch.empty(4, device=device)
    assert x.fill_(torch.tensor(2.5)).cpu().tolist() == [2.5] * 4
    assert x.fill_(torch.tensor(3.5).to(device)).cpu().tolist() == [3.5] * 4


def test_copies_between_host_and_device_convert(device):
    for source, target in itertools.product([torch.int64, torch.float32, torch.float64], [torch.float16, torch.int32]):
        x = torch.arange(6).to(source).view(2, 3).t()
        y = torch.empty(3, 2, dtype=target, device=device).copy_(x)
        assert torch.equal(y.cpu(), x.to(target))
        assert torch.equal(torch.empty(3, 2, dtype=target).copy_(x.to(device)), x.to(target))


def test_channels_last_is_kept(device):
    x = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    y = x.to(device)
    assert y.is_contiguous(memory_format=torch.channels_last) and torch.equal(y.cpu(), x)
    assert torch.equal(y.contiguous().cpu(), x.contiguous())


def test_autograd_crosses_devices(device):
    x = torch.arange(3.0, requires_grad=True)
    x.to(device).cpu().sum().backward()
    assert x.grad.tolist() == [1, 1, 1]
