"""How many modes of a mixture of Gaussians the samples cover, and how evenly (PacGAN, Lin et al. 2018)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric

from mixgan_lightning.errors import ConfigurationError, DataError


class Coverage(NamedTuple):
    """What `ModeCoverage.compute` returns, three scalar tensors (an integer, two float64)."""

    modes: Tensor
    """Modes with at least one good sample, 0 … M."""
    good_share: Tensor
    """Share of samples that are good, 0 … 1; 0.989 for a perfect sampler in the plane, 1 − exp(−9/2)."""
    reverse_kl: Tensor
    """KL(good samples over modes ‖ uniform) in nats, 0 (even) … log M (one mode, or none)."""


class ModeCoverage(Metric):
    """Counts good samples: those within 3 sd of the nearest mode (PacGAN, Section 4.1).

    Args:
        centers: the modes, shape (M, D).
        sd: standard deviation of each mode, > 0.

    `update(samples)` takes samples (N, D); one with NaN is not good. `compute()` returns a `Coverage`.

    Raises:
        ConfigurationError: centers not of shape (M, D) with M ≥ 1, or sd not positive.
        DataError: samples not of shape (N, D); at `compute`, no samples.

    Example:
        >>> coverage = ModeCoverage(torch.tensor([[0.0, 0.0], [2.0, 0.0]]), sd=0.1)
        >>> coverage.update(torch.tensor([[0.1, 0.0], [0.0, 0.2], [1.0, 0.0], [2.0, 0.1]]))
        >>> modes, good_share, reverse_kl = coverage.compute()
        >>> int(modes), float(good_share), round(float(reverse_kl), 4)
        (2, 0.75, 0.0566)
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = False

    centers: Tensor
    good: Tensor
    samples: Tensor

    def __init__(self, centers: Tensor, sd: float) -> None:
        super().__init__()
        if centers.ndim != 2 or not len(centers):
            raise ConfigurationError(f"expected centers of shape (modes, dimensions), got {tuple(centers.shape)}")
        if not (sd > 0 and math.isfinite(sd)):
            raise ConfigurationError(f"expected sd > 0, got {sd}; it is the radius of a mode divided by 3")
        self.register_buffer("centers", centers.detach().double(), persistent=False)
        self.sd = sd
        self.add_state("good", torch.zeros(len(centers), dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("samples", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    @torch.no_grad()
    def update(self, samples: Tensor) -> None:
        """Add samples (N, D)."""
        if samples.ndim != 2 or samples.shape[1] != self.centers.shape[1]:
            raise DataError(f"expected samples of shape (N, {self.centers.shape[1]}), got {tuple(samples.shape)}")
        samples = samples.to(self.centers)
        distance, mode = torch.cdist(samples, self.centers, compute_mode="donot_use_mm_for_euclid_dist").min(1)
        self.good = self.good + torch.bincount(mode[distance <= 3 * self.sd], minlength=len(self.centers))
        self.samples = self.samples + len(samples)

    def compute(self) -> Coverage:
        """The coverage by all samples, of all processes."""
        if self.samples == 0:
            raise DataError("expected samples before compute(), got none; call update(samples)")
        modes = len(self.good)
        share = self.good.double() / self.good.sum().clamp_min(1)
        # without a good sample share is 0 and this gives log M: as bad as one mode alone, the worst there is
        reverse_kl = math.log(modes) + torch.xlogy(share, share).sum()
        return Coverage((self.good > 0).sum(), self.good.sum().double() / self.samples, reverse_kl)
