"""Cases: products, convolutions, attention, normalisation, losses, linear algebra, optimisers, sparse tensors."""

from __future__ import annotations

from functools import partial

import torch
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from torch_metal.selftest.case import (
    COMPLEX,
    SINGLE,
    Case,
    between,
    distinct,
    indices,
    numbers,
    positive_definite,
)

CONTIGUOUS = ("contiguous",)
_product = partial(Case, "matmul", tolerance=20, libraries=("msl", "mps_graph"))
_convolution = partial(Case, "convolution", tolerance=20, libraries=("msl", "mps_graph"))
_depthwise = partial(Case, "depthwise", tolerance=20, libraries=("msl", "mps_graph"))
_single = partial(Case, dtypes=SINGLE, layouts=CONTIGUOUS, backward=False)


def _products() -> list[Case]:
    matrices = (numbers(67, 45), numbers(45, 70))
    bias = (*matrices, numbers(70))
    return [
        _product("matmul", torch.matmul, matrices),
        _product("bmm", torch.bmm, (numbers(3, 33, 40), numbers(3, 40, 21))),
        _product("addmm", lambda a, b, c: torch.addmm(c, a, b, beta=0.5, alpha=2), bias),
        _product("linear", lambda x, w, b: F.linear(x, w.t(), b), bias),
        Case("matmul", "mv", torch.mv, (numbers(67, 45), numbers(45)), tolerance=20),
        _product(
            "matmul of 256 x 300 x 256", torch.matmul, (numbers(256, 300), numbers(300, 256)), SINGLE, tolerance=100
        ),
        _single("quantized_matmul", "int8 weights", _int8_weights, (numbers(20, 64), numbers(32, 64)), tolerance=20),
        Case("fft", "fft", torch.fft.fft, (numbers(4, 60),), COMPLEX, tolerance=20),
        Case("fft", "rfft2", lambda x: torch.fft.rfft2(x).abs(), (numbers(3, 16, 24),), SINGLE, tolerance=40),
    ]


def _int8_weights(x, w):
    scales = w.abs().amax(1) / 127
    return torch._weight_int8pack_mm(x, (w / scales[:, None]).round().to(torch.int8), scales)


def _convolutions() -> list[Case]:
    image = (numbers(2, 4, 9, 11), numbers(6, 4, 3, 3), numbers(6))

    def conv(**options):
        return lambda x, w, b: F.conv2d(x, w, b, **options)

    grouped = (numbers(2, 4, 9, 11), numbers(4, 1, 3, 3), numbers(4))
    return [
        _convolution("conv2d", conv(padding=1), image),
        _convolution("conv2d, stride 2, dilation 2", conv(stride=2, dilation=2, padding=2), image),
        _depthwise("conv2d", conv(groups=4), grouped),
        _convolution("conv1d", F.conv1d, (numbers(2, 4, 30), numbers(6, 4, 5)), SINGLE),
        _convolution(
            "conv3d", F.conv3d, (numbers(1, 2, 5, 6, 7), numbers(3, 2, 3, 3, 3)), SINGLE, CONTIGUOUS, tolerance=40
        ),
        _convolution(
            "conv_transpose2d",
            lambda x, w: F.conv_transpose2d(x, w, stride=2),
            (numbers(2, 4, 5, 6), numbers(4, 3, 3, 3)),
        ),
        Case("pooling", "max_pool2d", lambda x: F.max_pool2d(x, 3, 2, 1), (distinct(2, 3, 8, 4),)),
        Case("pooling", "avg_pool2d", lambda x: F.avg_pool2d(x, 3, 2, 1), (numbers(2, 3, 9, 8),), tolerance=2),
        Case(
            "pooling",
            "adaptive_avg_pool2d",
            lambda x: F.adaptive_avg_pool2d(x, (3, 5)),
            (numbers(2, 3, 9, 8),),
            tolerance=2,
        ),
        Case(
            "interpolation",
            "bilinear",
            lambda x: F.interpolate(x, scale_factor=1.7, mode="bilinear"),
            (numbers(2, 3, 6, 7),),
            tolerance=4,
        ),
        Case("nearest", "nearest", lambda x: F.interpolate(x, size=(9, 4)), (numbers(2, 3, 6, 7),), tolerance=2),
        Case(
            "interpolation",
            "bicubic",
            lambda x: F.interpolate(x, size=(9, 10), mode="bicubic"),
            (numbers(2, 3, 6, 7),),
            SINGLE,
            tolerance=20,
        ),
        Case(
            "grid_sampler",
            "grid_sample",
            lambda x, g: F.grid_sample(x, g, align_corners=False),
            (numbers(2, 3, 6, 7), between(-1, 1, 2, 5, 4, 2)),
            SINGLE,
            tolerance=40,
        ),
    ]


