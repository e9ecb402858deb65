"""The birthday-paradox test of diversity (Arora & Zhang 2017), as a measure."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from mixgan_lightning import log_names
from mixgan_lightning.errors import ConfigurationError, DataError
from mixgan_lightning.evaluation.measure import AgainstRows, other
from mixgan_lightning.evaluation.real_data import Split, evenly
from mixgan_lightning.evaluation.seen import Seen
from mixgan_lightning.metrics.feature_rows import FeatureRows
from mixgan_lightning.options import check_count
from mixgan_lightning.theory.birthday import Support, birthday_support, fewest_samples, near_duplicate_distance

Space = Literal["pixels", "embedding"]


class BirthdayMeasure(AgainstRows):
    """How many different samples there are, by the pairs of near-duplicates among them; see `theory.birthday_support`.

    Near-duplicates are as near as only ``quantile`` of the reference's samples are to their nearest others. Logged are
    N̂, unless no pair collides, and the lower end of its 95 % interval. Real row: the other split; no support larger
    than that row's can be told. All samples are kept.

    Args:
        reference: "held_out" or "train": whose distances say what a near-duplicate is.
        space: "pixels", or "embedding", the features', where a shifted image is near the image itself.
        quantile: of the reference's nearest distances. Default: .01.
        limit: at most so many samples, evenly spaced, and as many of the reference. Default: 10,000, enough for
            supports of millions; the time is its square.

    Attributes:
        found: the `Support` of the samples that were measured last.
    """

    least = fewest_samples()
    metric: _Birthday

    def __init__(
        self,
        reference: Split = "held_out",
        space: Space = "pixels",
        quantile: float = 0.01,
        limit: int = 10_000,
    ) -> None:
        super().__init__()
        if space not in ("pixels", "embedding"):
            raise ConfigurationError(f"space: expected pixels or embedding, got {space!r}")
        if check_count("limit", limit) < self.least:
            raise ConfigurationError(f"limit: expected at least {self.least} samples, got {limit}")
        self.reference, self.real_rows = reference, (other(reference),)
        self.needs = "embedding" if space == "embedding" else None
        self.space, self.quantile, self.limit = space, quantile, limit
        self._sample_shape: tuple[int, ...] = ()

    @property
    def settings(self) -> dict[str, Any]:
        threshold = {"threshold": self.metric.threshold} if hasattr(self, "metric") else {}
        return {**super().settings, "space": self.space, "quantile": self.quantile, "limit": self.limit} | threshold

    @property
    def found(self) -> Support:
        """Of the samples that were measured last."""
        return self.metric.found

    def update(self, seen: Seen) -> None:
        rows = self._row(seen)
        if tuple(rows.shape[1:]) != self._sample_shape:
            raise DataError(
                f"expected samples of shape {self._sample_shape}, got {tuple(rows.shape[1:])}; give them the size of "
                "the real data, whose distances say what near-duplicates are"
            )
        self.metric.update(rows.flatten(1), seen.index)

    def _row(self, seen: Seen) -> Tensor:
        found = seen.samples if self.space == "pixels" else seen.embedding
        assert found is not None
        return found

    def _built(self, reference: Tensor) -> _Birthday:
        self._sample_shape = tuple(reference.shape[1:])
        rows = reference.flatten(1)
        return _Birthday(rows[_some(len(rows), self.limit)], self.quantile, self.limit)

    def _named(self, computed: Any) -> dict[str, float]:
        estimate = {log_names.SUPPORT: self.found.estimate} if self.found.pairs else {}
        return {**estimate, log_names.SUPPORT_AT_LEAST: self.found.low}


class _Birthday(FeatureRows):
    """Keeps samples as rows, for the test of some of them."""

    found: Support

    def __init__(self, reference: Tensor, quantile: float, limit: int) -> None:
        super().__init__(reference)
        self.threshold = near_duplicate_distance(reference, quantile)
        self.limit = limit

    def compute(self) -> Tensor:
        rows = self.ordered()
        chosen = _some(len(rows), self.limit)
        found = birthday_support(rows[chosen], self.threshold)
        self.found = found._replace(closest=chosen[found.closest])
        return torch.tensor(found.pairs)


def _some(n: int, limit: int) -> Tensor:
    """Numbers of at most so many of n rows, evenly spaced: data are often sorted by class."""
    return torch.tensor(evenly(range(n), limit))
