"""Reading and writing large tensors at places that indices or masks name."""

import pytest
import torch
import torch.nn.functional as F

from test.large.sizes import BEYOND_31, BEYOND_32, landmarks, marked, marks

PLACES = landmarks(BEYOND_32)
NUMBERS = list(range(1, len(PLACES) + 1))


def places():
    return torch.tensor(PLACES, device="metal")


@pytest.mark.needs(6)
def test_reading_at_indices():
    x, at = marked(), places()
    assert x[at].tolist() == NUMBERS and x.take(at).tolist() == NUMBERS
    assert x.index_select(0, at).tolist() == NUMBERS and x.gather(0, at).tolist() == NUMBERS
    assert x[at - BEYOND_32].tolist() == NUMBERS
    matrix = x[: 2**32].view(2**16, 2**16)
    assert matrix[at[:6] // 2**16, at[:6] % 2**16].tolist() == NUMBERS[:6]
    assert matrix.index_select(1, torch.tensor([2**16 - 1], device="metal")).count_nonzero() == 2


@pytest.mark.needs(6)
def test_writing_at_indices():
    at, numbers = places(), torch.tensor(NUMBERS, dtype=torch.int8, device="metal")
    for write in (
        lambda x: x.index_put_((at,), numbers),
        lambda x: x.index_put_((at,), numbers, accumulate=True),
        lambda x: x.scatter_(0, at, numbers),
        lambda x: x.scatter_add_(0, at, numbers),
        lambda x: x.index_copy_(0, at, numbers),
        lambda x: x.index_add_(0, at, numbers),
        lambda x: x.put_(at, numbers),
        lambda x: x.index_fill_(0, at, 1).index_add_(0, at, numbers - 1),
    ):
        x = torch.zeros(BEYOND_32, dtype=torch.int8, device="metal")
        write(x)
        assert marks(x)


@pytest.mark.needs(6)
def test_an_index_beyond_the_end_raises_and_writes_nothing():
    x = torch.zeros(BEYOND_32, dtype=torch.int8, device="metal")
    with pytest.raises(RuntimeError, match=f"index {BEYOND_32} is out of bounds"):
        x.scatter_(0, torch.tensor([BEYOND_32], device="metal"), 1)
        torch.metal.synchronize()
    assert not x.any()


@pytest.mark.needs(6)
def test_rows_of_an_embedding_beyond_2_to_the_31_elements():
    rows, features = 2**17 + 1, 2**15 + 1
    table = torch.zeros(rows, features, dtype=torch.int8, device="metal")
    at = torch.tensor([0, 2**31 // features - 1, 2**31 // features + 1, rows - 1], device="metal")
    table[at] = torch.tensor([[1], [2], [3], [4]], dtype=torch.int8, device="metal")
    assert F.embedding(at, table).sum(1).tolist() == [features * n for n in (1, 2, 3, 4)]
    assert F.embedding(at - 1 + (at == 0).long(), table)[1:].any(1).tolist() == [False, False, False]


@pytest.mark.needs(6)
def test_results_of_more_than_2_to_the_31_elements():
    table = torch.arange(7, dtype=torch.int8, device="metal").unsqueeze(1).expand(7, 2**15 + 1).contiguous()
    tokens = torch.arange(2**16 + 1, device="metal") % 7
    x = F.embedding(tokens, table)
    assert x.numel() > 2**31 and torch.equal(x[:, -1].long(), tokens) and (x != x[:, :1]).sum() == 0


def test_nonzero_and_masks():
    x = marked()
    mask = x > 0
    assert mask.nonzero().flatten().tolist() == PLACES
    assert x[mask].tolist() == NUMBERS and x.masked_select(mask).tolist() == NUMBERS
    x.masked_fill_(mask, 5)
    assert x.sum().item() == 45
    x[mask] = torch.tensor(NUMBERS, dtype=torch.int8, device="metal")
    assert marks(x)


@pytest.mark.needs(6)
def test_nonzero_of_a_matrix():
    mask = marked(65537 * 65536, torch.bool).view(65537, 65536)
    places = landmarks(mask.numel())
    assert mask.nonzero().tolist() == [[at // 65536, at % 65536] for at in places]


def test_concatenation():
    a = torch.full((32769, 65536), 1, dtype=torch.int8, device="metal")
    b = torch.full((32769, 65536), 2, dtype=torch.int8, device="metal")
    whole = torch.cat((a, b), 1)
    assert whole.numel() > 2**32 and torch.equal(whole[:, :65536], a) and torch.equal(whole[:, 65536:], b)


@pytest.mark.needs(6)
def test_gradients_of_an_embedding_beyond_2_to_the_31_elements():
    rows, features = 2**17 + 1, 2**14 + 1
    at = torch.tensor([0, rows - 1, rows - 1], device="metal")
    grad = torch.ones(3, features, dtype=torch.bfloat16, device="metal")
    table = torch.ops.aten.embedding_dense_backward(grad, at, rows, -1, False)
    assert table.numel() > 2**31
    sums = table.sum(1, dtype=torch.float)
    assert sums[0] == features and sums[-1] == 2 * features and sums.count_nonzero() == 2
