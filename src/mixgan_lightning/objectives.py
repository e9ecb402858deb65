"""Measuring functions f, and the losses built on them (paper, Section 2).

A discriminator gives a *score* s, any real number. Where the paper's D must be a probability it is σ(s), except for
``BinaryCrossEntropy``, whose discriminators end in a sigmoid of their own: their score is D(x) itself.
Each objective is a mean over the samples of a batch, so it may be estimated on any part of one without bias.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy, relu, softplus

from mixgan_lightning.scores import is_a_sigmoids


class Objective(ABC):
    """What the two players minimise, as functions of scores (N,).

    Those in this file take means over the last axis alone, so that several discriminators' scores, (…, N), are played
    at once; a subclass elsewhere is handed one discriminator's at a time. To add one here: name its measuring function
    and write the two losses with ``.mean(-1)``.
    """

    measuring_function: ClassVar[str]  # f of Eq. 2, as a formula in x
    undecided: ClassVar[float] = 0.0  # the score at which D = ½

    @abstractmethod
    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """The adversarial loss that a discriminator minimises, (…)."""

    @abstractmethod
    def generator_loss(self, fake: Tensor) -> Tensor:
        """The loss that a generator minimises, (…)."""

    def payoff(self, real: Tensor, fake: Tensor) -> Tensor:
        """F = E f(D(x)) + E f(1 − D(G(h))) (Eq. 6) up to a constant: −(discriminator loss)."""
        return -self.discriminator_loss(real, fake)

    def misfit(self, scores: Tensor) -> str | None:
        """Why scores such as these, (N,) and with their graph, cannot be meant for this objective; None: they can."""
        return None


class Minimax(Objective):
    """f = log, both players on the same payoff (Goodfellow et al. 2014, Eq. 1).

    F = E log σ(s_real) + E log σ(−s_fake), at most 0; −2 log 2 where D cannot tell.
    """

    measuring_function = "log x"

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return softplus(-real).mean(-1) + softplus(fake).mean(-1)

    def generator_loss(self, fake: Tensor) -> Tensor:
        return -softplus(fake).mean(-1)

    def misfit(self, scores: Tensor) -> str | None:
        if not is_a_sigmoids(scores):
            return None
        return (
            "expects scores, any real numbers, and applies the sigmoid itself; the discriminator ends in a sigmoid of "
            "its own; leave that out, or write objective=BinaryCrossEntropy()"
        )


class NonSaturating(Minimax):
    """f = log; the generator maximises log D rather than minimise log(1 − D) (Goodfellow et al. 2014, Section 3).

    Example:
        >>> import torch
        >>> NonSaturating().discriminator_loss(torch.zeros(4), torch.zeros(4))  # 2 log 2: D cannot tell
        tensor(1.3863)
    """

    def generator_loss(self, fake: Tensor) -> Tensor:
        return softplus(-fake).mean(-1)


class BinaryCrossEntropy(Objective):
    """f = log on probabilities: the non-saturating game of discriminators that end in a sigmoid (``nn.BCELoss``).

    F = E log D(x) + E log(1 − D(G(h))), each log at least −100, as in torch: finite where D is exactly 0 or 1. A D
    without a sigmoid and ``NonSaturating`` play the same game with better gradients there.

    Example:
        >>> BinaryCrossEntropy().payoff(torch.tensor([1.0, 0.5]), torch.tensor([0.0, 1.0]))  # log ½ / 2 − 100 / 2
        tensor(-50.3466)
    """

    measuring_function = "log x"
    undecided = 0.5

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return _cross_entropy(real, torch.ones_like(real)) + _cross_entropy(fake, torch.zeros_like(fake))

    def generator_loss(self, fake: Tensor) -> Tensor:
        return _cross_entropy(fake, torch.ones_like(fake))

    def misfit(self, scores: Tensor) -> str | None:
        if bool(((scores >= 0) & (scores <= 1)).all()):
            return None
        return (
            f"expects probabilities, the discriminator gives {float(scores.min()):.3g} … {float(scores.max()):.3g}; "
            "end it with nn.Sigmoid(), or write objective=NonSaturating()"
        )


def _cross_entropy(probabilities: Tensor, targets: Tensor) -> Tensor:
    """−E (t log p + (1 − t) log(1 − p)) over the last axis."""
    with torch.autocast(probabilities.device.type, enabled=False):  # under which torch refuses it on a GPU
        return binary_cross_entropy(probabilities, targets, reduction="none").mean(-1)


class Wasserstein(Objective):
    """f = x on unbounded scores (Arjovsky et al. 2017): F = E s_real − E s_fake.

    The critic must be kept Lipschitz: ``WeightClipping`` or ``GradientPenalty``.
    """

    measuring_function = "x"
    undecided = 0.5

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return fake.mean(-1) - real.mean(-1)

    def generator_loss(self, fake: Tensor) -> Tensor:
        return -fake.mean(-1)


class NeuralNetDistance(Objective):
    """f = x on D = σ(s) in [0, 1] (paper, Definition 1: the neural network distance): F = E σ(s_real) − E σ(s_fake).

    Between −1 and 1: no discriminator, however large, exceeds the total variation distance.

    Example:
        >>> NeuralNetDistance().payoff(torch.tensor([9.0, 9.0]), torch.tensor([-9.0, 9.0]))  # every other fake passes
        tensor(0.4999)
    """

    measuring_function = "x"

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return fake.sigmoid().mean(-1) - real.sigmoid().mean(-1)

    def generator_loss(self, fake: Tensor) -> Tensor:
        return -fake.sigmoid().mean(-1)

    def misfit(self, scores: Tensor) -> str | None:
        if not is_a_sigmoids(scores):
            return None
        return (
            "expects scores, any real numbers, and applies the sigmoid itself; the discriminator ends in a sigmoid of "
            "its own; leave that out, or write objective=Wasserstein(), which takes D(x) as it is"
        )


class Hinge(Objective):
    """f(x) = min(0, 2x − 2) at D = (1 + s)/2 (Lim & Ye 2017; Miyato et al. 2018, Eq. 16 and 17)."""

    measuring_function = "min(0, 2x - 2)"

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return relu(1 - real).mean(-1) + relu(1 + fake).mean(-1)

    def generator_loss(self, fake: Tensor) -> Tensor:
        return -fake.mean(-1)


class LeastSquares(Objective):
    """f(x) = −(1 − x)²/2 at D = s (Mao et al. 2017, Eq. 9: targets 1 for real, 0 for fake, 1 for the generator)."""

    measuring_function = "-(1 - x)^2 / 2"
    undecided = 0.5

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return 0.5 * ((real - 1).square().mean(-1) + fake.square().mean(-1))

    def generator_loss(self, fake: Tensor) -> Tensor:
        return 0.5 * (fake - 1).square().mean(-1)