def _attention() -> list[Case]:
    heads = (numbers(2, 3, 37, 32), numbers(2, 3, 41, 32), numbers(2, 3, 41, 32))

    def attention(**options):
        return lambda q, k, v: F.scaled_dot_product_attention(q, k, v, **options)

    def masked(q, k, v, mask):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask > -1)

    def fused(q, k, v):
        with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
            return F.scaled_dot_product_attention(q, k, v, is_causal=True)

    # GPUs take matrices for up to 128 features, CPUs take the same kernels for all.
    wide = (numbers(1, 2, 40, 200),) * 3
    causal = attention(is_causal=True)
    return [
        Case("attention_matrix", "attention", attention(), heads, tolerance=20),
        Case("attention_matrix", "attention, causal", causal, (numbers(2, 3, 37, 32),) * 3, tolerance=20),
        Case("attention_matrix", "attention, masked", masked, (*heads, numbers(37, 41)), SINGLE, tolerance=20),
        Case(
            "attention_matrix_backward",
            "attention and gradients, causal",
            causal,
            (numbers(1, 2, 70, 64),) * 3,
            SINGLE,
            CONTIGUOUS,
            tolerance=20,
        ),
        Case("attention", "attention, many features", fused, wide, SINGLE, CONTIGUOUS, backward=False, tolerance=20),
        Case("attention_backward", "many features, gradients", fused, wide, SINGLE, CONTIGUOUS, tolerance=20),
        Case(
            "attention",
            "one query",
            attention(),
            (numbers(2, 3, 1, 64), numbers(2, 3, 300, 64), numbers(2, 3, 300, 64)),
            backward=False,
            tolerance=20,
        ),
    ]


def _normalisation() -> list[Case]:
    rows = (numbers(9, 40), numbers(40), numbers(40))
    image = (numbers(4, 6, 5, 7), numbers(6), numbers(6))
    return [
        Case("softmax", "softmax", lambda x: x.softmax(-1), (numbers(9, 40),), tolerance=4),
        Case("softmax", "log_softmax along 0", lambda x: x.log_softmax(0), (numbers(9, 40),), tolerance=4),
        Case("normalization", "layer_norm", lambda x, w, b: F.layer_norm(x, (40,), w, b), rows, tolerance=20),
        Case("normalization", "rms_norm", lambda x, w, b: F.rms_norm(x, (40,), w), rows, tolerance=20),
        Case("normalization", "group_norm", lambda x, w, b: F.group_norm(x, 3, w, b), image, SINGLE, tolerance=40),
        Case(
            "normalization",
            "batch_norm",
            lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True),
            image,
            SINGLE,
            tolerance=40,
        ),
        Case(
            "distance",
            "cdist",
            lambda a, b: torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist"),
            (numbers(12, 8), numbers(15, 8)),
            SINGLE,
            tolerance=10,
        ),
    ]


def _losses() -> list[Case]:
    scores = (numbers(12, 10), indices(10, 12))
    lengths = (lambda g, t: torch.tensor([20, 15]), lambda g, t: torch.tensor([5, 3]))

    def ctc(x, target, *sizes):
        return F.ctc_loss(x.log_softmax(-1), target + 1, *sizes)

    return [
        Case("loss", "cross_entropy", F.cross_entropy, scores, tolerance=4),
        Case(
            "loss",
            "nll_loss2d",
            F.nll_loss,
            (numbers(3, 5, 4, 6), indices(5, 3, 4, 6)),
            SINGLE,
            CONTIGUOUS,
            tolerance=4,
        ),
        Case(
            "loss",
            "binary_cross_entropy",
            F.binary_cross_entropy,
            (between(0.1, 0.9, 50), between(0, 1, 50)),
            tolerance=4,
        ),
        Case("margin_loss", "multi_margin_loss", F.multi_margin_loss, scores, SINGLE, tolerance=4),
        Case(
            "ctc_loss",
            "ctc_loss",
            ctc,
            (numbers(20, 2, 8), indices(7, 2, 5), *lengths),
            SINGLE,
            CONTIGUOUS,
            tolerance=40,
        ),
        Case(
            "fake_quantize",
            "fake_quantize",
            lambda x: torch.fake_quantize_per_tensor_affine(x, 0.1, 3, -20, 40),
            (numbers(7, 33),),
            SINGLE,
        ),
    ]


