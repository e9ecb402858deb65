"""The measures, each a metric of the samples under its log names.

To add one: a class here with what `Measure` asks for.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.image.fid import FrechetInceptionDistance

from mixgan_lightning import log_names
from mixgan_lightning.evaluation.measure import AgainstFeatures, AgainstRows, Needs, OfMetric, other
from mixgan_lightning.evaluation.real_data import Split
from mixgan_lightning.evaluation.seen import Seen
from mixgan_lightning.metrics import (
    ClassCoverage,
    InceptionScore,
    KernelDistance,
    ModeCoverage,
    NearestNeighbourDistance,
    PrecisionRecall,
)
from mixgan_lightning.processes import agreed


class InceptionScoreMeasure(OfMetric):
    """Inception score of the features' logits.

    Args:
        splits: parts that are scored on their own; 10 as in the paper, for 50,000 samples.
    """

    needs: Needs = "logits"

    def __init__(self, splits: int = 10) -> None:
        self.metric = InceptionScore(nn.Identity(), splits)
        self.least = self.splits = splits

    @property
    def settings(self) -> dict[str, Any]:
        return {"splits": self.splits}

    def update(self, seen: Seen) -> None:
        assert seen.logits is not None
        self.metric.update(seen.logits, seen.index)

    def _named(self, computed: Any) -> dict[str, float]:
        mean, std = computed
        return {log_names.INCEPTION_SCORE_MEAN: float(mean), log_names.INCEPTION_SCORE_STD: float(std)}


class _Width(nn.Module):
    """What torchmetrics' Fréchet distance wants of a network, when it is handed features: their width."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


class FrechetMeasure(OfMetric):
    """Fréchet distance to real data (Heusel et al. 2017) of the features' embedding, by torchmetrics, in float64.

    Args:
        reference: "held_out", so that memorising does not help, or "train", as most papers do. The real row is the
            other of the two: it says how small the distance gets with that many samples.
    """

    needs: Needs = "embedding"
    least = 2

    def __init__(self, reference: Split = "held_out") -> None:
        self.reference, self.real_rows = reference, (other(reference),)
        self.width: int | None = None

    def forget(self) -> None:
        self.width = None

    def observe(self, seen: Seen) -> None:
        assert seen.embedding is not None
        if self.width is None:
            self._begin(seen.embedding.shape[1], seen.embedding.device)
        self.metric.update(seen.embedding.double(), real=True)

    def ready(self, device: torch.device) -> None:
        width = agreed("width of the features", self.width)
        if self.width is None:  # this process's share of the reference was empty
            self._begin(width, device)
        self.forget()  # the metric holds it now

    def _begin(self, width: int, device: torch.device) -> None:
        self.width = width
        self.metric = FrechetInceptionDistance(_Width(width), reset_real_features=False).to(device)
        self.metric.orig_dtype = torch.float64  # of the result; torchmetrics sets it at the first update alone

    def update(self, seen: Seen) -> None:
        assert seen.embedding is not None
        self.metric.update(seen.embedding.double(), real=False)

    def _named(self, computed: Any) -> dict[str, float]:
        return {log_names.FRECHET_DISTANCE: float(computed)}


class KernelMeasure(AgainstFeatures):
    """Kernel distance to real data (Bińkowski et al. 2018), in the features' embedding.

    Args:
        reference, subsets, subset_size: see `FrechetMeasure` and `metrics.KernelDistance`.
    """

    def __init__(self, reference: Split = "held_out", subsets: int = 100, subset_size: int = 1_000) -> None:
        super().__init__(reference)
        self.subsets, self.subset_size = subsets, subset_size

    @property
    def settings(self) -> dict[str, Any]:
        used = self.metric.size_used if hasattr(self, "metric") else self.subset_size
        return {**super().settings, "subsets": self.subsets, "subset_size": used}

    def _built(self, reference: Tensor) -> KernelDistance:
        return KernelDistance(reference, self.subsets, self.subset_size)

    def _named(self, computed: Any) -> dict[str, float]:
        mean, std = computed
        return {log_names.KERNEL_DISTANCE_MEAN: float(mean), log_names.KERNEL_DISTANCE_STD: float(std)}


class PrecisionRecallMeasure(AgainstFeatures):
    """Precision and recall against real data (Kynkäänniemi et al. 2019), in the features' embedding.

    Args:
        reference, neighbours: see `FrechetMeasure` and `metrics.PrecisionRecall`.
    """

    def __init__(self, reference: Split = "held_out", neighbours: int = 3) -> None:
        super().__init__(reference)
        self.neighbours, self.least = neighbours, neighbours + 1

    @property
    def settings(self) -> dict[str, Any]:
        return {**super().settings, "neighbours": self.neighbours}

    def _built(self, reference: Tensor) -> Metric:
        return PrecisionRecall(reference, self.neighbours)

    def _named(self, computed: Any) -> dict[str, float]:
        precision, recall = computed
        return {log_names.PRECISION: float(precision), log_names.RECALL: float(recall)}


class NearestTrainingImageMeasure(AgainstRows):
    """Mean distance to the nearest training image, in pixel space. Real row: held-out data.

    Samples that lie closer to the training set than real held-out data do are memorised, however good they look.
    """

    reference: Split | None = "train"
    real_rows: tuple[Split, ...] = ("held_out",)

    def _row(self, seen: Seen) -> Tensor:
        return seen.samples

    def _built(self, reference: Tensor) -> Metric:
        return NearestNeighbourDistance(reference)

    def update(self, seen: Seen) -> None:
        self.metric.update(seen.samples)

    def _named(self, computed: Any) -> dict[str, float]:
        return {log_names.NEAREST_TRAINING_IMAGE: float(computed)}


class ModeCoverageMeasure(OfMetric):
    """Modes of a mixture of Gaussians covered, share of good samples, evenness (PacGAN)."""

    def __init__(self, centers: Tensor, sd: float) -> None:
        self.metric = ModeCoverage(centers, sd)

    def update(self, seen: Seen) -> None:
        self.metric.update(seen.samples)

    def _named(self, computed: Any) -> dict[str, float]:
        modes, good_share, reverse_kl = map(float, computed)
        return {log_names.MODES_COVERED: modes, log_names.GOOD_SHARE: good_share, log_names.REVERSE_KL: reverse_kl}


class ClassCoverageMeasure(OfMetric):
    """Classes of the features' logits that samples fall into, and their evenness (Metz et al. 2017)."""

    needs: Needs = "logits"

    def __init__(self) -> None:
        self.metric = ClassCoverage()

    def update(self, seen: Seen) -> None:
        assert seen.logits is not None
        self.metric.update(seen.logits)

    def _named(self, computed: Any) -> dict[str, float]:
        classes, reverse_kl = map(float, computed)
        return {log_names.MODES_COVERED: classes, log_names.REVERSE_KL: reverse_kl}
