"""Cases: element-wise operators, copies, reductions, scans, sorting, indexing, random numbers."""

from __future__ import annotations

from functools import partial

import torch
from torch.nn import functional as F

from torch_metal.selftest.case import (
    COMPLEX,
    FLOATS,
    INTEGERS,
    SINGLE,
    Case,
    between,
    booleans,
    distinct,
    indices,
    numbers,
)

CONTIGUOUS = ("contiguous",)
_single = partial(Case, dtypes=SINGLE, layouts=CONTIGUOUS, backward=False)
X = (numbers(7, 33),)
PAIR = (numbers(7, 33), numbers(7, 33))
BROADCAST = (numbers(7, 33), numbers(33))
POSITIVE = (between(0.1, 3, 7, 33),)
INSIDE = (between(-0.9, 0.9, 7, 33),)


def _unary() -> list[Case]:
    everywhere = ("abs", "neg", "exp", "expm1", "sin", "cos", "tanh", "sigmoid", "erf", "floor", "round", "sign")
    positive = ("log", "log2", "log10", "log1p", "sqrt", "rsqrt", "reciprocal", "lgamma", "digamma")
    inside = ("asin", "acos", "atanh", "erfinv", "tan", "sinh", "asinh", "atan", "logit")
    cases = [Case("unary", name, getattr(torch, name), X) for name in everywhere]
    cases += [Case("unary", name, getattr(torch, name), POSITIVE, tolerance=4) for name in positive]
    cases += [Case("unary", name, getattr(torch, name), INSIDE, tolerance=4) for name in inside]
    special = ("bessel_j0", "i0", "i1e", "ndtri", "log_ndtr", "entr")
    cases += [
        Case("unary", name, getattr(torch.special, name), INSIDE, SINGLE, backward=False, tolerance=8)
        for name in special
    ]
    cases += [
        Case("unary", f"{name} of complex", getattr(torch, name), X, COMPLEX, tolerance=4)
        for name in ("exp", "abs", "sqrt")
    ]
    cases += [Case("unary", "bitwise_not", torch.bitwise_not, X, INTEGERS), Case("unary", "isnan", torch.isnan, X)]
    return cases


def _binary() -> list[Case]:
    names = ("add", "sub", "mul", "maximum", "minimum", "atan2", "hypot")
    cases = [Case("binary", name, getattr(torch, name), PAIR) for name in names]
    cases += [Case("binary", f"{name}, broadcast", getattr(torch, name), BROADCAST) for name in ("add", "mul", "lt")]
    cases += [
        Case("binary", f"{name} of integers", getattr(torch, name), PAIR, INTEGERS) for name in ("add", "mul", "eq")
    ]
    divisors = (numbers(7, 33), lambda g, t: torch.randint(1, 9, (7, 33), generator=g).to(t))
    for name in ("floor_divide", "remainder", "fmod"):
        cases.append(Case("binary", f"{name} of integers", getattr(torch, name), divisors, INTEGERS))
    cases += [
        Case("binary", "add of float and int", lambda x, i: x + i, (numbers(7, 33), indices(9, 7, 33))),
        Case("binary", "div", torch.div, (numbers(7, 33), between(0.5, 2, 7, 33))),
        Case("binary", "mul by a number", lambda x: x * 2.5, X),
        Case("binary", "pow", torch.pow, (between(0.1, 3, 7, 33), between(-2, 2, 7, 33)), tolerance=4),
        Case("binary", "mul of complex", torch.mul, PAIR, COMPLEX),
        Case("binary", "bitwise_xor", torch.bitwise_xor, PAIR, INTEGERS),
        Case(
            "binary",
            "igamma",
            torch.special.gammainc,
            (between(0.5, 4, 99), between(0.5, 4, 99)),
            SINGLE,
            backward=False,
            tolerance=8,
        ),
    ]
    return cases