def _linear_algebra() -> list[Case]:
    square = (positive_definite(3, 12, 12), numbers(3, 12, 4))
    return [
        Case("cholesky", "cholesky", torch.linalg.cholesky, square[:1], SINGLE, tolerance=100),
        Case("lu", "solve", torch.linalg.solve, square, SINGLE, tolerance=100),
        Case(
            "lu",
            "inv and det",
            lambda x: (torch.linalg.inv(x), torch.linalg.slogdet(x)[1]),
            square[:1],
            SINGLE,
            tolerance=100,
        ),
        Case(
            "triangular",
            "solve_triangular",
            lambda a, b: torch.linalg.solve_triangular(a.tril(), b, upper=False),
            square,
            SINGLE,
            tolerance=100,
        ),
        Case("triangular", "tril", torch.tril, (numbers(9, 12),)),
        Case("host", "svdvals", torch.linalg.svdvals, (numbers(9, 12),), SINGLE, tolerance=100),
        Case("host", "float64", lambda x: (x.double() @ x.double().mT).sin(), (numbers(9, 12),), SINGLE),
    ]


def _recurrent(kind: type) -> Case:
    def function(x):
        torch.manual_seed(0)
        layer = kind(6, 9, num_layers=2, bidirectional=True).to(x.device)
        return layer(x)[0]

    return Case("rnn", kind.__name__, function, (numbers(5, 3, 6),), SINGLE, tolerance=40)


def _steps(optimizer: type, **options):
    """Parameters after three steps that train a line."""

    def function(x, y):
        weight, bias = (
            torch.zeros(8, 1, device=x.device, requires_grad=True),
            torch.zeros(1, device=x.device, requires_grad=True),
        )
        training = optimizer([weight, bias], lr=0.01, fused=True, **options)
        for _ in range(3):
            training.zero_grad()
            F.mse_loss(x @ weight + bias, y).backward()
            training.step()
        return weight.detach(), bias.detach()

    return function


def _training() -> list[Case]:
    data = (numbers(32, 8), numbers(32, 1))
    return [
        *map(_recurrent, (torch.nn.LSTM, torch.nn.GRU)),
        _single("optimizer", "fused SGD", _steps(torch.optim.SGD, momentum=0.9), data, tolerance=40),
        _single("optimizer", "fused AdamW", _steps(torch.optim.AdamW), data, tolerance=40),
    ]


def _jagged(x):
    nested = torch.nested.nested_tensor_from_jagged(x, torch.tensor([0, 3, 3, 9, 12], device=x.device))
    return (nested * 2).to_padded_tensor(0.5)


def _sparse_tensors() -> list[Case]:
    def coo(x):
        return x.relu().to_sparse()

    return [
        Case("jagged", "to_padded_tensor", _jagged, (numbers(12, 5),), SINGLE, CONTIGUOUS),
        _single("sparse", "coalesce", lambda x: (coo(x) + coo(-x)).coalesce().to_dense(), (numbers(9, 12),)),
        _single(
            "sparse",
            "COO times dense",
            lambda x, y: torch.sparse.mm(coo(x), y),
            (numbers(9, 12), numbers(12, 5)),
            tolerance=20,
        ),
        _single(
            "sparse",
            "CSR times dense",
            lambda x, y: x.relu().to_sparse_csr() @ y,
            (numbers(9, 12), numbers(12, 5)),
            tolerance=20,
        ),
        _single(
            "sparse", "softmax", lambda x: torch.sparse.softmax(coo(x), 1).to_dense(), (numbers(9, 12),), tolerance=4
        ),
    ]


CASES = [
    *_products(),
    *_convolutions(),
    *_attention(),
    *_normalisation(),
    *_losses(),
    *_linear_algebra(),
    *_training(),
    *_sparse_tensors(),
]
