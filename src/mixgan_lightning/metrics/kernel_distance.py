"""Kernel distance (Bińkowski et al. 2018, "KID"): an unbiased squared distance of two sets of features."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, KEY_METRIC_KID_STD, kid_features_to_metric

from mixgan_lightning.errors import ConfigurationError, DataError
from mixgan_lightning.metrics.feature_rows import FeatureRows


class KernelDistanceValue(NamedTuple):
    """What `KernelDistance.compute` returns, two float64 scalars."""

    mean: Tensor
    """Over subsets; 0 in expectation for samples of the reference's own law, and then as often below 0."""
    std: Tensor
    """Population standard deviation over subsets."""


class KernelDistance(FeatureRows):
    """MMD² with the kernel k(x, y) = (xᵀy / d + 1)³, its mean and deviation over random subsets; in float64.

    torch-fidelity's mathematics (``kid_features_to_metric``), on subsets of its seed: the global random streams are
    left alone, and the value does not depend on the number of processes.

    Args:
        reference: features of real data, (R, d).
        subsets: how many are drawn; 100 as in torch-fidelity.
        subset_size: rows in each, drawn without replacement from either side; 1,000 as in the paper, or half of the
            smaller side where that has fewer.

    `update(features, index=None)` takes features (N, d). `compute()` returns a `KernelDistanceValue`.

    Raises:
        ConfigurationError: subsets < 1 or subset_size < 2.
        DataError: features of another width than the reference's; at `compute`, fewer than 2 samples.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> distance = KernelDistance(torch.randn(200, 4), subsets=10)
        >>> distance.update(torch.randn(200, 4) + 1)
        >>> bool(distance.compute().mean > 0.5)
        True
    """

    higher_is_better = False

    def __init__(self, reference: Tensor, subsets: int = 100, subset_size: int = 1_000) -> None:
        super().__init__(reference)
        if subsets < 1 or subset_size < 2:
            raise ConfigurationError(
                f"expected subsets >= 1 and subset_size >= 2, got subsets={subsets}, subset_size={subset_size}"
            )
        self.subsets, self.subset_size = subsets, subset_size
        self.size_used = subset_size  # at the last compute

    def compute(self) -> KernelDistanceValue:
        """The kernel distance of all samples, of all processes."""
        rows = self.ordered()
        fewest = min(len(rows), len(self.reference))
        if fewest < 2:
            raise DataError(f"expected at least 2 samples and as many of the reference, got {fewest}; use more")
        self.size_used = size = self.subset_size if self.subset_size <= fewest else max(2, fewest // 2)
        found = kid_features_to_metric(
            rows, self.reference.double(), kid_subsets=self.subsets, kid_subset_size=size, verbose=False
        )
        return KernelDistanceValue(
            torch.tensor(found[KEY_METRIC_KID_MEAN], dtype=torch.float64),
            torch.tensor(found[KEY_METRIC_KID_STD], dtype=torch.float64),
        )
