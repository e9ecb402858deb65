"""Discriminators of bounded size for points of a Gaussian, and samples that one is trained or measured on."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from mixgan_lightning.networks import MLPDiscriminator
from mixgan_lightning.options import check_count
from mixgan_lightning.theory import NeuralNetDivergence, neural_net_divergence

BATCH = 256


class Critics:
    """A class of D, one hidden layer on points of N(0, I), and how its best is sought: f(x) = x, D = σ(score).

    Args:
        dimension: of the points.
        width: of the hidden layer.
        steps: of each D's training, Adam 1e-3, batches of 256 of both.
    """

    def __init__(self, dimension: int, width: int, steps: int) -> None:
        self.dimension, self.steps = check_count("dimension", dimension), check_count("steps", steps)
        self.width = check_count("width", width)
        self.build = partial(MLPDiscriminator, (self.dimension,), (self.width,))

    def __str__(self) -> str:
        return (
            f"f(x) = x, D = σ(score), one hidden layer; {self.steps:,} steps of Adam 1e-3 on batches of {BATCH} of both"
        )

    @property
    def parameters(self) -> int:
        """n of one D."""
        return sum(parameter.numel() for parameter in self.build().parameters())

    def draw(self, n: int, stream: torch.Generator) -> Tensor:
        """(n, d)."""
        return torch.randn(n, self.dimension, generator=stream)

    def divergence(self, real: Tensor, fake: Tensor, seed: int) -> NeuralNetDivergence:
        """Of samples made by `interleaved`."""
        return neural_net_divergence(real, fake, self.build, steps=self.steps, batch_size=BATCH, seed=seed)


def interleaved(trained_on: Tensor, measured_on: Tensor) -> Tensor:
    """Samples by turns: `neural_net_divergence` trains on every other one and measures on those between.

    Of the shorter one every sample is there equally often, so that it is the same empirical distribution.

    Args:
        trained_on, measured_on: the length of one is a multiple of the other's.

    Example:
        >>> interleaved(torch.tensor([1, 2]), torch.tensor([5, 6, 7, 8])).tolist()
        [1, 5, 2, 6, 1, 7, 2, 8]
    """
    n = max(len(trained_on), len(measured_on))
    both = [of.repeat(n // len(of), *[1] * (of.ndim - 1)) for of in (trained_on, measured_on)]
    return torch.stack(both, dim=1).flatten(0, 1)
