"""Precision and recall (Kynkäänniemi et al. 2019): how many samples look real, how much of the real they cover."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch_fidelity.metric_prc import KEY_METRIC_PRECISION, KEY_METRIC_RECALL, prc_features_to_metric

from mixgan_lightning.errors import ConfigurationError, DataError
from mixgan_lightning.metrics.feature_rows import FeatureRows

BLOCK = 2_000  # rows in one matrix of distances: 0.8 GB against 50,000


class PrecisionRecallValue(NamedTuple):
    """What `PrecisionRecall.compute` returns, two float64 scalars in 0 … 1."""

    precision: Tensor
    """Share of samples that lie within the reference's manifold."""
    recall: Tensor
    """Share of the reference that lies within the samples' manifold."""


class PrecisionRecall(FeatureRows):
    """A manifold is the union of balls around its points, each reaching to the point's k-th nearest neighbour.

    torch-fidelity's mathematics (``prc_features_to_metric``), on the features it is given, in float64. Both values
    depend on the numbers of rows: compare only equal ones.

    Args:
        reference: features of real data, (R, d), R > neighbours.
        neighbours: k; 3 as in the paper.

    `update(features, index=None)` takes features (N, d). `compute()` returns a `PrecisionRecallValue`.

    Raises:
        ConfigurationError: neighbours < 1, or a reference that has not more rows than that.
        DataError: features of another width than the reference's; at `compute`, not more samples than neighbours.

    Example:
        >>> square = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
        >>> quality = PrecisionRecall(square, neighbours=1)
        >>> quality.update(torch.tensor([[0.0, 0.1], [0.1, 0.0], [9.0, 9.0], [9.0, 9.1]]))
        >>> [float(value) for value in quality.compute()]
        [0.5, 0.25]
    """

    higher_is_better = True

    def __init__(self, reference: Tensor, neighbours: int = 3) -> None:
        super().__init__(reference)
        if not 1 <= neighbours < len(reference):
            raise ConfigurationError(
                f"expected neighbours in 1 … {len(reference) - 1}, fewer than the reference's rows, got {neighbours}"
            )
        self.neighbours = neighbours

    def compute(self) -> PrecisionRecallValue:
        """Precision and recall of all samples, of all processes."""
        rows = self.ordered()
        if len(rows) <= self.neighbours:
            raise DataError(f"expected more than {self.neighbours} samples, got {len(rows)}; draw more")
        found = prc_features_to_metric(
            rows,
            self.reference.double(),
            prc_neighborhood=self.neighbours,
            prc_batch_size=BLOCK,
            save_cpu_ram=True,
            verbose=False,
        )
        return PrecisionRecallValue(
            torch.tensor(found[KEY_METRIC_PRECISION], dtype=torch.float64),
            torch.tensor(found[KEY_METRIC_RECALL], dtype=torch.float64),
        )
