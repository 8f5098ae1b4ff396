"""scikit-learn's bundled digits: 1,797 scans of 8x8 pixels from 43 people."""

from dataclasses import dataclass

import torch
from sklearn.datasets import load_digits

HELD_BACK = 360  # a fifth, never trained on


@dataclass(frozen=True)
class Digits:
    """Images are float32 (n, 1, 8, 8) of zero mean and unit deviation; labels are int64 (n,)."""

    train_images: torch.Tensor
    train_labels: torch.Tensor
    test_images: torch.Tensor
    test_labels: torch.Tensor

    def to(self, device: torch.device | str) -> "Digits":
        return Digits(*(t.to(device) for t in vars(self).values()))


def load(seed: int = 0) -> Digits:
    """The data set on the CPU, split at random by `seed`."""
    bunch = load_digits()
    images = torch.from_numpy(bunch.images).to(torch.float32).unsqueeze(1)
    labels = torch.from_numpy(bunch.target).to(torch.int64)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    test, train = order[:HELD_BACK], order[HELD_BACK:]
    images = (images - images[train].mean()) / images[train].std()
    return Digits(images[train], labels[train], images[test], labels[test])


def batches(count: int, size: int, epochs: int, seed: int) -> list[torch.Tensor]:
    """Index tensors (size,) that shuffle `count` examples anew each epoch; the odd rest of an epoch is left out."""
    generator = torch.Generator().manual_seed(seed)
    return [
        batch
        for _ in range(epochs)
        for batch in torch.randperm(count, generator=generator).split(size)
        if len(batch) == size
    ]
