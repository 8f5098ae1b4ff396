"""Views with gaps, permutations, offsets and overlaps, as inputs and as outputs: where the mps backend has given wrong
values without an error."""

import pytest
import torch
import torch.nn.functional as F

from test.agreement import assert_agrees, assert_close, sample

pytestmark = pytest.mark.usefixtures("no_fallback")

# Views of a 6 x 8 x 4 tensor, that no kernel may take for dense.
VIEWS = {
    "transposed": lambda x: x[:, :, 0].t(),
    "every other": lambda x: x[:, :, 1],
    "columns": lambda x: x[:, :, 3],
    "rows": lambda x: x[1:5, 1:7, 1:3],
    "offset": lambda x: x.flatten()[3:51],
    "permuted": lambda x: x[:, :2].permute(2, 1, 0),
}
UNARY = ("abs", "exp", "sigmoid", "tanh", "neg", "round", "isfinite", "isinf", "sqrt", "relu", "sign", "square")


def whole(dtype=torch.float32, seed=0):
    return sample(6, 8, 4, dtype=dtype, seed=seed)


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())
@pytest.mark.parametrize("dtype", [torch.float32, torch.int16, torch.int32], ids=str)
def test_in_place_results_reach_a_view_and_nothing_beside_it(view, dtype):
    def compute(x):
        view(x).mul_(3).add_(1).clamp_(max=2)
        return x

    assert_agrees(compute, whole(dtype), backward=False)


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())
def test_out_reaches_a_view_and_nothing_beside_it(view):
    def compute(x, y):
        target = view(y)
        inputs = view(x)
        results = []
        for name in UNARY:
            if name.startswith("is"):
                continue
            if name == "relu":
                target.copy_(torch.relu(inputs))
            else:
                getattr(torch, name)(inputs, out=target)
            results.append(y.clone())
        torch.add(inputs, inputs, alpha=2, out=target)
        torch.maximum(inputs, target, out=target)
        return *results, y

    assert_agrees(compute, whole(), whole(seed=1), backward=False)


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())
def test_elementwise_operators_read_a_view(view):
    assert_agrees(lambda x: [getattr(torch, name)(view(x)) for name in UNARY], whole(), backward=False)


@pytest.mark.parametrize(
    "activation", [F.softplus, F.selu, F.elu, F.gelu, F.silu, F.mish, F.hardswish, F.logsigmoid, F.threshold, F.prelu]
)
def test_activations_and_their_gradients_follow_permutations(activation):
    arguments = {F.threshold: (0.1, 20.0), F.prelu: (torch.tensor([0.3]),)}.get(activation, ())

    def compute(x):
        moved = [a.to(x.device) if isinstance(a, torch.Tensor) else a for a in arguments]
        return activation(x.movedim(0, 1), *moved), activation(x[:, 1:3], *moved), activation(x.t()[::2], *moved)

    assert_agrees(compute, sample(5, 6))


def test_fused_arithmetic_in_place_on_a_transposed_tensor():
    def compute(x, y, z):
        return x.t().addcdiv_(y.t(), z.abs().add(1).t(), value=2), x.t().addcmul_(y, z.t()), x.t().lerp_(y.t(), 0.3)

    assert_agrees(compute, *(sample(3, 3, seed=i) for i in range(3)), backward=False)


def test_where_reads_a_strided_condition_and_strided_choices():
    def compute(condition, x, y):
        return torch.where(condition.t(), x, y), torch.where(condition[::2], x[:, :3].t(), 0)

    assert_agrees(compute, sample(6, 6) > 0, sample(6, 6, seed=1), sample(6, 6, seed=2))


def test_losses_of_strided_inputs():
    def compute(x, y):
        return F.mse_loss(x.t(), y.t()), F.l1_loss(x[:, ::2], y[:, ::2]), F.smooth_l1_loss(x.t(), y)

    assert_agrees(compute, sample(6, 6), sample(6, 6, seed=1))


def test_comparisons_of_zero_dimensional_views_read_their_own_element():
    assert_agrees(lambda x: (x[0] > x[1], x[1] > x[0], x[2] == x[3], x[3] - x[0]), sample(4), backward=False)


