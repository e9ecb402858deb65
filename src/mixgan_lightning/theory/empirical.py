"""Distances between empirical distributions, exact: those that Theorem 3.1 says do not generalise."""

from __future__ import annotations

import math

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn.functional import softplus

from mixgan_lightning.errors import ConfigurationError, DataError
from mixgan_lightning.options import check_not_negative, check_seed
from mixgan_lightning.sampling import chunk_seed, own_stream


def pairwise_distances(x: Tensor, y: Tensor) -> Tensor:
    """|x_i − y_j| in float64, within 1e-7 of the samples' spread: (M, *shape) and (N, *shape) → (M, N).

    Raises:
        DataError: samples of unlike shapes, none, or not finite.

    Example:
        >>> pairwise_distances(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist()
        [[5.0, 0.0]]
    """
    _check_samples(x, y)
    x, y = (of.detach().double().flatten(1) for of in (x, y))
    centre = y.mean(0)  # cdist multiplies matrices, which is exact near the origin alone
    return torch.cdist(x - centre, y - centre)


def empirical_wasserstein(x: Tensor, y: Tensor) -> float:
    """d_W(μ̂, ν̂) = min over permutations π of (1/m) Σ |x_i − y_π(i)|: the Wasserstein-1 distance of two samples.

    Among equally many points of equal weights some one-to-one coupling is optimal (Birkhoff), found exactly by
    ``scipy.optimize.linear_sum_assignment``: about a second for m = 1,000, time ∝ m³, memory 8 m² bytes.

    Args:
        x, y: m samples of each, (m, *sample shape).

    Returns:
        In the samples' own unit, at least 0.

    Raises:
        DataError: unless there are equally many finite samples of one shape.

    Example:
        >>> empirical_wasserstein(torch.tensor([[0.0], [1.0]]), torch.tensor([[3.0], [0.0]]))
        1.0
    """
    if len(x) != len(y):
        raise DataError(f"expected equally many samples of both, got {len(x)} and {len(y)}")
    cost = pairwise_distances(x, y).cpu().numpy()
    return float(cost[linear_sum_assignment(cost)].mean())


def empirical_jensen_shannon(x: Tensor, y: Tensor) -> float:
    """d_JS(μ̂, ν̂) = ½ Σ p log 2p/(p + q) + ½ Σ q log 2q/(p + q), in nats, over the values that occur.

    log 2 where no value occurs in both samples, as is certain for continuous distributions; 0 for equal frequencies.

    Args:
        x, y: samples of μ and ν, (M, *sample shape) and (N, *sample shape).

    Raises:
        DataError: samples of unlike shapes, none, or not finite.

    Example:
        >>> empirical_jensen_shannon(torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0], [0.0]]))
        0.0
        >>> round(empirical_jensen_shannon(torch.randn(9, 2), torch.randn(9, 2)), 4)
        0.6931
    """
    _check_samples(x, y)
    values, which = torch.unique(torch.cat([x, y]).detach().flatten(1), dim=0, return_inverse=True)
    p, q = (torch.bincount(of, minlength=len(values)).double() / len(of) for of in which.split([len(x), len(y)]))
    return float((torch.xlogy(p, 2 * p / (p + q)) + torch.xlogy(q, 2 * q / (p + q))).sum() / 2)


def smoothed_jensen_shannon(x: Tensor, y: Tensor, width: float, seed: int = 0) -> float:
    """d_JS(μ̃, ν̃), in nats, where μ̃ = μ̂ * N(0, width² I): of the samples with noise added (Theorem 3.1, second part).

    With densities ρ₁, ρ₂ it is log 2 − ½ E_{z∼μ̃} log(1 + ρ₂/ρ₁) − ½ E_{z∼ν̃} log(1 + ρ₁/ρ₂); each mean is estimated
    without bias by one noisy z around each sample. The densities are exact sums of Gaussians.

    Args:
        x, y: samples of μ and ν, (M, *sample shape) and (N, *sample shape).
        width: σ of the noise in each coordinate, > 0. (The theorem's N(0, σ²/d I) has width σ/√d.)
        seed: of the noise.

    Raises:
        ConfigurationError: a width that is not positive, a seed that is none.
        DataError: samples of unlike shapes, none, or not finite.

    Example:
        >>> near = smoothed_jensen_shannon(torch.zeros(1, 1), torch.zeros(1, 1), width=1.0)
        >>> far = smoothed_jensen_shannon(torch.zeros(1, 1), torch.full((1, 1), 50.0), width=1.0)
        >>> round(near, 4), round(far, 4)
        (0.0, 0.6931)
    """
    if not check_not_negative("width", width):
        raise ConfigurationError("width: expected a positive number, got 0")
    with own_stream(x.device, chunk_seed(check_seed(seed), 0)):  # never the stream that drew samples by this seed
        noisy = [of + width * torch.randn_like(of) for of in (x, y)]

    def log_density(z: Tensor, centres: Tensor) -> Tensor:
        """But for the constant that both share."""
        return (-(pairwise_distances(z, centres) ** 2) / (2 * width**2)).logsumexp(1) - math.log(len(centres))

    lost = [
        softplus(log_density(z, other) - log_density(z, own)).mean()
        for z, own, other in ((noisy[0], x, y), (noisy[1], y, x))
    ]
    return math.log(2) - float(sum(lost)) / 2


def _check_samples(x: Tensor, y: Tensor) -> None:
    if x.ndim < 2 or x.shape[1:] != y.shape[1:] or not len(x) or not len(y):
        raise DataError(
            f"expected samples of one shape, (M, *shape) and (N, *shape), got {tuple(x.shape)} and {tuple(y.shape)}"
        )
    if not (x.isfinite().all() and y.isfinite().all()):
        raise DataError("expected finite samples, got NaN or infinity")