def _pointwise() -> list[Case]:
    three = (*PAIR, between(0.5, 2, 7, 33))
    return [
        Case("pointwise", "addcmul", torch.addcmul, three),
        Case("pointwise", "addcdiv", torch.addcdiv, three),
        Case("pointwise", "where", torch.where, (booleans(7, 33), *PAIR)),
        Case("pointwise", "clamp", lambda x: x.clamp(-0.5, 0.7), X),
        Case("pointwise", "lerp", torch.lerp, three),
        Case("pointwise", "mse_loss", F.mse_loss, PAIR),
        Case("pointwise", "smooth_l1_loss", F.smooth_l1_loss, PAIR),
        Case("pointwise", "masked_fill", lambda x, m: x.masked_fill(m, 3.0), (numbers(7, 33), booleans(7, 33))),
        Case(
            "pointwise",
            "_foreach_addcmul",
            lambda a, b, c: torch._foreach_addcmul([a, b], [b, c], [c, a]),
            three,
            backward=False,
        ),
    ]


def _activation() -> list[Case]:
    names = (
        "relu",
        "gelu",
        "silu",
        "elu",
        "leaky_relu",
        "hardswish",
        "hardsigmoid",
        "mish",
        "softplus",
        "logsigmoid",
        "celu",
    )
    return [Case("activation", name, getattr(F, name), X, tolerance=4) for name in names] + [
        Case("activation", "prelu", F.prelu, (numbers(4, 6, 5), numbers(6)), tolerance=4),
        Case("activation", "glu", F.glu, (numbers(7, 34),), tolerance=4),
    ]


def _copies() -> list[Case]:
    return [
        *(
            Case("copy", f"to {t}", lambda x, t=t: x.to(t), POSITIVE, (*FLOATS, *INTEGERS))
            for t in (torch.float32, torch.float16, torch.int32)
        ),
        Case("copy", "cat", lambda a, b: torch.cat([a, b, a.mT.reshape(7, 33)]), PAIR, (*FLOATS, *INTEGERS)),
        Case("copy", "permute and contiguous", lambda x: x.permute(2, 0, 1).contiguous(), (numbers(3, 5, 7),)),
        Case(
            "copy",
            "channels_last",
            lambda x: x.contiguous(memory_format=torch.channels_last) * 1,
            (numbers(2, 3, 5, 5),),
        ),
        Case("copy", "flip", lambda x: x.flip(0, 1), X),
        Case("copy", "roll", lambda x: x.roll((3, -2), (0, 1)), X),
        Case("copy", "pad", lambda x: F.pad(x, (2, 1, 1, 2), mode="reflect"), (numbers(2, 3, 6, 7),)),
        Case("fill", "fill_ a slice", lambda x: x.clone()[1:5].fill_(7), X, (*FLOATS, *INTEGERS)),
        Case("fill", "zero_ every second", lambda x: x.mul(1)[:, ::2].zero_(), X),
        Case(
            "factories_range",
            "arange",
            lambda x: torch.arange(0, 50, 3, device=x.device, dtype=x.dtype),
            X,
            (*FLOATS, *INTEGERS),
            CONTIGUOUS,
        ),
        Case(
            "factories_range", "linspace", lambda x: torch.linspace(-1, 2, 41, device=x.device), X, SINGLE, CONTIGUOUS
        ),
        Case("unfold", "unfold", lambda x: x.unfold(1, 6, 2) * 1, X),
        Case("unfold", "im2col", lambda x: F.unfold(x, 3, padding=1, stride=2), (numbers(2, 3, 8, 9),)),
        Case("unfold", "col2im", lambda x: F.fold(x, (8, 9), 3, padding=1, stride=2), (numbers(2, 27, 20),)),
        Case("cross", "cross", torch.linalg.cross, (numbers(9, 3), numbers(9, 3))),
    ]


