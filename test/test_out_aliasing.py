"""``out=`` that overlaps itself or an input raises what it raises on the CPU."""

import pytest
import torch

ITSELF = "unsupported operation: more than one element of the written-to tensor refers to a single memory location"
AN_INPUT = "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory"

# Each takes a square input and out=.
OPERATORS = {
    "add": lambda x, out: torch.add(x, 1, out=out),
    "exp": lambda x, out: torch.exp(x, out=out),
    "clamp": lambda x, out: torch.clamp(x, 0, 1, out=out),
    "lerp": lambda x, out: torch.lerp(x, x, 0.5, out=out),
    "where": lambda x, out: torch.where(x > 0, x, x, out=out),
    "cumsum": lambda x, out: torch.cumsum(x, 0, out=out),
    "cumprod": lambda x, out: torch.cumprod(x, 1, out=out),
    "logcumsumexp": lambda x, out: torch.logcumsumexp(x, 1, out=out),
    "gather": lambda x, out: torch.gather(x, 0, torch.zeros(4, 4, dtype=torch.long, device=x.device), out=out),
    "index_select": lambda x, out: torch.index_select(x, 0, torch.arange(4, device=x.device), out=out),
    "index_add": lambda x, out: torch.index_add(x, 0, torch.arange(4, device=x.device), x.clone(), out=out),
    "scatter": lambda x, out: torch.scatter(x, 0, torch.zeros(4, 4, dtype=torch.long, device=x.device), 1.0, out=out),
    "take": lambda x, out: torch.take(x, torch.zeros(4, 4, dtype=torch.long, device=x.device), out=out),
    "cat": lambda x, out: torch.cat((x[:2], x[2:]), out=out),
    "addmm": lambda x, out: torch.addmm(x, torch.ones_like(x), torch.ones_like(x), out=out),
    "addr": lambda x, out: torch.addr(x, torch.ones(4, device=x.device), torch.ones(4, device=x.device), out=out),
    "softplus": lambda x, out: torch.ops.aten.softplus(x, out=out),
}
ONLY_ITSELF = {
    "mm": lambda x, out: torch.mm(x, x, out=out),
    "linear": lambda x, out: torch._C._nn.linear(x, x, out=out),
    "masked_select": lambda x, out: torch.masked_select(x, torch.ones(16, 1, device=x.device) > 0, out=out),
}


def message(operator, x, out):
    try:
        operator(x, out)
    except RuntimeError as error:
        return str(error)
    return None


@pytest.mark.parametrize("operator", [*OPERATORS.values(), *ONLY_ITSELF.values()], ids=[*OPERATORS, *ONLY_ITSELF])
def test_an_expanded_out_is_refused(operator):
    for device in ("cpu", "metal"):
        x = torch.ones(4, 4, device=device)
        assert ITSELF in (message(operator, x, torch.zeros(1, 4, device=device).expand(4, 4)) or ""), device


@pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS.keys())
def test_an_out_that_overlaps_the_input_in_part_is_refused(operator):
    for device in ("cpu", "metal"):
        memory = torch.ones(20, device=device)
        assert AN_INPUT in (message(operator, memory[:16].view(4, 4), memory[1:17].view(4, 4)) or ""), device


@pytest.mark.parametrize("name", ["add", "exp", "clamp", "lerp", "cumsum", "cumprod", "addmm", "addr", "softplus"])
def test_an_out_that_is_the_input_is_written(name):
    results = []
    for device in ("cpu", "metal"):
        x = (torch.arange(16.0) / 8).view(4, 4).to(device)
        OPERATORS[name](x, x)
        results.append(x.cpu())
    torch.testing.assert_close(results[1], results[0])


def test_a_matrix_product_may_write_its_operand(device):
    x, y = torch.randn(33, 33), torch.randn(33, 33)
    a, b = x.to(device), y.to(device)
    torch.mm(a, b, out=a)
    torch.testing.assert_close(a.cpu(), x @ y, rtol=1e-4, atol=1e-4)
    torch.mm(b, b.t(), out=b)
    torch.testing.assert_close(b.cpu(), y @ y.t(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.bool, torch.float32, torch.int64], ids=str)
def test_addr_in_place_keeps_the_size_of_what_it_writes(dtype, device):
    for where in ("cpu", device):
        a, b = torch.ones(3, dtype=dtype, device=where), torch.ones(4, dtype=dtype, device=where)
        with pytest.raises(RuntimeError, match="2D tensor expected, got 0D tensor for input"):
            torch.ones((), dtype=dtype, device=where).addr_(a, b)
        with pytest.raises(RuntimeError, match="size mismatch, input: "):
            torch.ones(1, 4, dtype=dtype, device=where).addr_(a, b)


def test_masked_fill_refuses_values_that_the_dtype_cannot_hold(device):
    for where in ("cpu", device):
        for dtype, value in [(torch.float32, 1j), (torch.uint8, 300), (torch.int8, -200), (torch.float16, 1e6)]:
            x = torch.ones(2, device=where).to(dtype)
            with pytest.raises(RuntimeError, match="value cannot be converted to type .* without overflow"):
                x.masked_fill(x > 0, value)
        with pytest.raises(RuntimeError, match="value cannot be converted to type .* without overflow"):
            torch.ones(2, dtype=torch.long, device=where).masked_fill_(
                torch.ones(2, device=where) > 0, torch.tensor(1j, device=where)
            )
