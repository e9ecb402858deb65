"""Residual generator and discriminator of WGAN-GP (Gulrajani et al. 2017) and SNGAN (Miyato et al. 2018)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm as normalised

from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.networks.conditioning import one_hot
from mixgan_lightning.networks.residual import DownBlock, UpBlock, convolution, linear
from mixgan_lightning.options import check_count

SIDES = (8, 16, 32, 64, 128)


class ResNetGenerator(nn.Module):
    """G: h → linear to width × 4 × 4 → residual blocks, each twice the side → BatchNorm → ReLU → 3×3 → tanh.

    Labels choose the gains and biases of BatchNorm (Miyato & Koyama 2018). Initialised by Glorot & Bengio's uniform
    law, with gain √2 in the residual branches, as in both papers' codes.

    Args:
        sample_shape: (C, S, S), S = 8, 16, 32, 64 or 128; 32 in both papers' CIFAR-10 networks.
        latent_dim: width of the latent vector h; 128 in both.
        width: channels of all blocks; 256 in SNGAN, 128 in WGAN-GP.
        num_classes: number of labels of a conditional generator; None for an unconditional one.

    Raises:
        ConfigurationError: the shape is no square image of such a size.

    Example:
        >>> import torch
        >>> ResNetGenerator((3, 32, 32), width=8)(torch.randn(5, 128)).shape
        torch.Size([5, 3, 32, 32])
    """

    def __init__(
        self, sample_shape: Sequence[int], latent_dim: int = 128, width: int = 256, num_classes: int | None = None
    ) -> None:
        super().__init__()
        channels, side = _checked(sample_shape)
        check_count("width", width)
        self.num_classes = num_classes
        self.project = nn.Sequential(linear(latent_dim, width * 16), nn.Unflatten(1, (width, 4, 4)))
        doublings = (side // 4).bit_length() - 1
        self.blocks = nn.ModuleList(UpBlock(width, width, num_classes) for _ in range(doublings))
        self.head = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), convolution(width, channels, gain=1), nn.Tanh())

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Latents (N, latent_dim) and, if conditional, labels (N,) → images (N, C, S, S) in (−1, 1)."""
        rows = one_hot(labels, self.num_classes, like=latents)
        found = self.project(latents)
        for block in self.blocks:
            found = block(found, rows)
        return self.head(found)


class ResNetDiscriminator(nn.Module):
    """D: residual blocks, halving the side down to 8, two more of that side → ReLU → pooling → linear: a raw score.

    The first block sees the image. Labels are judged by projection: the score is l(f) + e_y·f, f the pooled features
    (Miyato & Koyama 2018, Eq. 3). Initialised as the generator is. No BatchNorm.

    Args:
        sample_shape: (C, S, S), S = 8, 16, 32, 64 or 128.
        width: channels of all blocks; 128 in both papers.
        num_classes: number of labels of a conditional discriminator; None for an unconditional one.
        spectral_norm: divide each weight by its largest singular value (SNGAN); False: WGAN-GP's.
        sum_pooling: features are summed over the image (SNGAN); False: their mean (WGAN-GP).

    Raises:
        ConfigurationError: the shape is no square image of such a size.

    Example:
        >>> import torch
        >>> ResNetDiscriminator((3, 32, 32), width=8)(torch.randn(5, 3, 32, 32)).shape
        torch.Size([5])
    """

    def __init__(
        self,
        sample_shape: Sequence[int],
        width: int = 128,
        num_classes: int | None = None,
        spectral_norm: bool = True,
        sum_pooling: bool = True,
    ) -> None:
        super().__init__()
        channels, side = _checked(sample_shape)
        check_count("width", width)
        wrap = normalised if spectral_norm else _as_it_is
        self.num_classes, self.sum_pooling = num_classes, sum_pooling
        further = max((side // 8).bit_length() - 2, 0)  # halvings after the first block's
        self.blocks = nn.Sequential(
            DownBlock(channels, width, wrap, first=True),
            *(DownBlock(width, width, wrap) for _ in range(further)),
            *(DownBlock(width, width, wrap, halves=False) for _ in range(2)),
            nn.ReLU(),
        )
        self.head = wrap(linear(width, 1))
        self.embed = None if num_classes is None else wrap(linear(num_classes, width, bias=False))

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images (N, C, S, S) and, if conditional, labels (N,) → raw scores (N,)."""
        rows = one_hot(labels, self.num_classes, like=images)
        found = self.blocks(images)
        features = found.sum((2, 3)) if self.sum_pooling else found.mean((2, 3))
        scores = self.head(features).squeeze(1)
        return scores if self.embed is None else scores + (self.embed(rows) * features).sum(1)


def _as_it_is(layer: nn.Module) -> nn.Module:
    return layer


def _checked(sample_shape: Sequence[int]) -> tuple[int, int]:
    """Channels and side."""
    shape = tuple(sample_shape)
    if len(shape) != 3 or shape[0] < 1 or shape[1] != shape[2] or shape[1] not in SIDES:
        raise ConfigurationError(
            f"expected sample_shape (C, S, S) with S one of {', '.join(map(str, SIDES))}, got {shape}; resize the "
            "images (data.image_size)"
        )
    return shape[0], shape[1]
