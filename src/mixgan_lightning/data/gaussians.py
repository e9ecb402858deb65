"""Mixtures of Gaussians in the plane: tasks whose modes can be counted (`metrics.ModeCoverage`)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mixgan_lightning.data.tensors import TensorDataModule
from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.options import check_count, check_memory

MOST_MODES = 1_000_000  # each is compared with each sample


class PlanarGaussians(TensorDataModule):
    """x ~ (1/M) Σ_m N(c_m, sd²·1) in the plane, without labels: the same samples at every call, a fifth held out.

    Args:
        centers: the modes c, shape (M, 2).
        sd: standard deviation of each mode, > 0.
        batch_size: samples in a batch, per process.
        num_samples: samples drawn in all, training and validation together.

    Raises:
        ConfigurationError: a number that is not positive.
    """

    sample_shape = (2,)

    def __init__(self, centers: Tensor, sd: float, batch_size: int, num_samples: int) -> None:
        super().__init__(batch_size)
        if not (sd > 0 and math.isfinite(sd)):
            raise ConfigurationError(f"expected sd > 0, got {sd}")
        if check_count("num_samples", num_samples) < 2:
            raise ConfigurationError(f"expected num_samples >= 2, got {num_samples}; a fifth is held out")
        self.centers = centers
        self.sd = sd
        self.num_samples = num_samples

    def load(self) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Draw with a generator of our own (seed 0): the user's random stream stays where it is."""
        check_memory("the samples", 4 * 8 * self.num_samples, "lower data.num_samples")
        generator = torch.Generator().manual_seed(0)
        mode = torch.randint(len(self.centers), (self.num_samples,), generator=generator)
        samples = self.centers[mode] + self.sd * torch.randn(self.num_samples, 2, generator=generator)
        held_out = math.ceil(self.num_samples / 5)
        return (samples[held_out:],), (samples[:held_out],)


class GaussiansRing(PlanarGaussians):
    """Gaussians at equal distances on a circle around 0, the first at (radius, 0).

    Args:
        batch_size: samples in a batch, per process.
        modes: number of Gaussians, ≥ 1.
        radius: of the circle; 2. PacGAN uses radius 1 with sd 0.01, the same shape at half the scale.
        sd: standard deviation of each Gaussian.
        num_samples: samples drawn in all; 50,000, enough that a run of some thousand steps hardly sees one twice.

    Raises:
        ConfigurationError: a number that is not positive.

    Example:
        >>> ring = GaussiansRing(modes=4)
        >>> ring.setup()
        >>> next(iter(ring.train_dataloader())).shape
        torch.Size([64, 2])
    """

    def __init__(
        self, batch_size: int = 64, modes: int = 8, radius: float = 2.0, sd: float = 0.02, num_samples: int = 50_000
    ) -> None:
        check_count("modes", modes, MOST_MODES)
        if not (radius > 0 and math.isfinite(radius)):
            raise ConfigurationError(f"expected radius > 0, got {radius}")
        angles = 2 * math.pi / modes * torch.arange(modes)
        super().__init__(radius * torch.stack([angles.cos(), angles.sin()], dim=1), sd, batch_size, num_samples)


class GaussiansGrid(PlanarGaussians):
    """side × side Gaussians on a square grid centred at 0; by default PacGAN's {−4, −2, 0, 2, 4}² with sd 0.05.

    Args:
        batch_size: samples in a batch, per process.
        side: Gaussians in a row, ≥ 1.
        spacing: distance of neighbours.
        sd: standard deviation of each Gaussian.
        num_samples: samples drawn in all; as for the ring.

    Raises:
        ConfigurationError: a number that is not positive.

    Example:
        >>> GaussiansGrid().centers.shape
        torch.Size([25, 2])
    """

    def __init__(
        self, batch_size: int = 64, side: int = 5, spacing: float = 2.0, sd: float = 0.05, num_samples: int = 50_000
    ) -> None:
        check_count("side", side, math.isqrt(MOST_MODES))
        if not (spacing > 0 and math.isfinite(spacing)):
            raise ConfigurationError(f"expected spacing > 0, got {spacing}")
        line = spacing * (torch.arange(side) - (side - 1) / 2)
        super().__init__(torch.cartesian_prod(line, line), sd, batch_size, num_samples)
