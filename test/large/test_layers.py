"""Matrix products and layers on large tensors."""

import pytest
import torch
import torch.nn.functional as F

from test.large.sizes import BEYOND_31


@pytest.mark.needs(6)
@pytest.mark.parametrize("dtype", [torch.int8, torch.float16], ids=str)
def test_products_with_more_than_2_to_the_31_elements(dtype):
    side = 65537 if dtype == torch.int8 else 46342
    a = (torch.arange(side, device="metal") % 5).to(dtype).unsqueeze(1)
    b = (torch.arange(side, device="metal") % 3).to(dtype).unsqueeze(0)
    product = a @ b
    rows = torch.tensor([0, 1, 2**31 // side, side // 2, side - 1], device="metal")
    assert torch.equal(product[rows], a[rows] * b)
    assert torch.equal(product[:, -1:], a * b[:, -1:])


def test_batched_products_with_more_than_2_to_the_32_elements():
    a = (torch.arange(65537, device="metal") % 5).to(torch.int8).view(-1, 1, 1).expand(-1, 256, 1)
    b = torch.ones(65537, 1, 256, dtype=torch.int8, device="metal")
    product = torch.bmm(a, b)
    assert product.numel() > 2**32
    assert torch.equal(product.amin((1, 2)), a[:, 0, 0]) and torch.equal(product.amax((1, 2)), a[:, 0, 0])


def test_products_of_a_strided_batch_beyond_2_to_the_32_elements():
    # The gradient of a batched product reads such a batch transposed.
    gradient = torch.zeros(65537, 256, 256, dtype=torch.int8, device="metal")
    gradient[65536] = 1
    gradient[0] = 3
    x = torch.ones(65537, 256, 1, dtype=torch.int8, device="metal")
    sums = torch.bmm(gradient[:, :, :64].transpose(1, 2), x)
    assert sums[65536].eq(0).all() and sums[1].eq(0).all() and sums.count_nonzero() == 0  # 256 and 768 wrap to 0
    sums = torch.bmm(gradient[:, :100, :64].transpose(1, 2), x[:, :100])
    assert sums[65536].eq(100).all() and sums[0].eq(300 - 256).all() and sums.count_nonzero() == 128


@pytest.mark.needs(11)
def test_an_inner_product_of_more_than_2_to_the_31_elements():
    x = torch.ones(BEYOND_31 + 2**20, dtype=torch.bfloat16, device="metal")
    assert torch.dot(x, x).item() == torch.tensor(float(x.numel())).bfloat16().item()
    x[-1] = -(2.0**30)
    assert torch.dot(x, x).item() == pytest.approx(2.0**60, rel=0.01)


@pytest.mark.needs(11)
def test_layer_norm():
    x = torch.ones(32769, 65536, dtype=torch.bfloat16, device="metal")
    x[:, ::2] = -1
    y = F.layer_norm(x, (65536,))
    del x
    assert (y[:, ::2] == -1).all() and (y[:, 1::2] == 1).all()


@pytest.mark.needs(11)
def test_batch_norm():
    x = torch.ones(32769, 2, 32768, dtype=torch.bfloat16, device="metal")
    x[:, :, ::2] = -1
    y = F.batch_norm(x, None, None, training=True)
    del x
    assert (y[:, :, ::2] == -1).all() and (y[:, :, 1::2] == 1).all()


@pytest.mark.needs(11)
def test_pooling():
    x = torch.zeros(32769, 1, 256, 256, dtype=torch.float16, device="metal")
    x[:, :, ::2, ::2] = 4
    assert (F.avg_pool2d(x, 2) == 1).all()
    assert (F.max_pool2d(x[16384:], 2) == 4).all()


@pytest.mark.needs(11)
def test_interpolation():
    numbers = torch.arange(8193, device="metal") % 1000 / 8
    y = F.interpolate(numbers.half().view(-1, 1, 1, 1).expand(-1, 1, 256, 256), scale_factor=2)
    assert y.numel() > 2**31
    assert torch.equal(y.amin((1, 2, 3)), numbers.half()) and torch.equal(y.amax((1, 2, 3)), numbers.half())


@pytest.mark.needs(6)
def test_convolution_of_many_images():
    x = torch.ones(2**16 + 1, 1, 128, 128, dtype=torch.float16, device="metal")
    x[-1] = 3
    y = F.conv2d(x, torch.ones(1, 1, 64, 64, dtype=torch.float16, device="metal") / 4096, stride=64)
    assert (y[:-1] == 1).all() and (y[-1] == 3).all()


@pytest.mark.needs(6)
def test_images_that_kernels_cannot_count_raise():
    x = torch.empty(1, 1, 2**16, 2**15 + 1, dtype=torch.float16, device="metal")
    with pytest.raises(NotImplementedError, match="2\\^31 pixels"):
        F.avg_pool2d(x, 2)
