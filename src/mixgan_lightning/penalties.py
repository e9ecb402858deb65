"""What keeps a discriminator smooth: weight clipping, gradient penalty, R1."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

Score = Callable[[Tensor], Tensor]  # images (N, *sample shape) -> scores (N,)


class Penalty:
    """A term added to a discriminator's loss, or a constraint on its parameters, or both.

    To add one: a subclass here that overrides ``loss`` or ``constrain``.

    Attributes:
        of_fakes: whether the term depends on the fakes; one that does not is computed once for each discriminator, and
            not for each pair.
    """

    of_fakes = True

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


class GradientTerm(Penalty, ABC):
    """A term of the critic's gradient by its inputs: of vectorised discriminators all gradients are taken at once.

    To add one: a subclass here that overrides ``points`` and ``of_gradients``, and not ``loss``.
    """

    @abstractmethod
    def points(self, real: Tensor, fake: Tensor) -> Tensor:
        """Where the gradient is taken: images, (N, *sample shape)."""

    @abstractmethod
    def of_gradients(self, gradients: Tensor) -> Tensor:
        """The term of ∇_x s(x), each sample's flattened: (…, N, d) -> (…)."""

    def loss(self, score: Score, real: Tensor, fake: Tensor) -> Tensor:
        points = self.points(real, fake).detach().requires_grad_()
        (gradients,) = torch.autograd.grad(score(points).sum(), points, create_graph=True)
        return self.of_gradients(gradients.flatten(1))


class GradientPenalty(GradientTerm):
    """weight · E (‖∇_x s(x̂)‖ − 1)², x̂ uniform between a real and a fake sample (Gulrajani et al. 2017, Eq. 3).

    Args:
        weight: λ = 10 in the paper. The critic must not couple the samples of a batch (no BatchNorm).
    """

    def __init__(self, weight: float = 10.0) -> None:
        self.weight = weight

    def points(self, real: Tensor, fake: Tensor) -> Tensor:
        mix = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device, dtype=real.dtype)
        return real + mix * (fake - real)

    def of_gradients(self, gradients: Tensor) -> Tensor:
        return self.weight * (gradients.norm(dim=-1) - 1).square().mean(-1)


class R1(GradientTerm):
    """(weight/2) · E ‖∇_x s(x)‖² on real samples (Mescheder et al. 2018, Eq. 9).

    Args:
        weight: γ = 10 in the paper, for images; low-dimensional data want less.
    """

    of_fakes = False

    def __init__(self, weight: float = 10.0) -> None:
        self.weight = weight

    def points(self, real: Tensor, fake: Tensor) -> Tensor:
        return real

    def of_gradients(self, gradients: Tensor) -> Tensor:
        return 0.5 * self.weight * gradients.square().sum(-1).mean(-1)
