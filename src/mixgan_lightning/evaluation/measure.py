"""What a measure is: how samples are shown to it, and what most of them have in common."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from typing import Any, Literal, Protocol

import torch
from torch import Tensor
from torchmetrics import Metric

from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.evaluation.real_data import Split
from mixgan_lightning.evaluation.seen import Seen
from mixgan_lightning.processes import gathered_rows

Needs = Literal["logits", "embedding"] | None  # which features a measure looks at; None: at the samples themselves
OTHER: dict[Split, Split] = {"train": "held_out", "held_out": "train"}


def other(split: Split) -> Split:
    """The other split of the real data.

    Raises:
        ConfigurationError: for what is no split.
    """
    if split not in OTHER:
        raise ConfigurationError(f"reference: expected train or held_out, got {split!r}")
    return OTHER[split]


class Measure(Protocol):
    """One measure of a set of samples. Each process shows it a share of them; all return the values of the whole."""

    needs: Needs
    """The features that it looks at."""

    least: int
    """The fewest samples that it can measure."""

    reference: Split | None
    """The real data that it compares samples with; None: it needs none."""

    real_rows: tuple[Split, ...]
    """The real data to measure as if they were samples, the first that are many enough: never the reference itself."""

    @property
    def settings(self) -> dict[str, Any]:
        """What the values depend on beside samples and features: splits, reference …"""
        ...

    def forget(self) -> None:
        """Begin anew: another reference is going to be shown."""
        ...

    def observe(self, seen: Seen) -> None:
        """Look at a batch of the reference."""
        ...

    def ready(self, device: torch.device) -> None:
        """The reference has been seen; measure on this device."""
        ...

    def reset(self) -> None:
        """Forget the samples, not the reference."""
        ...

    def update(self, seen: Seen) -> None:
        """Look at a batch of samples."""
        ...

    def values(self) -> dict[str, float]:
        """The measured values under their log names."""
        ...


class OfMetric(ABC):
    """A measure that is one torchmetrics metric of the samples."""

    metric: Metric
    needs: Needs = None
    least = 1
    reference: Split | None = None
    real_rows: tuple[Split, ...] = ("held_out", "train")

    @property
    def settings(self) -> dict[str, Any]:
        """What the values depend on beside samples and features."""
        return {} if self.reference is None else {"reference": self.reference}

    def forget(self) -> None:  # noqa: B027  # the same
        """Begin anew, where there is a reference."""

    def observe(self, seen: Seen) -> None:  # noqa: B027  # where there is no reference, nothing is looked at
        """Look at a batch of the reference, where there is one."""

    def ready(self, device: torch.device) -> None:
        self.metric.to(device)

    def reset(self) -> None:
        self.metric.reset()

    def values(self) -> dict[str, float]:
        with warnings.catch_warnings():  # a process whose share is empty has nothing to update with
            warnings.filterwarnings("ignore", ".*was called before.*update.*")
            return self._named(self.metric.compute())

    @abstractmethod
    def update(self, seen: Seen) -> None: ...

    @abstractmethod
    def _named(self, computed: Any) -> dict[str, float]:
        """What the metric computed, under log names."""


class AgainstRows(OfMetric):
    """A measure whose metric is built from every row of the reference."""

    def __init__(self) -> None:
        self._rows: list[tuple[Tensor, Tensor]] = []

    def forget(self) -> None:
        self._rows = []

    def observe(self, seen: Seen) -> None:
        self._rows.append((self._row(seen), seen.index))

    def ready(self, device: torch.device) -> None:
        self.metric = self._built(gathered_rows(self._rows, device)).to(device)
        self.forget()  # the metric holds them now

    @abstractmethod
    def _row(self, seen: Seen) -> Tensor:
        """What is compared: the samples, or features of them."""

    @abstractmethod
    def _built(self, reference: Tensor) -> Metric:
        """The metric."""


class AgainstFeatures(AgainstRows):
    """A measure that compares the features' embedding with the reference's. Real row: the other split.

    Args:
        reference: "held_out", so that memorising does not help, or "train", as most papers do.
    """

    needs: Needs = "embedding"
    least = 2

    def __init__(self, reference: Split) -> None:
        super().__init__()
        self.reference, self.real_rows = reference, (other(reference),)

    def _row(self, seen: Seen) -> Tensor:
        assert seen.embedding is not None
        return seen.embedding

    def update(self, seen: Seen) -> None:
        self.metric.update(self._row(seen), seen.index)
