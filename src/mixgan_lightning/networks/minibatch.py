"""Minibatch discrimination: a discriminator that sees how alike the samples of a batch are."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MinibatchDiscrimination(nn.Module):
    r"""Appends to each sample's features how close the batch's other samples come (Salimans et al. 2016, Section 3.2).

    .. math::
        o_b(x_i) = \sum_{j \ne i} \exp(-\|M_{ib} - M_{jb}\|_1), \quad M_i = f(x_i) T \in R^{B \times C}

    It couples the samples of a batch: the score of one depends on the others, and so on how a batch is shared out.

    Args:
        in_features: width of f(x).
        kernels: B; 100 in the paper.
        kernel_dim: C; 5 in the authors' code.

    Example:
        >>> MinibatchDiscrimination(8, kernels=3)(torch.randn(5, 8)).shape
        torch.Size([5, 11])
    """

    def __init__(self, in_features: int, kernels: int = 100, kernel_dim: int = 5) -> None:
        super().__init__()
        self.kernel_dim = kernel_dim
        self.projection = nn.Parameter(0.05 * torch.randn(in_features, kernels * kernel_dim))  # T

    def forward(self, features: Tensor) -> Tensor:
        """(N, in_features) → (N, in_features + kernels)."""
        projected = (features @ self.projection).unflatten(1, (-1, self.kernel_dim))
        distances = (projected[:, None] - projected).abs().sum(-1)  # (N, N, B)
        closeness = (-distances).exp().sum(1) - 1  # without the sample itself
        return torch.cat([features, closeness], dim=1)
