"""What keeps a discriminator smooth: weight clipping, gradient penalty, R1."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

Score = Callable[[Tensor], Tensor]  # images (N, *sample shape) -> scores (N,)


class Penalty:
    """A term added to a discriminator's loss, or a constraint on its parameters, or both.

    To add one: a subclass here that overrides ``loss`` or ``constrain``.
    """

    def loss(self, score: Score, real: Tensor, fake: Tensor) -> Tensor | None:
        """The term, a scalar; None where there is none. ``score`` is one discriminator, labels already bound."""
        return None

    def constrain(self, discriminator: nn.Module) -> None:
        """Bring the parameters back into the allowed set, in place; called before each discriminator step."""


class WeightClipping(Penalty):
    """Clamp every parameter of the critic to [−limit, limit] before each of its steps (Arjovsky et al. 2017).

    Args:
        limit: 0.01 as in the authors' code.
    """

    def __init__(self, limit: float = 0.01) -> None:
        self.limit = limit

    @torch.no_grad()
    def constrain(self, discriminator: nn.Module) -> None:
        for parameter in discriminator.parameters():
            parameter.clamp_(-self.limit, self.limit)


def _input_gradients(score: Score, images: Tensor) -> Tensor:
    """∇_x s(x) for each sample, flattened: (N, d), differentiable."""
    images = images.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(score(images).sum(), images, create_graph=True)
    return gradient.flatten(1)


class GradientPenalty(Penalty):
    """weight · E (‖∇_x s(x̂)‖ − 1)², x̂ uniform between a real and a fake sample (Gulrajani et al. 2017, Eq. 3).

    Args:
        weight: λ = 10 in the paper. The critic must not couple the samples of a batch (no BatchNorm).
    """

    def __init__(self, weight: float = 10.0) -> None:
        self.weight = weight

    def loss(self, score: Score, real: Tensor, fake: Tensor) -> Tensor:
        mix = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device, dtype=real.dtype)
        norm = _input_gradients(score, real + mix * (fake - real)).norm(dim=1)
        return self.weight * (norm - 1).square().mean()


class R1(Penalty):
    """(weight/2) · E ‖∇_x s(x)‖² on real samples (Mescheder et al. 2018, Eq. 9).

    Args:
        weight: γ = 10 in the paper, for images; low-dimensional data want less.
    """

    def __init__(self, weight: float = 10.0) -> None:
        self.weight = weight

    def loss(self, score: Score, real: Tensor, fake: Tensor) -> Tensor:
        return 0.5 * self.weight * _input_gradients(score, real).square().sum(1).mean()
