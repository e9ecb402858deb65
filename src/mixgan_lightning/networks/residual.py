"""The blocks of residual generators and discriminators (Gulrajani et al. 2017, Miyato et al. 2018), alike in both."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, relu

from mixgan_lightning.networks.conditional_batchnorm import batch_norm

Wrap = Callable[[nn.Module], nn.Module]  # spectral normalisation, or nothing

RESIDUAL_GAIN = math.sqrt(2)  # of Glorot & Bengio's uniform law, for the convolutions before and after a ReLU


def convolution(n: int, m: int, size: int = 3, gain: float = RESIDUAL_GAIN) -> nn.Conv2d:
    """A convolution that keeps the side; weights from Glorot & Bengio's uniform law times a gain, biases 0."""
    layer = nn.Conv2d(n, m, size, padding=size // 2)
    nn.init.xavier_uniform_(layer.weight, gain)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


def linear(n: int, m: int, bias: bool = True) -> nn.Linear:
    """A linear layer, from Glorot & Bengio's uniform law."""
    layer = nn.Linear(n, m, bias=bias)
    nn.init.xavier_uniform_(layer.weight)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


class UpBlock(nn.Module):
    """Twice the side: BatchNorm → ReLU → nearest neighbour × 2 → 3×3 → BatchNorm → ReLU → 3×3; beside it × 2 → 1×1.

    Args:
        n, m: channels in and out.
        num_classes: of conditional BatchNorm; None: the ordinary one.
    """

    def __init__(self, n: int, m: int, num_classes: int | None = None) -> None:
        super().__init__()
        self.norm1, self.conv1 = batch_norm(n, num_classes), convolution(n, m)
        self.norm2, self.conv2 = batch_norm(m, num_classes), convolution(m, m)
        self.shortcut = convolution(n, m, size=1, gain=1)

    def forward(self, images: Tensor, rows: Tensor) -> Tensor:
        """(N, n, S, S), labels one-hot (N, num_classes) or (N, 0) → (N, m, 2S, 2S)."""
        found = self.conv1(_doubled(relu(self.norm1(images, rows))))
        return self.conv2(relu(self.norm2(found, rows))) + self.shortcut(_doubled(images))


class DownBlock(nn.Module):
    """ReLU → 3×3 → ReLU → 3×3 → mean of 2×2; beside it 1×1 → mean of 2×2. Without BatchNorm.

    Args:
        n, m: channels in and out.
        wrap: what each convolution is wrapped in.
        first: the block that sees the image: no ReLU before it, and the mean before the 1×1.
        halves: whether it halves the side; else, with as many channels out as in, the input itself stands beside.
    """

    def __init__(self, n: int, m: int, wrap: Wrap, *, first: bool = False, halves: bool = True) -> None:
        super().__init__()
        self.first, self.halves = first, halves
        self.conv1, self.conv2 = wrap(convolution(n, m)), wrap(convolution(m, m))
        self.shortcut = wrap(convolution(n, m, size=1, gain=1)) if halves or n != m else nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """(N, n, S, S) → (N, m, S/2, S/2), or of side S."""
        found = self.conv2(relu(self.conv1(images if self.first else relu(images))))
        if not self.halves:
            return found + self.shortcut(images)
        beside = self.shortcut(avg_pool2d(images, 2)) if self.first else avg_pool2d(self.shortcut(images), 2)
        return avg_pool2d(found, 2) + beside


def _doubled(images: Tensor) -> Tensor:
    return interpolate(images, scale_factor=2, mode="nearest")
