"""The penalties on every discriminator, against each of the fakes that it is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mixgan_lightning.gan import GAN
from mixgan_lightning.mixture import Mixture
from mixgan_lightning.payoff.calls import Rule
from mixgan_lightning.payoff.rules import is_default, needs_batch, scalar
from mixgan_lightning.payoff.trees import each
from mixgan_lightning.payoff.ways import Evaluation
from mixgan_lightning.penalties import GradientTerm, Score
from mixgan_lightning.scores import adversarial

Critic = Callable[[Any], Score]  # a discriminator -> its scores of images, labels bound


def depends_on_fakes(gan: GAN) -> bool:
    """Whether a discriminator's penalty differs from one generator's fakes to the next."""
    return getattr(gan.smoothness, "of_fakes", True) or not is_default(gan, "penalty")


def gradient_term(gan: GAN) -> GradientTerm | None:
    """The GAN's penalty, where it is one of input gradients and no method of the user's has a say in it."""
    term = gan.smoothness
    plain = isinstance(term, GradientTerm) and type(term).loss is GradientTerm.loss and is_default(gan, "penalty")
    return term if plain else None  # type: ignore[return-value]


def one_by_one(gan: GAN, discriminators: Mixture, critic: Critic, real: Tensor, fakes: Tensor) -> Tensor:
    """P_kj of D_j on the k-th fakes, (fakes, Tv), by the GAN's ``penalty``; 0 where it gives none."""

    def penalty(score: Score, fake: Tensor) -> Tensor:
        term = gan.penalty(score, real, fake)
        return real.new_zeros(()) if term is None else scalar("penalty", term)

    return torch.stack([torch.stack([penalty(critic(d), fake) for fake in fakes]) for d in discriminators], dim=1)


def at_once(
    gan: GAN,
    discriminators: Mixture,
    judge: Rule,
    evaluation: Evaluation,
    term: GradientTerm,
    batch: Any,
    fakes: Tensor,
) -> Tensor:
    """The same of vectorised discriminators: one backward pass for the gradients of all.

    ``judge``: (discriminator, images (fakes, N, …), batch) -> what it gives, row after row.
    """
    real = gan.images(batch)
    # drawn in the order of ``one_by_one``
    points = torch.stack([torch.stack([term.points(real, fake) for fake in fakes]) for _ in discriminators])
    points = points.detach().requires_grad_()  # (Tv, fakes, N, …)
    beside = [each(lambda leaf: leaf[None], batch)] if needs_batch(gan, "score") else []
    scores = adversarial(evaluation.calls(discriminators, judge, [points, *beside]))
    (gradients,) = torch.autograd.grad(scores.sum(), points, create_graph=True)
    return term.of_gradients(gradients.flatten(3)).transpose(0, 1)
