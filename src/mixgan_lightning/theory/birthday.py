"""The birthday-paradox test of diversity (Arora & Zhang 2017): how many different samples a generator has."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from mixgan_lightning.errors import ConfigurationError, DataError

BLOCK = 1024  # rows of either side in one matrix of distances: 8 MiB in float64
ROUNDING = 1e-7  # of the largest norm: what a distance from a matrix product in float64 may be off by, with room
SHOWN = 8  # closest pairs that are kept


class Support(NamedTuple):
    """What the colliding pairs among s samples say of the number N of different ones."""

    samples: int
    """s."""
    pairs: int
    """C: how many of the s(s − 1)/2 pairs lie within the threshold."""
    threshold: float
    """The largest distance of near-duplicates."""
    low: float
    """Lower end of the confidence interval; with no collision all that can be said: N is at least this."""
    high: float
    """Upper end; ∞ with no collision."""
    closest: Tensor
    """The closest pairs, the closest first: numbers of the samples, (K, 2), K ≤ 8."""
    distances: Tensor
    """Their distances, (K,), float64."""

    @property
    def estimate(self) -> float:
        """N̂ = s(s − 1) / (2 C); ∞ with no collision."""
        return self.samples * (self.samples - 1) / 2 / self.pairs if self.pairs else math.inf

    def __str__(self) -> str:
        """In words."""
        if not self.pairs:
            return f"no collision among {self.samples:,} samples: at least {self.low:,.0f}"
        found = f"{self.pairs:,} colliding pairs among {self.samples:,} samples"
        return f"about {self.estimate:,.0f} ({self.low:,.0f} … {self.high:,.0f}): {found}"


def birthday_support(samples: Tensor, threshold: float, confidence: float = 0.95) -> Support:
    """N̂ = s(s − 1) / (2 · colliding pairs): among s draws of N equally likely things, s(s − 1)/(2 N) pairs are alike.

    A collision is a pair of samples within ``threshold`` of each other, which `near_duplicate_distance` finds on real
    data. Where the things are not equally likely, N̂ estimates 1/Σ p², which is at most their number. The interval
    is Poisson's of the number of colliding pairs, as if there were fewer of them where some samples collide far more
    often than others: then pairs are not independent.

    A pair of *different* things within the threshold counts as well. So supports larger than what the same threshold
    gives for real data cannot be told apart: measure those beside.

    Args:
        samples: (s, *shape), independent; pixels, or features of the samples. They are compared by Euclidean distance.
        threshold: see above; 0: exact copies.
        confidence: of the interval. Default: 95 %.

    Returns:
        A `Support`. Memory: two blocks of 1,024 samples and their distances in float64; time: s²/2 distances.

    Raises:
        DataError: fewer samples than could say anything: with none colliding, N ≥ s must follow. That takes 9 at
            95 %.
        ConfigurationError: a threshold below 0 or infinite, a confidence not between 0 and 1.

    Example:
        >>> atoms = torch.randn(500, 8)
        >>> support = birthday_support(atoms[torch.randint(500, (400,))], threshold=1e-3)
        >>> support.low < 500 < support.high
        True
        >>> print(birthday_support(torch.randn(100, 8), threshold=1e-3))
        no collision among 100 samples: at least 1,342
    """
    _check_options(threshold, confidence)
    rows, s = _rows("samples", samples, fewest_samples(confidence)), len(samples)
    reach = threshold + _rounding(rows)
    partners = torch.zeros(s, dtype=torch.float64, device=rows.device)
    places, distances = torch.empty(0, 2, dtype=torch.int64), torch.empty(0, dtype=torch.float64)
    for first, second, block in _blocks(rows):
        alike = block <= reach
        partners[first : first + len(alike)] += alike.sum(1)
        partners[second : second + alike.shape[1]] += alike.sum(0)
        found = block.flatten().topk(min(SHOWN, block.numel()), largest=False)
        here = torch.stack([found.indices // block.shape[1] + first, found.indices % block.shape[1] + second], 1)
        places, distances = torch.cat([places, here.cpu()]), torch.cat([distances, found.values.cpu()])
    pairs, every = int(partners.sum()) // 2, s * (s - 1) / 2
    low, high = (every / rate if rate else math.inf for rate in reversed(_pairs_interval(partners, confidence)))
    order = distances.argsort()[: min(SHOWN, s * (s - 1) // 2)]
    return Support(s, pairs, float(threshold), low, high, places[order], distances[order])


def near_duplicate_distance(real: Tensor, quantile: float = 0.01) -> float:
    """How near two samples must be to count as one: a low quantile of real samples' distances to their nearest others.

    So of R distinct real samples a share of about ``quantile`` has a near-duplicate, and real data, tested with R
    samples of their own, are estimated at R/quantile or so: as far as this threshold sees. Exact copies, which data
    may hold, are passed over: a threshold of 0 would find no near-duplicate at all.

    Args:
        real: (R, *shape), R ≥ 2, held-out real data, of the same kind as the samples to test (pixels or features).
        quantile: in 0 … 1. Default: .01. 0: the closest pair's distance.

    Raises:
        DataError: fewer than two different samples.
        ConfigurationError: a quantile outside 0 … 1.

    Example:
        >>> near_duplicate_distance(torch.tensor([[0.0], [1.0], [3.0]]), quantile=0)
        1.0
    """
    if not 0 <= quantile <= 1:
        raise ConfigurationError(f"quantile: expected a number in 0 … 1, got {quantile!r}")
    rows = _rows("real", real, 2)
    copies = _rounding(rows)  # are no farther apart
    nearest = torch.full((len(rows),), math.inf, dtype=torch.float64, device=rows.device)
    for first, second, block in _blocks(rows):
        block.masked_fill_(block <= copies, math.inf)
        for start, to_others in ((first, block.amin(1)), (second, block.amin(0))):
            mine = nearest[start : start + len(to_others)]
            torch.minimum(mine, to_others, out=mine)
    if not nearest.isfinite().any():
        raise DataError(f"real: expected different samples, got {len(rows)} copies of one")
    ordered = nearest.sort().values  # torch.quantile takes no more than 16 million
    return float(ordered[math.floor(quantile * (len(ordered) - 1))])


def fewest_samples(confidence: float = 0.95) -> int:
    """The least s for which no collision says that N ≥ s: (s − 1)/2 is at least the upper end of Poisson's for 0."""
    return math.ceil(1 + 2 * poisson_interval(0, confidence)[1])


