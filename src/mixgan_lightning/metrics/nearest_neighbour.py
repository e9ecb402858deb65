"""Distance of samples to the data: small means copies, or mere closeness; compare it with held-out data's own."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric

from mixgan_lightning.errors import DataError

BLOCK = 1024  # rows of either side in one matrix of distances: 8 MiB in float64


class NearestNeighbourDistance(Metric):
    """(1/N) Σ_n min_r ‖x_n − x_r‖₂ over flattened samples: the mean distance to the nearest of the reference samples.

    With the training data as the reference, samples nearer than held-out data tell of memorising; with generated
    samples as the reference and held-out data as x, a large value tells that the generator leaves things out.

    Args:
        reference: samples to be near to, shape (R, *shape), R ≥ 1.

    `update(samples)` takes samples (N, *shape). `compute()` returns the mean distance, a float64 scalar ≥ 0.

    Raises:
        DataError: an empty reference, samples of another shape than its own; at `compute`, no samples.

    Example:
        >>> distance = NearestNeighbourDistance(torch.tensor([[0.0, 0.0], [3.0, 0.0]]))
        >>> distance.update(torch.tensor([[0.0, 1.0], [3.0, 2.0]]))
        >>> float(distance.compute())
        1.5
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = False

    reference: Tensor
    distance_sum: Tensor
    samples: Tensor

    def __init__(self, reference: Tensor) -> None:
        super().__init__()
        if not len(reference):
            raise DataError(f"expected at least one reference sample, got shape {tuple(reference.shape)}")
        self.register_buffer("reference", reference.detach(), persistent=False)
        self.add_state("distance_sum", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("samples", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    @torch.no_grad()
    def update(self, samples: Tensor) -> None:
        """Add samples (N, *shape)."""
        if samples.shape[1:] != self.reference.shape[1:]:
            raise DataError(
                f"expected samples of shape {tuple(self.reference.shape[1:])}, got {tuple(samples.shape[1:])}; give "
                "them the size of the data that they are compared with"
            )
        for block in samples.to(self.device).split(BLOCK):
            self.distance_sum = self.distance_sum + self._nearest(block.flatten(1).double()).sum()
        self.samples = self.samples + len(samples)

    def compute(self) -> Tensor:
        """The mean distance of all samples, of all processes."""
        if self.samples == 0:
            raise DataError("expected samples before compute(), got none; call update(samples)")
        return self.distance_sum / self.samples

    def _nearest(self, samples: Tensor) -> Tensor:
        """Distance of each of samples (n, d) to its nearest reference, shape (n,)."""
        nearest = samples.new_full((len(samples),), torch.inf)
        for block in self.reference.split(BLOCK):
            nearest = torch.minimum(nearest, torch.cdist(samples, block.flatten(1).double()).amin(1))
        return nearest
