"""BatchNorm whose gains and shifts are the label's."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ConditionalBatchNorm2d(nn.Module):
    """γ_y · (a − μ)/σ + β_y: μ, σ of the whole batch, γ and β of each sample's class y (Dumoulin et al. 2017, Eq. 5).

    Gains start at 1, shifts at 0.

    Args:
        channels: of the activations.
        num_classes: number of labels, K.

    Example:
        >>> rows = nn.functional.one_hot(torch.tensor([0, 2]), 3).float()
        >>> ConditionalBatchNorm2d(4, num_classes=3)(torch.randn(2, 4, 8, 8), rows).shape
        torch.Size([2, 4, 8, 8])
    """

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.normalise = nn.BatchNorm2d(channels, affine=False)
        self.gains = nn.Parameter(torch.ones(num_classes, channels))
        self.shifts = nn.Parameter(torch.zeros(num_classes, channels))

    def forward(self, activations: Tensor, rows: Tensor) -> Tensor:
        """Activations (N, channels, H, W) and one-hot labels (N, K) → (N, channels, H, W)."""
        gains, shifts = ((rows @ table)[:, :, None, None] for table in (self.gains, self.shifts))
        return gains * self.normalise(activations) + shifts


class UnconditionalBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm that takes no notice of labels, (N, 0)."""

    def forward(self, activations: Tensor, rows: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(activations)


def batch_norm(channels: int, num_classes: int | None) -> nn.Module:
    """BatchNorm of activations and one-hot labels, (N, K), or (N, 0) for None."""
    return UnconditionalBatchNorm2d(channels) if num_classes is None else ConditionalBatchNorm2d(channels, num_classes)