def test_concatenation_of_slices_with_steps():
    def compute(x):
        even, odd = x[..., ::2], x[..., 1::2]
        return torch.stack((-odd, even), -1).flatten(-2), torch.cat((odd.t(), even.t())), torch.cat((x.t(), x.t()), 1)

    assert_agrees(compute, sample(6, 8))


@pytest.mark.parametrize("name", ["gappy", "transposed", "expanded"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.int64, torch.bool], ids=str)
def test_copies_between_gappy_views(name, dtype):
    source = {
        "gappy": lambda x: x[::2, 1::3],
        "transposed": lambda x: x.t()[::3, ::2].t()[:6],
        "expanded": lambda x: x[:1],
    }

    def compute(x, y):
        y[:6, :6][::2, ::2].copy_(source[name](x)[:3, :3])
        y[7:, 2:].copy_(source[name](x)[:1, :4].expand(5, 4)[:, :1])
        return y

    assert_agrees(compute, sample(12, 12).to(dtype), sample(12, 12, seed=1).to(dtype), backward=False)


def test_overlapping_windows_are_copied_out():
    def compute(x):
        windows = x.as_strided((9, 4), (1, 1))
        return windows.contiguous(), windows.clone(), windows.t().contiguous(), x.unfold(0, 5, 2).contiguous()

    assert_agrees(compute, sample(12))


@pytest.mark.parametrize("dtypes", [("float32", "int32"), ("float16", "int16"), ("int32", "float32")], ids=str)
def test_a_dtype_changing_copy_onto_its_own_memory(dtypes, device):
    source, target = (getattr(torch, name) for name in dtypes)
    x = torch.arange(-1000, 1000).to(source)
    expected = x.to(target)
    on_device = x.to(device)
    on_device.view(target).copy_(on_device)
    assert torch.equal(on_device.view(target).cpu(), expected)


def test_a_shifted_copy_onto_its_own_memory_raises_as_on_the_cpu(device):
    for where in ("cpu", device):
        x = torch.arange(10.0, device=where)
        with pytest.raises(RuntimeError, match="some elements of the input tensor and the written-to tensor refer"):
            x[1:].copy_(x[:-1])


@pytest.mark.parametrize("begin", [1, 3, 5, 17])
@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.float16], ids=str)
def test_fill_of_an_offset_view_stays_within_it(begin, dtype):
    def compute(x):
        x[begin : begin + 13].fill_(1)
        x[begin + 20 :: 3].zero_()
        x[begin + 15 : begin + 16] = True
        return x

    assert_agrees(compute, (sample(64) > 0).to(dtype), backward=False)


def test_random_numbers_fill_strided_tensors(device):
    fills = [lambda t: t.normal_(), lambda t: t.uniform_(1, 2), lambda t: t.exponential_(), lambda t: t.random_(1, 9)]
    for fill in [*fills, lambda t: t.bernoulli_(0.5), lambda t: t.cauchy_()]:
        x = torch.full((40, 40), -7.0, device=device)
        fill(x.t()[::2])
        values = x.cpu()
        assert (values[:, 1::2] == -7).all()
        assert (values[:, ::2] != -7).all() and values[:, ::2].unique().numel() > 1


def test_matrix_products_of_strided_operands():
    def compute(x, w, b):
        return (
            F.linear(x, w.t(), b),
            F.linear(x[::2], w[:, :].t()[:, ::1], b),
            x.t()[:, :7] @ x[:7],
            torch.baddbmm(b, x.view(2, 5, 6)[:, :, ::2], w.view(2, 3, 5)),
            torch.einsum("ij,kj->ik", x[:, 1:4], x[:, 2:5]),
        )

    assert_agrees(compute, sample(10, 6), sample(6, 5), sample(5))


def test_matrix_products_do_not_depend_on_earlier_allocations(device):
    x, y = sample(300, 130), sample(300, 90, seed=1)
    expected = x.t() @ y
    for kilobytes in (1, 70, 900, 5000, 33):
        noise = torch.full((kilobytes * 256,), float("nan"), device=device)
        del noise
        torch.testing.assert_close((x.to(device).t() @ y.to(device)).cpu(), expected, rtol=1e-5, atol=1e-4)


