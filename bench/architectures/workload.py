"""What a benchmark or a test needs of a model: how it is built, what it is fed, and one step of its training."""

from abc import ABC, abstractmethod

import torch
from torch import nn

Batch = tuple[torch.Tensor, torch.Tensor]


class Workload(ABC):
    """A model with its data. `tiny` shrinks both to what a test can wait for; the structure stays."""

    name: str
    batch_size: int  # what two CPU cores train in about a second

    @abstractmethod
    def build(self, tiny: bool = False, dropout: bool = True) -> nn.Module:
        """A model on the CPU with random weights from the default generator. Without dropout it is a function of its
        inputs alone, and two devices can be compared."""

    @abstractmethod
    def batches(self, count: int, size: int, tiny: bool = False) -> list[Batch]:
        """`count` batches of `size` samples each: inputs and targets, always the same ones."""

    @abstractmethod
    def loss(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        """The mean loss over a batch."""

    @abstractmethod
    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """The kind that the model is commonly trained with."""

    def step(self, model: nn.Module, optimizer: torch.optim.Optimizer, batch: Batch, autocast: bool) -> torch.Tensor:
        """One step of training, in float32 or with bfloat16 where autocast chooses so; returns the loss."""
        optimizer.zero_grad()
        with torch.autocast(batch[0].device.type, torch.bfloat16, enabled=autocast):
            loss = self.loss(model, batch)
        loss.backward()
        optimizer.step()
        return loss.detach()

    @torch.no_grad()
    def evaluate(self, model: nn.Module, batch: Batch, autocast: bool) -> torch.Tensor:
        """The loss of a model in evaluation mode."""
        with torch.autocast(batch[0].device.type, torch.bfloat16, enabled=autocast):
            return self.loss(model, batch)
