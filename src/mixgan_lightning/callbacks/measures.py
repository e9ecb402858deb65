"""What a quality callback measures of a set of samples: values under their log names, for samples and for real data.

To add one: a class here with these three methods.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.image.fid import FrechetInceptionDistance

from mixgan_lightning import log_names
from mixgan_lightning.callbacks.real_data import Split
from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.metrics import InceptionScore, ModeCoverage, NearestNeighbourDistance

Batches = Iterable[Tensor]


class Measure(Protocol):
    """One measure of a set of samples."""

    reference: Split | None
    """The real data that it compares samples with; None: it needs none."""

    real_row: Split
    """The real data that are scored as if they were samples: never the reference itself."""

    def observe(self, reference: Batches, device: torch.device) -> None:
        """Look at the reference, once before training."""
        ...

    def values(self, samples: Batches) -> dict[str, float]:
        """The measured values under their log names."""
        ...


class _OfMetric(ABC):
    """A measure that is one torchmetrics metric of the samples."""

    metric: Metric
    device = torch.device("cpu")
    update_options: ClassVar[Mapping[str, Any]] = {}

    def values(self, samples: Batches) -> dict[str, float]:
        self.metric.reset()
        for batch in samples:
            self.metric.update(batch.to(self.device), **self.update_options)
        return self._named(self.metric.compute())

    def _move(self, device: torch.device) -> None:
        """Measure on this device; on the CPU instead of Apple's, which has no float64."""
        self.device = torch.device("cpu") if device.type == "mps" else device
        self.metric.to(self.device)

    @abstractmethod
    def _named(self, computed: Any) -> dict[str, float]:
        """What the metric computed, under log names."""


class InceptionScoreMeasure(_OfMetric):
    """Inception score in the given features (logits). Real row: held-out data."""

    reference: Split | None = None
    real_row: Split = "held_out"

    def __init__(self, features: nn.Module, splits: int) -> None:
        self.features = features
        self.metric = InceptionScore(features, splits)

    def observe(self, reference: Batches, device: torch.device) -> None:
        self._move(device)
        self.features.to(self.device)

    def _named(self, computed: Any) -> dict[str, float]:
        mean, std = computed
        return {log_names.INCEPTION_SCORE_MEAN: float(mean), log_names.INCEPTION_SCORE_STD: float(std)}


class _Embedding(nn.Module):
    """What torchmetrics' Fréchet distance wants of its features: a module that says its width."""

    def __init__(self, features: Any, num_features: int) -> None:
        super().__init__()
        self.features, self.num_features = features, num_features

    def forward(self, images: Tensor) -> Tensor:
        return self.features.embedding(images)


class FrechetMeasure(_OfMetric):
    """Fréchet distance to held-out real data (Heusel et al. 2017), in ``features.embedding(images)``: (N, d).

    Real row: training data, which says how small it can get with that many samples.
    """

    reference: Split | None = "held_out"
    real_row: Split = "train"
    update_options: ClassVar[Mapping[str, Any]] = {"real": False}

    def __init__(self, features: Any) -> None:
        if not hasattr(features, "embedding"):
            raise ConfigurationError(
                f"the Fréchet distance needs features with a method embedding(images) -> (N, d); "
                f"{type(features).__name__} has none"
            )
        self.features = features

    def observe(self, reference: Batches, device: torch.device) -> None:
        batches = [batch.cpu() for batch in reference]
        width = self.features.cpu().embedding(batches[0][:1]).shape[1]
        self.metric = FrechetInceptionDistance(_Embedding(self.features, width), reset_real_features=False)
        self._move(device)  # the features go with it
        for batch in batches:
            self.metric.update(batch.to(self.device), real=True)

    def _named(self, computed: Any) -> dict[str, float]:
        return {log_names.FRECHET_DISTANCE: float(computed)}


class NearestTrainingImageMeasure(_OfMetric):
    """Mean distance to the nearest training image, in pixel space. Real row: held-out data.

    Samples that lie closer to the training set than real held-out data do are memorised, however good they look.
    """

    reference: Split | None = "train"
    real_row: Split = "held_out"

    def observe(self, reference: Batches, device: torch.device) -> None:
        self.metric = NearestNeighbourDistance(torch.cat([batch.cpu() for batch in reference]))
        self._move(device)

    def _named(self, computed: Any) -> dict[str, float]:
        return {log_names.NEAREST_TRAINING_IMAGE: float(computed)}


class ModeCoverageMeasure(_OfMetric):
    """Modes of a mixture of Gaussians covered, share of good samples, evenness (PacGAN). Real row: held-out data."""

    reference: Split | None = None
    real_row: Split = "held_out"

    def __init__(self, centers: Tensor, sd: float) -> None:
        self.metric = ModeCoverage(centers, sd)

    def observe(self, reference: Batches, device: torch.device) -> None:
        self._move(device)

    def _named(self, computed: Any) -> dict[str, float]:
        modes, good_share, reverse_kl = map(float, computed)
        return {
            log_names.MODES_COVERED: modes,
            log_names.GOOD_SHARE: good_share,
            log_names.REVERSE_KL: reverse_kl,
        }
