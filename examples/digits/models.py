"""Two small classifiers in plain PyTorch: nothing in here knows of metal."""

import torch
from torch import nn


class ConvNet(nn.Sequential):
    """(n, 1, 8, 8) -> (n, 10) logits: two convolutional stages with batch norm, max and average pooling."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 32, 3, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(64, 64, 3, padding=1),
            nn.GroupNorm(8, 64),
            nn.SiLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(256, 10),
        )


class Transformer(nn.Module):
    """(n, 1, 8, 8) -> (n, 10) logits: each 2x2 patch is a token of 64 features, two pre-norm encoder layers."""

    def __init__(self, width: int = 64, heads: int = 4, layers: int = 2) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, width, kernel_size=2, stride=2)
        self.position = nn.Embedding(16, width)
        layer = nn.TransformerEncoderLayer(
            width, heads, dim_feedforward=2 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, layers, norm=nn.LayerNorm(width), enable_nested_tensor=False)
        self.head = nn.Linear(width, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        tokens = tokens + self.position(torch.arange(tokens.shape[1], device=images.device))
        return self.head(self.encoder(tokens).mean(dim=1))


MODELS: dict[str, type[nn.Module]] = {"convolutional": ConvNet, "transformer": Transformer}
