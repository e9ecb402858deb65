"""How many of a classifier's classes the samples fall into, and how evenly (Metz et al. 2017)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from mixgan_lightning.errors import DataError
from mixgan_lightning.metrics.per_class import PerClassMetric


class ClassesCovered(NamedTuple):
    """What `ClassCoverage.compute` returns, two scalar tensors (an integer, a float64)."""

    classes: Tensor
    """Classes with at least one sample, 1 … C."""
    reverse_kl: Tensor
    """KL(samples over classes ‖ uniform) in nats, 0 (even) … log C (one class)."""


class ClassCoverage(PerClassMetric):
    """Counts the samples of each class, a sample being of the class of its largest logit.

    With 26,000 samples and the 1,000 classes of stacked digits: the number of modes and the reverse KL divergence of
    Metz et al. 2017 and Lin et al. 2018 (PacGAN). Both depend on the number of samples: compare only equal ones.

    `update(logits)` takes logits (N, C); the first batch says how many classes there are. `compute()` returns
    `ClassesCovered`.

    Raises:
        DataError: logits of another shape, of another number of classes than before, or with NaN; at `compute`, no
            samples.

    Example:
        >>> coverage = ClassCoverage()
        >>> coverage.update(torch.eye(4)[[0, 0, 0, 2]])     # of four classes the first, thrice, and the third
        >>> classes, reverse_kl = coverage.compute()
        >>> int(classes), round(float(reverse_kl), 4)       # 3/4 log 3/4 + 1/4 log 1/4 + log 4
        (2, 0.824)
    """

    is_differentiable = False
    higher_is_better = None
    per_class = "counts"

    counts: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("counts", torch.zeros(0, dtype=torch.long), dist_reduce_fx="sum")  # widened to the classes

    @torch.no_grad()
    def update(self, logits: Tensor) -> None:
        """Add samples by their logits (N, C)."""
        if logits.ndim != 2 or not logits.shape[1]:
            raise DataError(f"expected logits of shape (N, classes), got {tuple(logits.shape)}")
        bad = int(logits.isnan().any(1).sum())
        if bad:
            raise DataError(
                f"expected logits, got NaN for {bad} of {len(logits)} samples; look at the samples: the generator may "
                "have diverged"
            )
        self._widen(logits.shape[1])
        self.counts = self.counts + logits.argmax(1).to(self.device).bincount(minlength=logits.shape[1])

    def compute(self) -> ClassesCovered:
        """The coverage by all samples, of all processes."""
        if not self.counts.sum():
            raise DataError("expected samples before compute(), got none; call update(logits)")
        share = self.counts.double() / self.counts.sum()
        return ClassesCovered((self.counts > 0).sum(), math.log(len(share)) + torch.xlogy(share, share).sum())
