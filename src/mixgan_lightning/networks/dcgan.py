"""DCGAN (Radford, Metz, Chintala 2016) for square images of any size from 8 to 128 pixels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.networks.conditioning import one_hot
from mixgan_lightning.networks.minibatch import MinibatchDiscrimination
from mixgan_lightning.options import check_count


class DCGANGenerator(nn.Module):
    """G: [h, one-hot y] → linear to width·2^(k−1) × s × s → k transposed convolutions 5×5, stride 2 → tanh.

    BatchNorm and ReLU follow every layer but the last; each layer halves the channels and doubles the side, up to one
    pixel for odd sides: 64 ← 32 ← 16 ← 8 ← 4 (k = 4) and 28 ← 14 ← 7 (k = 2). With width 128 and 64×64 images the
    channels are the paper's 1024 → 512 → 256 → 128 → 3. Weights start at N(0, 0.02), BatchNorm's gains at N(1, 0.02).

    Args:
        sample_shape: (C, S, S), 8 ≤ S ≤ 128.
        latent_dim: width of the latent vector h; 100 in the paper.
        width: channels of the layer before the image; 128 in the paper, 64 in most ports and a quarter of the cost.
        num_classes: number of labels of a conditional generator; None for an unconditional one.

    Raises:
        ConfigurationError: the shape is not a square image of a size from 8 to 128.

    Example:
        >>> DCGANGenerator((3, 32, 32), width=8)(torch.randn(5, 100)).shape
        torch.Size([5, 3, 32, 32])
    """

    def __init__(
        self, sample_shape: Sequence[int], latent_dim: int = 100, width: int = 64, num_classes: int | None = None
    ) -> None:
        super().__init__()
        sides = _sides(sample_shape)[::-1]
        check_count("width", width)
        channels = [width * 2**i for i in reversed(range(len(sides) - 1))]
        self.sample_shape = tuple(sample_shape)
        self.latent_dim = latent_dim
        self.num_classes = num_classes
        self.project = nn.Sequential(
            nn.Linear(latent_dim + (num_classes or 0), channels[0] * sides[0] ** 2, bias=False),  # BatchNorm adds one
            nn.Unflatten(1, (channels[0], sides[0], sides[0])),
            nn.BatchNorm2d(channels[0]),
            nn.ReLU(),
        )
        steps = list(zip(pairwise(channels), pairwise(sides), strict=False))  # one side more: the image's
        self.upsample = nn.Sequential(
            *(
                nn.Sequential(_upsampling(n, m, side, larger, bias=False), nn.BatchNorm2d(m), nn.ReLU())
                for (n, m), (side, larger) in steps
            ),
            _upsampling(channels[-1], self.sample_shape[0], sides[-2], sides[-1], bias=True),
            nn.Tanh(),
        )
        self.apply(_initialise)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Latents (N, latent_dim) and, if conditional, labels (N,) → images (N, C, S, S) in (−1, 1)."""
        inputs = torch.cat([latents, one_hot(labels, self.num_classes, like=latents)], dim=1)
        return self.upsample(self.project(inputs))


class DCGANDiscriminator(nn.Module):
    """D: [x, one-hot planes y] → k convolutions 5×5, stride 2, LeakyReLU(0.2) → linear: a raw score, no sigmoid.

    The generator mirrored: the side halves and the channels double, width → … → width·2^(k−1). BatchNorm follows
    every convolution but the first. Initialised as the generator is.

    `forward` is `judge` of `features`, the flattened activations before the last layer, (N, features).

    Args:
        sample_shape: (C, S, S), 8 ≤ S ≤ 128.
        width: channels after the first convolution; 128 in the paper, 64 in most ports and a quarter of the cost.
        num_classes: number of labels of a conditional discriminator; None for an unconditional one.
        batch_norm: False leaves BatchNorm out: a gradient penalty is defined for each sample by itself.
        minibatch_kernels: kernels of a minibatch discrimination before the last layer (Salimans et al. 2016, Section
            3.2, where it has 100); 0, the default: none.

    Raises:
        ConfigurationError: the shape is not a square image of a size from 8 to 128.

    Example:
        >>> DCGANDiscriminator((3, 32, 32), width=8)(torch.randn(5, 3, 32, 32)).shape
        torch.Size([5])
    """

    def __init__(
        self,
        sample_shape: Sequence[int],
        width: int = 64,
        num_classes: int | None = None,
        batch_norm: bool = True,
        minibatch_kernels: int = 0,
    ) -> None:
        super().__init__()
        sides = _sides(sample_shape)
        check_count("width", width)
        channels = [width * 2**i for i in range(len(sides) - 1)]
        self.sample_shape = tuple(sample_shape)
        self.num_classes = num_classes
        self.downsample = nn.Sequential(
            _downsampling(self.sample_shape[0] + (num_classes or 0), channels[0], bias=True),
            nn.LeakyReLU(0.2),
            *(
                nn.Sequential(
                    _downsampling(n, m, bias=not batch_norm),
                    nn.BatchNorm2d(m) if batch_norm else nn.Identity(),
                    nn.LeakyReLU(0.2),
                )
                for n, m in pairwise(channels)
            ),
        )
        features = channels[-1] * sides[-1] ** 2
        self.minibatch = MinibatchDiscrimination(features, minibatch_kernels) if minibatch_kernels else nn.Identity()
        self.head = nn.Linear(features + minibatch_kernels, 1)
        self.apply(_initialise)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images (N, C, S, S) and, if conditional, labels (N,) → raw scores (N,)."""
        return self.judge(self.features(images, labels))

    def features(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """The same → activations (N, features)."""
        rows = one_hot(labels, self.num_classes, like=images)
        planes = rows[:, :, None, None].expand(-1, -1, *images.shape[2:])
        return self.downsample(torch.cat([images, planes], dim=1)).flatten(1)

    def judge(self, features: Tensor) -> Tensor:
        """Activations (N, features) → raw scores (N,)."""
        return self.head(self.minibatch(features)).squeeze(1)


def _sides(sample_shape: Sequence[int]) -> list[int]:
    """S, ⌈S/2⌉, … until 7 or less, where the paper has 4: 28 → [28, 14, 7]. At least one halving."""
    shape = tuple(sample_shape)
    if len(shape) != 3 or shape[0] < 1 or shape[1] != shape[2] or not 8 <= shape[1] <= 128:
        raise ConfigurationError(
            f"expected sample_shape (C, S, S) with 8 <= S <= 128, got {shape}; resize the images or use the MLP"
        )
    sides = [shape[1]]
    while sides[-1] > 7:
        sides.append((sides[-1] + 1) // 2)
    return sides


def _downsampling(n: int, m: int, bias: bool) -> nn.Conv2d:
    return nn.Conv2d(n, m, 5, stride=2, padding=2, bias=bias)  # S → ⌈S/2⌉


def _upsampling(n: int, m: int, side: int, larger: int, bias: bool) -> nn.ConvTranspose2d:
    padding = larger - (2 * side - 1)  # a side s gives 2s − 1 by itself: the odd sizes; one more for the even ones
    return nn.ConvTranspose2d(n, m, 5, stride=2, padding=2, output_padding=padding, bias=bias)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d | nn.BatchNorm2d):
        nn.init.normal_(module.weight, mean=float(isinstance(module, nn.BatchNorm2d)), std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
