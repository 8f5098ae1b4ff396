"""ResNet-50 and VGG16, classifying pieces of photographs."""

from functools import cache

import torch
import torch.nn.functional as F
from sklearn.datasets import load_sample_images
from torch import nn

from .workload import Batch, Workload

CLASSES = 1000


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions around a shortcut; the 3x3 one takes the stride."""

    EXPANSION = 4

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        out = width * self.EXPANSION
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, out, 1, bias=False),
            nn.BatchNorm2d(out),
        )
        self.shortcut = nn.Identity()
        if stride != 1 or channels != out:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu_(self.layers(x) + self.shortcut(x))


class ResNetModel(nn.Sequential):
    """Residual network of He et al., "Deep Residual Learning for Image Recognition" (2015), with bottlenecks.

    Maps (n, 3, height, width) to (n, 1000). `depths` counts the blocks of each stage, `width` its first channels.
    """

    def __init__(self, depths: tuple[int, ...] = (3, 4, 6, 3), width: int = 64) -> None:
        stem = [
            nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
        ]
        blocks = []
        channels = width
        for stage, depth in enumerate(depths):
            for block in range(depth):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(Bottleneck(channels, width << stage, stride))
                channels = (width << stage) * Bottleneck.EXPANSION
        super().__init__(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES))
        _initialize_convolutions(self)
        # Blocks start as their shortcuts (Goyal et al., 2017); otherwise roundings decide how training goes.
        for block in blocks:
            nn.init.zeros_(block.layers[-1].weight)


class VggModel(nn.Sequential):
    """Configuration D of Simonyan and Zisserman, "Very Deep Convolutional Networks" (2014): 13 convolutions of 3x3.

    Maps (n, 3, height, width) to (n, 1000). `width` is the first convolution's channels, `hidden` the classifier's.
    """

    STAGES = ((1, 2), (2, 2), (4, 3), (8, 3), (8, 3))  # channels in widths, convolutions

    def __init__(self, width: int = 64, hidden: int = 4096, dropout: float = 0.5) -> None:
        layers: list[nn.Module] = []
        channels = 3
        for factor, convolutions in self.STAGES:
            for _ in range(convolutions):
                layers += [nn.Conv2d(channels, factor * width, 3, padding=1), nn.ReLU(inplace=True)]
                channels = factor * width
            layers.append(nn.MaxPool2d(2))
        layers += [nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(49 * channels, hidden), nn.ReLU(inplace=True)]
        layers += [nn.Dropout(dropout), nn.Linear(hidden, hidden), nn.ReLU(inplace=True)]
        layers += [nn.Dropout(dropout), nn.Linear(hidden, CLASSES)]
        super().__init__(*layers)
        _initialize_convolutions(self)


def _initialize_convolutions(model: nn.Module) -> None:
    """Keeps the variance of what flows through many ReLUs, as He et al. propose."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


@cache
def _photographs() -> torch.Tensor:
    """The two photographs that come with scikit-learn, (2, 3, 427, 640), mean 0 and variance 1."""
    images = torch.stack([torch.tensor(image).permute(2, 0, 1).float() for image in load_sample_images().images])
    return (images - images.mean()) / images.std()


def image_batches(count: int, size: int, side: int) -> list[Batch]:
    """Squares of `side` pixels from random places of the photographs; the class says which photograph and part."""
    photographs = _photographs()
    height, width = photographs.shape[2:]
    random = torch.Generator().manual_seed(0)

    def sample() -> tuple[torch.Tensor, int]:
        which, row, column = (
            int(torch.randint(limit, (), generator=random)) for limit in (2, height - side, width - side)
        )
        return photographs[which, :, row : row + side, column : column + side], 4 * which + 4 * column // width

    batches = []
    for _ in range(count):
        images, classes = zip(*(sample() for _ in range(size)), strict=True)
        batches.append((torch.stack(images), torch.tensor(classes)))
    return batches


class _Vision(Workload):
    def batches(self, count: int, size: int, tiny: bool = False) -> list[Batch]:
        return image_batches(count, size, 64 if tiny else 224)

    def loss(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        return F.cross_entropy(model(batch[0]), batch[1])

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        # The rate is a tenth of what is common for batches of hundreds: with few images more makes training erratic.
        return torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4)


class ResNet(_Vision):
    name = "ResNet-50"
    batch_size = 4

    def build(self, tiny: bool = False, dropout: bool = True) -> nn.Module:
        return ResNetModel((1, 1, 1, 1), 8) if tiny else ResNetModel()


class Vgg(_Vision):
    name = "VGG16"
    batch_size = 2

    def build(self, tiny: bool = False, dropout: bool = True) -> nn.Module:
        rate = 0.5 if dropout else 0.0
        return VggModel(8, 32, rate) if tiny else VggModel(dropout=rate)