def _reductions() -> list[Case]:
    cases = [
        Case("reduction", name, getattr(torch, name), (numbers(37, 41),), tolerance=10)
        for name in ("sum", "mean", "var")
    ]
    for dimension in (0, 1):
        for name in ("sum", "mean", "std", "logsumexp"):
            function = lambda x, name=name, d=dimension: getattr(torch, name)(x, dim=d)  # noqa: E731
            cases.append(Case("reduction", f"{name} along {dimension}", function, (numbers(37, 41),), tolerance=10))
        for name in ("amax", "argmin", "max"):
            function = lambda x, name=name, d=dimension: getattr(torch, name)(x, dim=d)  # noqa: E731
            cases.append(Case("reduction", f"{name} along {dimension}", function, (distinct(11, 17),), tolerance=2))
    return cases + [
        Case("reduction", "sum of integers", torch.sum, (numbers(37, 41),), INTEGERS),
        Case("reduction", "any", lambda x: (x > 2).any(1), (numbers(37, 41),)),
        Case("reduction", "prod", lambda x: x.prod(0), (between(0.5, 1.5, 9, 33),), tolerance=4),
        Case("reduction", "norm", lambda x: torch.linalg.vector_norm(x, 3, dim=1), POSITIVE, tolerance=4),
        Case("reduction", "sum of 100,000", torch.sum, (between(0, 1, 100_000),), SINGLE, CONTIGUOUS, tolerance=10),
        Case("cumulative", "cumsum", lambda x: x.cumsum(1), (numbers(5, 300),), tolerance=20),
        Case("cumulative", "cumsum along 0", lambda x: x.cumsum(0), (numbers(300, 5),), SINGLE, tolerance=20),
        Case("cumulative", "cumprod", lambda x: x.cumprod(1), (between(0.8, 1.25, 5, 60),), SINGLE, tolerance=20),
        Case("cumulative", "cummax", lambda x: x.cummax(1), (distinct(5, 40),)),
        Case("cumulative", "logcumsumexp", lambda x: x.logcumsumexp(1), (numbers(5, 60),), SINGLE, tolerance=20),
        Case(
            "segment_reduce",
            "segment_reduce",
            lambda x, n: torch.segment_reduce(x, "sum", lengths=n),
            (numbers(10, 4), lambda g, t: torch.tensor([3, 0, 5, 2])),
            SINGLE,
            CONTIGUOUS,
        ),
        Case("histogram", "histc", lambda x: torch.histc(x, 10, -2, 2), (numbers(500),), SINGLE, backward=False),
        Case("histogram", "bincount", torch.bincount, (indices(20, 500),), (torch.int64,)),
    ]


def _sorting() -> list[Case]:
    return [
        Case("sort", "sort", torch.sort, (distinct(5, 200),), (torch.float32, torch.int32)),
        Case("sort", "sort along 0", lambda x: x.sort(0, descending=True), (distinct(15, 20),), FLOATS),
        Case("sort", "topk", lambda x: x.topk(7), (distinct(5, 200),), (torch.float32, torch.int64)),
        Case("sort", "median", lambda x: x.median(1), (distinct(5, 41),), (torch.float32, torch.int64)),
        Case(
            "sort",
            "unique",
            lambda x: x.unique(return_counts=True, return_inverse=True),
            (indices(20, 300),),
            (torch.int64,),
        ),
        Case("sort", "sort of 30,000", torch.sort, (distinct(30_000),), SINGLE, CONTIGUOUS),
        Case(
            "search",
            "searchsorted",
            lambda b, x: torch.searchsorted(b.sort()[0], x),
            (numbers(50), numbers(7, 9)),
            (*SINGLE, torch.int32),
        ),
        Case("search", "isin", torch.isin, (indices(50, 99), indices(50, 10)), (torch.int64,)),
        Case("nonzero", "nonzero", torch.nonzero, (booleans(7, 33),), SINGLE),
        Case("nonzero", "masked_select", torch.masked_select, (numbers(7, 33), booleans(7, 33))),
    ]