def test_convolution_with_a_strided_weight():
    def compute(x, weights):
        turned, part = weights[:, :, 0].transpose(2, 3), weights[:, 1:5, 2]
        return F.conv2d(x, weights[:, :, 1]), F.conv2d(x, turned), F.conv2d(x[:, 1:5], part)

    assert_agrees(compute, sample(2, 8, 9, 7), sample(4, 8, 3, 3, 3), rtol=1e-4, atol=1e-4)


def test_reductions_of_strided_views():
    def compute(x):
        y = x.permute(2, 0, 1)
        return y.sum(), y[1:].sum(0), y[:, ::2].mean(1), y.amax((0, 2)), y.var(1), y.argmax(1), x[::2, ::3].prod(2)

    assert_agrees(compute, sample(6, 8, 4))


def test_a_reduction_gives_the_same_value_every_time(device):
    x = sample(16, 210, 256).to(device)
    for reduce in (torch.sum, torch.mean, torch.nansum, torch.count_nonzero, lambda t: t[0].trace()):
        assert len({reduce(x).item() for _ in range(50)}) == 1


CHANNELS_LAST = {
    "channels_last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "slice of channels": lambda x: x[:, 1:5],
    "slice of rows": lambda x: x[:, :4, 1:, ::2],
    "permuted": lambda x: x.permute(0, 1, 3, 2),
    "channels_last slice": lambda x: x.contiguous(memory_format=torch.channels_last)[:, :4, :, 1:],
}


@pytest.mark.parametrize("layout", CHANNELS_LAST.values(), ids=CHANNELS_LAST.keys())
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_and_its_gradients_in_every_layout(layout, training):
    def compute(x, weight, bias):
        y = layout(x)
        c = y.size(1)
        mean, variance = torch.zeros(c, device=x.device), torch.ones(c, device=x.device)
        return F.batch_norm(y, mean, variance, weight[:c], bias[:c], training), mean, variance

    assert_agrees(compute, sample(4, 6, 6, 6), sample(6, seed=1), sample(6, seed=2), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("layout", CHANNELS_LAST.values(), ids=CHANNELS_LAST.keys())
@pytest.mark.parametrize("weight_layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_convolution_and_its_gradients_in_every_layout(layout, weight_layout):
    def compute(x, weight):
        y = layout(x)
        w = weight[:, : y.size(1)].contiguous(memory_format=weight_layout)
        each = F.conv2d(y[:, :4], w[:, :1], groups=4)
        return F.conv2d(y, w, padding=1), each

    assert_agrees(compute, sample(3, 6, 6, 6), sample(4, 6, 3, 3, seed=1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("pool", [F.avg_pool2d, F.max_pool2d, F.adaptive_avg_pool2d, F.adaptive_max_pool2d])
@pytest.mark.parametrize("layout", CHANNELS_LAST.values(), ids=CHANNELS_LAST.keys())
def test_pooling_and_its_gradients_in_every_layout(pool, layout):
    assert_agrees(lambda x: pool(layout(x), 2), sample(3, 6, 6, 6))


@pytest.mark.parametrize("name", ["hardswish", "relu", "sigmoid", "tanh", "tanhshrink", "gelu"])
def test_activation_gradients_in_channels_last(name, device):
    function = getattr(F, name)
    x, grad = sample(2, 3, 4, 5), sample(2, 3, 4, 5, seed=1)
    results = []
    for where in ("cpu", device):
        for form in (torch.contiguous_format, torch.channels_last):
            leaf = x.to(where).contiguous(memory_format=form).requires_grad_()
            (gradient,) = torch.autograd.grad(function(leaf), leaf, grad.to(where))
            results.append(gradient)
    assert_close(results[2:], results[:2])


def test_linear_layers_take_gradients_in_channels_last():
    def compute(x, w, b):
        return F.linear(x, w, b).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)

    assert_agrees(compute, sample(2, 4, 5, 6), sample(7, 6), sample(7))
