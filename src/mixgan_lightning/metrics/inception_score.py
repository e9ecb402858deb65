"""Inception score (Salimans et al. 2016), exact at any batching, in a few kilobytes of state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import torch
from torch import Tensor, nn

from mixgan_lightning.errors import ConfigurationError, DataError
from mixgan_lightning.metrics.per_class import PerClassMetric

SMALLEST_EXPONENT = -800.0  # exp gives 0 in float64, and 0 log 0 = 0 comes out of e · z, which 0 · −∞ would not


class InceptionScore(PerClassMetric):
    """IS = exp(E_x KL(p(y|x) ‖ p(y))), p(y) = E_x p(y|x): mean and population standard deviation over splits.

    Per split, with N samples and sums over these (Salimans et al. 2016; Barratt & Sharma 2018, Section 2)::

        IS = exp( (1/N) Σ_n Σ_c p_nc log p_nc  −  Σ_c p̄_c log p̄_c ),   p̄ = (1/N) Σ_n p_n,   0 log 0 = 0

    so only N, the double sum and Σ_n p_n are kept, in float64: O(splits × classes), summed over processes at the end,
    and equal to the score of all samples at once. Range [1, classes]. It depends on the number of samples and splits:
    compare only scores with equal ones. No random numbers are drawn.

    Args:
        features: maps images to logits (N, classes) and keeps no gradient. It is run in eval mode, on the device where
            it stands, and stays the caller's: the metric neither moves it nor saves it in its state_dict.
        splits: parts that are scored on their own; 10 as in the paper, for 50,000 samples. Use 1 below 5,000.

    `update(images, index=None)`:
        images: (N, …), whatever `features` accepts.
        index: number of each sample in the whole set, integers of shape (N,); its split is index mod splits. Without
            it samples are numbered as they come, each process starting at 0.

    `compute()` returns (mean, std), two float64 scalars; std is 0 for one split.

    Raises:
        ConfigurationError: splits is not an integer ≥ 1.
        DataError: features that are not of shape (N, classes) or hold NaN; an index that does not fit the images;
            at `compute`, fewer samples than splits.

    Example:
        >>> logits = torch.full((4, 4), -100.0).fill_diagonal_(100.0)     # four samples, surely of four classes
        >>> score = InceptionScore(nn.Identity(), splits=1)
        >>> score.update(logits)
        >>> mean, std = score.compute()
        >>> float(mean), float(std)
        (4.0, 0.0)
    """

    is_differentiable = False
    higher_is_better = True
    per_class = "class_sums"

    features: nn.Module
    counts: Tensor
    negentropy_sums: Tensor
    class_sums: Tensor

    def __init__(self, features: nn.Module, splits: int = 10) -> None:
        super().__init__()
        if isinstance(splits, bool) or not isinstance(splits, int) or splits < 1:
            raise ConfigurationError(f"expected splits to be an integer >= 1, got {splits!r}; 10 is the paper's")
        self.__dict__["features"] = features  # past nn.Module, that would save it and move it
        self.splits = splits
        zeros = torch.zeros(splits, dtype=torch.float64)
        self.add_state("counts", zeros, dist_reduce_fx="sum")  # N
        self.add_state("negentropy_sums", zeros.clone(), dist_reduce_fx="sum")  # Σ_n Σ_c p log p
        self.add_state(
            "class_sums", zeros.new_zeros(splits, 0), dist_reduce_fx="sum"
        )  # Σ_n p_n; widened to the classes

    @torch.no_grad()
    def update(self, images: Tensor, index: Tensor | None = None) -> None:
        """Add samples (N, …); see the class for `index`."""
        if index is None:
            index = torch.arange(len(images), device=self.device) + self.counts.sum().long()
        elif index.shape != (len(images),) or index.is_floating_point():
            raise DataError(
                f"expected one integer index per image, shape ({len(images)},), got {index.dtype} of shape "
                f"{tuple(index.shape)}; pass the numbers of the samples, or nothing"
            )
        z = self._centred_logits(images)
        self._widen(z.shape[1])
        e = z.exp()  # p = e / Σe, so log p = z − log Σe: one exponential for both
        total = e.sum(1)
        _check_finite(total)
        negentropy = torch.linalg.vecdot(e, z) / total - total.log()  # Σ_c p log p
        split = index.to(self.device) % self.splits
        members = (split == torch.arange(self.splits, device=self.device).unsqueeze(1)).double()  # (splits, N)
        self.counts = self.counts + members.sum(1)
        self.negentropy_sums = self.negentropy_sums + members @ negentropy
        self.class_sums = self.class_sums + (members / total) @ e

    def compute(self) -> tuple[Tensor, Tensor]:
        """(mean, std) of the inception score over the splits, over all processes."""
        if (self.counts == 0).any():
            raise DataError(
                f"expected samples in each of {self.splits} splits, got {int(self.counts.sum())} samples that leave "
                f"{int((self.counts == 0).sum())} splits empty; update with more samples or use fewer splits"
            )
        p_mean = self.class_sums / self.counts.unsqueeze(1)
        scores = (self.negentropy_sums / self.counts - torch.xlogy(p_mean, p_mean).sum(1)).exp()
        return scores.mean(), scores.std(correction=0)

    def _centred_logits(self, images: Tensor) -> Tensor:
        """Images (N, …) → logits less their row's largest, (N, classes), float64 on the metric's device."""
        tensors = chain(self.features.parameters(), self.features.buffers(), [images])
        with _evaluating(self.features):
            logits = self.features(images.to(next(tensors).device))
        if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(images):
            came = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise DataError(
                f"expected features of shape ({len(images)}, classes), got {came}; "
                "wrap the network so that it returns one row of logits per image"
            )
        if not logits.shape[1]:
            raise DataError("expected features of at least one class, got none; use a classifier's logits")
        z = logits.to(self.device, torch.float64, copy=True)
        return z.sub_(z.amax(1, keepdim=True)).clamp_min_(SMALLEST_EXPONENT)


def _check_finite(total: Tensor) -> None:
    """Σ_c e^z of each sample is in 1 … classes, unless a logit was NaN or +∞."""
    bad = int(total.isnan().sum())
    if bad:
        raise DataError(
            f"expected finite features, got NaN or infinity for {bad} of {len(total)} images; look at the images: the "
            "generator may have diverged"
        )


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Eval mode inside, and every submodule's own mode restored after."""
    training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True
