"""Sizes beyond what 32 bits count, and tensors of them with few elements that differ."""

import torch

BEYOND_31 = 2**31 + 2**16 + 3
BEYOND_32 = 2**32 + 2**16 + 3

# Where offsets of 31 and of 32 bits end, and around.
LANDMARKS = [0, 1, 2**31 - 1, 2**31, 2**31 + 1, 2**32 - 1, 2**32, 2**32 + 1, BEYOND_32 - 1]


def landmarks(size):
    return [at for at in LANDMARKS if at < size] + ([size - 1] if size < BEYOND_32 else [])


def marked(size=BEYOND_32, dtype=torch.int8):
    """Zeros, with 1, 2, 3 ... at the landmarks."""
    x = torch.zeros(size, dtype=dtype, device="metal")
    for number, at in enumerate(landmarks(size)):
        x[at] = number + 1
    return x


def marks(x, step=1, plus=0):
    """Whether `x`, flat, has step * 1, step * 2 ... plus `plus` at the landmarks and `plus` elsewhere."""
    x = x.view(-1)
    places = landmarks(x.numel())
    values = [x[at].item() for at in places]
    return values == [step * (n + 1) + plus for n in range(len(places))] and (x != plus).sum().item() == sum(
        v != plus for v in values
    )
