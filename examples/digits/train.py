"""The training loop: what a user would write for any device."""

import time
from dataclasses import dataclass, field

import torch
from torch import nn
from tqdm import tqdm

from . import data
from .models import MODELS

BATCH = 64
EPOCHS = {"convolutional": 10, "transformer": 30}
LEARNING_RATE = {"convolutional": 2e-3, "transformer": 3e-3}


@dataclass
class Run:
    """What one training left behind. `seconds` is the training alone, device work included."""

    model: str
    device: str
    losses: list[float] = field(default_factory=list)
    accuracy: float = 0.0
    seconds: float = 0.0
    predictions: torch.Tensor | None = None

    @property
    def samples_per_second(self) -> float:
        return BATCH * len(self.losses) / self.seconds


def train(name: str, digits: data.Digits, device: torch.device | str, seed: int = 0, epochs: int | None = None) -> Run:
    """Trains `MODELS[name]` on `device` with Adam and tests it. The same seed starts from the same weights."""
    torch.manual_seed(seed)
    model = MODELS[name]().to(device)
    digits = digits.to(device)
    batches = data.batches(len(digits.train_labels), BATCH, epochs or EPOCHS[name], seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE[name])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE[name], total_steps=len(batches))
    criterion = nn.CrossEntropyLoss()
    run = Run(name, str(device))

    losses = []
    start = time.perf_counter()
    for indices in tqdm(batches, desc=f"{name:>13} on {device}", unit="step", dynamic_ncols=True):
        indices = indices.to(device)
        optimizer.zero_grad()
        loss = criterion(model(digits.train_images[indices]), digits.train_labels[indices])
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.detach())
    run.losses = torch.stack(losses).tolist()  # the only wait for the device
    run.seconds = time.perf_counter() - start

    model.eval()
    with torch.no_grad():
        run.predictions = model(digits.test_images).argmax(dim=1).cpu()
    run.accuracy = (run.predictions == digits.test_labels.cpu()).float().mean().item()
    return run
