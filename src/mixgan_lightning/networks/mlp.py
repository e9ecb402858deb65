"""Fully connected generator and discriminator: for points in the plane and small images."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn

from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.networks.conditioning import one_hot


class MLPGenerator(nn.Module):
    """G: [h, one-hot y] → (linear → LeakyReLU(0.2)) × len(hidden) → linear → tanh if bounded.

    Args:
        sample_shape: shape of one sample, e.g. (2,) for points or (1, 8, 8) for images.
        latent_dim: width of the latent vector h. 8: measured on 8×8 digits, where 16 … 64 score lower.
        hidden: widths of the hidden layers. Two of 64: enough for the ring, the grid and 8×8 digits, and fast on a CPU.
        bounded: end in tanh, so that samples lie in (−1, 1) as images do; False for unbounded data such as points.
        num_classes: number of labels of a conditional generator; None for an unconditional one.

    Raises:
        ConfigurationError: a shape or width that is empty or not positive.

    Example:
        >>> MLPGenerator((1, 8, 8))(torch.randn(5, 8)).shape
        torch.Size([5, 1, 8, 8])
    """

    def __init__(
        self,
        sample_shape: Sequence[int],
        latent_dim: int = 8,
        hidden: Sequence[int] = (64, 64),
        bounded: bool = True,
        num_classes: int | None = None,
    ) -> None:
        super().__init__()
        self.sample_shape = _checked_shape(sample_shape)
        self.latent_dim = latent_dim
        self.num_classes = num_classes
        widths = (latent_dim + (num_classes or 0), *hidden)
        self.body = _hidden_layers(widths, nn.LeakyReLU(0.2))
        self.head = nn.Linear(widths[-1], prod(self.sample_shape))
        self.bound = nn.Tanh() if bounded else nn.Identity()

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Latents (N, latent_dim) and, if conditional, labels (N,) → samples (N, *sample_shape)."""
        inputs = torch.cat([latents, one_hot(labels, self.num_classes, like=latents)], dim=1)
        return self.bound(self.head(self.body(inputs))).unflatten(1, self.sample_shape)


class MLPDiscriminator(nn.Module):
    """D: [flattened x, one-hot y] → (linear → LeakyReLU(0.2)) × len(hidden) → linear: a raw score, no sigmoid.

    Args:
        sample_shape: shape of one sample, e.g. (2,) for points or (1, 8, 8) for images.
        hidden: widths of the hidden layers; as the generator's, so that neither player is the stronger by design.
        num_classes: number of labels of a conditional discriminator; None for an unconditional one.

    Raises:
        ConfigurationError: a shape or width that is empty or not positive.

    Example:
        >>> MLPDiscriminator((2,))(torch.randn(5, 2)).shape
        torch.Size([5])
    """

    def __init__(
        self, sample_shape: Sequence[int], hidden: Sequence[int] = (64, 64), num_classes: int | None = None
    ) -> None:
        super().__init__()
        self.sample_shape = _checked_shape(sample_shape)
        self.num_classes = num_classes
        widths = (prod(self.sample_shape) + (num_classes or 0), *hidden)
        self.body = _hidden_layers(widths, nn.LeakyReLU(0.2))
        self.head = nn.Linear(widths[-1], 1)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples (N, *sample_shape) and, if conditional, labels (N,) → raw scores (N,)."""
        inputs = torch.cat([images.flatten(1), one_hot(labels, self.num_classes, like=images)], dim=1)
        return self.head(self.body(inputs)).squeeze(1)


def _hidden_layers(widths: Sequence[int], activation: nn.Module) -> nn.Sequential:
    if min(widths) < 1:
        raise ConfigurationError(f"expected layers at least 1 wide, got widths {tuple(widths)}; raise the smallest")
    return nn.Sequential(*(layer for n, m in pairwise(widths) for layer in (nn.Linear(n, m), activation)))


def _checked_shape(sample_shape: Sequence[int]) -> tuple[int, ...]:
    shape = tuple(sample_shape)
    if not shape or min(shape) < 1:
        raise ConfigurationError(f"expected the shape of one sample, such as (2,) or (1, 8, 8), got {shape}")
    return shape
