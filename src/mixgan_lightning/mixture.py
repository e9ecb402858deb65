"""T networks of one architecture and the log-probabilities of playing each (paper, Section 6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn


class Mixture(nn.Module):
    """T networks of one architecture, and the log-probabilities of playing each (paper, Section 6).

    Args:
        components: T ≥ 1 networks with parameters of their own.

    Example:
        >>> mixture = Mixture([nn.Linear(2, 2) for _ in range(4)])
        >>> mixture.weights
        tensor([0.2500, 0.2500, 0.2500, 0.2500], grad_fn=<SoftmaxBackward0>)
    """

    def __init__(self, components: Sequence[nn.Module]) -> None:
        super().__init__()
        self.components = nn.ModuleList(components)
        self.log_probabilities = nn.Parameter(torch.zeros(len(components)))  # α: uniform at the start

    def __len__(self) -> int:
        return len(self.components)

    def __iter__(self) -> Iterator[nn.Module]:
        return iter(self.components)

    @property
    def weights(self) -> Tensor:
        """The mixture weights w = softmax(α), shape (T,), each in (0, 1), summing to 1."""
        return self.log_probabilities.softmax(0)

    def entropy_penalty(self) -> Tensor:
        """R(w) = −(1/T) Σ log w_i: smallest, log T, at uniform weights. Each player *minimises* its own.

        ∂R/∂α_k = w_k − 1/T. (The paper's R_ent is the sum of both players' R; read literally inside its min-max
        the discriminators would maximise it, and their weights would collapse.)
        """
        return -self.log_probabilities.log_softmax(0).mean()

    @property
    def effective_size(self) -> Tensor:
        """exp(H(w)), between 1 (one component plays alone) and T (uniform weights)."""
        log_w = self.log_probabilities.detach().log_softmax(0)
        return (-(log_w.exp() * log_w).sum()).exp()

    def choose(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """A component for each of n samples, drawn by w: int64, shape (n,), on the CPU.

        Without a generator it draws from torch's global CPU stream.
        """
        weights = self.log_probabilities.detach().cpu().double().softmax(0)
        return weights.multinomial(n, replacement=True, generator=generator)