def poisson_interval(count: float, confidence: float = 0.95) -> tuple[float, float]:
    """The exact interval of a Poisson mean (Garwood 1936): each end leaves (1 − confidence)/2 beyond the count.

    Example:
        >>> [round(end, 3) for end in poisson_interval(10)], [round(end, 3) for end in poisson_interval(0)]
        ([4.795, 18.39], [0.0, 3.689])
    """
    tail = (1 - confidence) / 2
    low = _crossing(lambda rate: _at_least(count, rate) < tail, count) if count else 0.0
    return low, _crossing(lambda rate: _at_least(count + 1, rate) < 1 - tail, count)


def _pairs_interval(partners: Tensor, confidence: float) -> tuple[float, float]:
    """Of the mean number of colliding pairs, from how many partners each sample has."""
    s, pairs = len(partners), float(partners.sum()) / 2
    if not pairs:
        return poisson_interval(0, confidence)
    # Var C = C + Σ over pairs of pairs that share a sample; independent pairs have the second term 0
    shared = float((partners * (partners - 1)).sum()) - 4 * pairs**2 * (s - 2) / (s * (s - 1))
    independent = pairs**2 / (pairs + max(shared, 0.0))  # a Poisson variable of this mean varies as much, relatively
    low, high = poisson_interval(independent, confidence)
    return low * pairs / independent, high * pairs / independent


def _at_least(count: float, rate: float) -> float:
    """P(X ≥ count) of X ~ Poisson(rate)."""
    return float(torch.special.gammainc(*torch.tensor([count, rate], dtype=torch.float64)))


def _crossing(below: Callable[[float], bool], count: float) -> float:
    """The rate up to which something holds, by bisection."""
    low, high = 0.0, 2.0 * count + 100
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) else (low, middle)
    return low


def _blocks(rows: Tensor) -> Iterator[tuple[int, int, Tensor]]:
    """(i, j, distances of the rows from i on to those from j on), each pair once; ∞ for what is no pair."""
    for i in range(0, len(rows), BLOCK):
        left = rows[i : i + BLOCK].double()
        for j in range(i, len(rows), BLOCK):
            block = torch.cdist(left, rows[j : j + BLOCK].double())
            if i == j:
                block.masked_fill_(torch.ones_like(block, dtype=torch.bool).tril(), math.inf)
            yield i, j, block


def _rounding(rows: Tensor) -> float:
    """What a distance between two of the rows may be off by."""
    return ROUNDING * float(rows.norm(dim=1).max())


def _rows(name: str, samples: Tensor, fewest: int) -> Tensor:
    """Samples as rows (N, d)."""
    if samples.ndim < 2 or len(samples) < fewest:
        raise DataError(
            f"{name}: expected at least {fewest} samples, (N, *shape), got {tuple(samples.shape)}; draw more"
        )
    rows = samples.detach().flatten(1)
    rows = rows if rows.is_floating_point() else rows.float()  # 8-bit images
    if bad := sum(int((~block.isfinite()).any(1).sum()) for block in rows.split(BLOCK)):
        raise DataError(f"{name}: expected finite samples, got NaN or infinity in {bad} of {len(rows)}")
    return rows


def _check_options(threshold: float, confidence: float) -> None:
    if not 0 <= threshold < math.inf:
        raise ConfigurationError(f"threshold: expected a distance of at least 0, got {threshold!r}")
    if not 0 < confidence < 1:
        raise ConfigurationError(f"confidence: expected a number between 0 and 1, got {confidence!r}")