def _indexing() -> list[Case]:
    rows = (numbers(9, 12), indices(9, 20))
    target = (numbers(9, 12), indices(9, 6, 12), numbers(6, 12))
    return [
        Case("indexing", "index_select", lambda x, i: x.index_select(0, i), rows, (*FLOATS, *INTEGERS)),
        Case("indexing", "x[i, j]", lambda x, i: x[i, i % 12], rows, tolerance=2),
        Case("indexing", "gather", lambda x, i, y: x.gather(0, i), target, tolerance=2),
        Case("indexing", "scatter_add", lambda x, i, y: x.scatter_add(0, i, y), target, tolerance=4),
        Case("indexing", "scatter_reduce amax", lambda x, i, y: x.scatter_reduce(0, i, y, "amax"), target, SINGLE),
        Case("indexing", "embedding", lambda w, i: F.embedding(i, w), rows, tolerance=2),
        Case(
            "accumulation",
            "index_put, accumulated",
            lambda x, i: x.index_put((i,), x[i] + 1, accumulate=True),
            rows,
            tolerance=4,
        ),
        Case(
            "accumulation", "index_add", lambda x, i: x.index_add(0, i, x[i]), rows, (*FLOATS, torch.int32), tolerance=4
        ),
        Case(
            "accumulation",
            "index_reduce",
            lambda x, i: x.index_reduce(0, i, x[i], "amax"),
            rows,
            SINGLE,
            backward=False,
        ),
        Case(
            "embedding_bag",
            "embedding_bag",
            lambda w, i: F.embedding_bag(i.view(4, 5), w, mode="mean"),
            rows,
            tolerance=2,
        ),
    ]


def _near(value: torch.Tensor, expected: float, bound: float) -> bool:
    return abs(value.double().cpu().item() - expected) < bound


def _moments(sample, mean: float, deviation: float):
    """Whether 100,000 samples in a tensor like the input have about these moments, and are others at the next draw."""

    def function(x):
        torch.manual_seed(1)
        big = torch.empty(100_000, dtype=x.dtype, device=x.device)
        first, second = sample(big).float(), sample(big).float()
        bound = 0.03 * max(1.0, deviation)
        verdict = (
            _near(first.mean(), mean, bound),
            _near(first.std(), deviation, 2 * bound),
            not torch.equal(first, second),
        )
        return torch.tensor(verdict, device=x.device)

    return function


def _random() -> list[Case]:
    draws = {
        "uniform_": (lambda x: x.uniform_(-1, 3).clone(), 1, 1.1547),
        "normal_": (lambda x: x.normal_(2, 3).clone(), 2, 3),
        "exponential_": (lambda x: x.exponential_(2).clone(), 0.5, 0.5),
        "bernoulli_": (lambda x: x.bernoulli_(0.3).clone(), 0.3, 0.4583),
        "dropout": (lambda x: F.dropout(x.fill_(1), 0.25), 1, 0.5774),
    }
    cases = [
        Case("random", name, _moments(*draw), X, layouts=CONTIGUOUS, backward=False) for name, draw in draws.items()
    ]
    gamma = (lambda x: torch._standard_gamma(x.fill_(2.0)), 2, 1.4142)
    poisson = (lambda x: torch.poisson(x.fill_(4.0)), 4, 2)
    return cases + [
        _single(
            "random", "randint", _moments(lambda x: torch.randint(0, 100, x.shape, device=x.device), 49.5, 28.87), X
        ),
        _single("random", "randperm", lambda x: torch.randperm(1000, device=x.device).sort()[0], X),
        _single("distributions", "gamma", _moments(*gamma), X),
        _single("distributions", "poisson", _moments(*poisson), X),
        _single(
            "distribution_gradients",
            "gamma",
            torch._standard_gamma_grad,
            (between(0.5, 3, 99), between(0.5, 3, 99)),
            tolerance=40,
        ),
    ]


CASES = [
    *_unary(),
    *_binary(),
    *_pointwise(),
    *_activation(),
    *_copies(),
    *_reductions(),
    *_sorting(),
    *_indexing(),
    *_random(),
]
