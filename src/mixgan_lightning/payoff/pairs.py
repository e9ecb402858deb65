"""The pair losses of a GAN: every generator against every discriminator, each network called in a plain loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from mixgan_lightning import objectives
from mixgan_lightning.errors import GANError
from mixgan_lightning.gan import GAN
from mixgan_lightning.mixture import Mixture
from mixgan_lightning.payoff.fakes import Fakes
from mixgan_lightning.scores import adversarial, flattened, widened


def expectation(w_u: Tensor, matrix: Tensor, w_v: Tensor) -> Tensor:
    """w_uᵀ M w_v: the expected entry when both players draw a component. (Tu,), (Tu, Tv), (Tv,) -> ().

    Written without ``@``, which bf16-mixed would compute in bfloat16.
    """
    return (w_u[:, None] * matrix * w_v).sum()


@dataclass(frozen=True)
class Scores:
    """The adversarial scores of the last discriminator step: ``real[i]`` beside ``fake[i]``, row by row, (Tv, n_i)."""

    real: list[Tensor]
    fake: list[Tensor]


@dataclass(frozen=True)
class Hands:
    """What the generators hold in one step: for each, its latents, the part of the batch it plays, its fakes.

    ``beside``: the batch that the fakes are scored with.
    """

    latents: list[Any]
    batches: list[Any]
    fakes: list[Tensor]
    beside: Any


class Pairs:
    """Pair losses of every generator against every discriminator.

    Args:
        gan: the rules.
        generators: the Tu generators.
        discriminators: the Tv discriminators.
        fakes: whether each generator draws a whole batch or its part of one.
    """

    def __init__(self, gan: GAN, generators: Mixture, discriminators: Mixture, fakes: Fakes) -> None:
        self.gan, self.generators, self.discriminators, self.fakes = gan, generators, discriminators, fakes
        self.scores: Scores | None = None
        self._penalised: list[Tensor] | None = None

    def discriminator_losses(self, batch: Any) -> Tensor:
        """L_ij = what D_j minimises against G_i, without penalties: (Tu, Tv)."""
        with torch.no_grad():
            hands = self._deal(batch)
        real, fake = [], []  # by discriminator: its outputs for the batch, and for each generator's fakes
        for discriminator in self.discriminators:  # real first, as most single GANs do: BatchNorm sees this order
            real.append(self._score(discriminator, self.gan.images(batch), batch))
            fake.append(self._score_fakes(discriminator, hands))
        scores = Scores(self._real_parts(real), _by_generator(fake))
        self.scores = Scores([s.detach() for s in scores.real], [s.detach() for s in scores.fake])
        self._penalised = self.fakes.penalised(hands.fakes)
        dealt = cache(lambda j: self.fakes.deal(real[j], len(self.generators)))
        return self._matrix(
            "discriminator_objective",
            lambda i: self.gan.objective.discriminator_loss(scores.real[i], scores.fake[i]),
            lambda i, j: self.gan.discriminator_objective(dealt(j)[i], fake[j][i], hands.latents[i], hands.batches[i]),
        )

    def generator_losses(self, batch: Any) -> Tensor:
        """L_ij = what G_i minimises against D_j: (Tu, Tv)."""
        hands = self._deal(batch)
        fake = [self._score_fakes(d, hands) for d in self.discriminators]

        @cache
        def real(j: int) -> list[Any]:
            outputs = self._score(self.discriminators.components[j], self.gan.images(batch), batch)
            return self.fakes.deal(outputs, len(self.generators))

        by_generator = cache(lambda: _by_generator(fake))
        losses = self._matrix(
            "generator_objective",
            lambda i: self.gan.objective.generator_loss(by_generator()[i]),
            lambda i, j: self.gan.generator_objective(
                fake[j][i], lambda: real(j)[i], hands.latents[i], hands.batches[i]
            ),
        )
        return self._with_auxiliary(losses, hands)

    def penalty(self, batch: Any, w_u: Tensor, w_v: Tensor) -> Tensor | None:
        """The penalties, weighted by the given weights; None where the GAN has none.

        ``full``: Σ_ij w_ui w_vj P_ij; ``split``: Σ_j w_vj P_j, the real batch against the joint fake batch. The fakes
        are those that ``discriminator_losses`` has just played; new ones where a subclass played its own.
        """
        opponents, self._penalised = self._penalised, None
        if not self.gan.has_penalty:
            return None
        if opponents is None:
            with torch.no_grad():
                opponents = self.fakes.penalised(self._deal(batch).fakes)
        shares = w_u if len(opponents) == len(w_u) else w_u.new_ones(1)
        terms = []
        for discriminator, w_j in zip(self.discriminators, w_v, strict=True):
            for fake, w_i in zip(opponents, shares, strict=True):
                term = self.gan.penalty(self._critic(discriminator, batch), self.gan.images(batch), fake)
                if term is not None:
                    terms.append(w_i * w_j * term)
        return torch.stack(terms).sum() if terms else None

    def payoff(self) -> Tensor | None:
        """F, (Tu, Tv), of the last discriminator step's scores; None where there were no scores."""
        if self.scores is None:
            return None
        real, fake = self.scores.real, self.scores.fake
        return self._matrix(
            "payoff",
            lambda i: self.gan.objective.payoff(real[i], fake[i]),
            lambda i, j: self.gan.payoff(real[i][j], fake[i][j]),
        )

    def _deal(self, batch: Any) -> Hands:
        """One draw of latents for the step, shared by the generators or dealt out to them."""
        size = len(self.generators)
        drawn = self.gan.latents(len(self.gan.images(batch)), batch)
        latents = self.fakes.deal(drawn, size)
        batches = self.fakes.deal(batch, size)
        fakes = [self.gan.generate(g, h, b) for g, h, b in zip(self.generators, latents, batches, strict=True)]
        return Hands(latents, batches, fakes, self.gan.fake_batch(drawn, batch))

    def _with_auxiliary(self, losses: Tensor, hands: Hands) -> Tensor:
        """Each generator's own term added to its row: Σ_j w_vj = 1, so that it is weighted by w_ui."""
        if type(self.gan).generator_auxiliary is GAN.generator_auxiliary:
            return losses
        rows = zip(losses, hands.fakes, hands.latents, hands.batches, strict=True)
        terms = ((row, self.gan.generator_auxiliary(images, h, part)) for row, images, h, part in rows)
        return torch.stack([row if term is None else row + _scalar("generator_auxiliary", term) for row, term in terms])

    def _score(self, discriminator: nn.Module, images: Tensor, batch: Any) -> Any:
        return widened(flattened(self.gan.score(discriminator, images, batch), len(images)))

    def _score_fakes(self, discriminator: nn.Module, hands: Hands) -> list[Any]:
        return self.fakes.score(lambda images: self._score(discriminator, images, hands.beside), hands.fakes)

    def _critic(self, discriminator: nn.Module, batch: Any) -> Callable[[Tensor], Tensor]:
        """images -> adversarial scores of one discriminator, labels bound."""
        return lambda images: adversarial(self._score(discriminator, images, batch))

    def _real_parts(self, real: list[Any]) -> list[Tensor]:
        """[(N,)] by discriminator -> [(Tv, n_i)] by generator: the real scores that stand beside each one's fakes."""
        scores = torch.stack([adversarial(outputs) for outputs in real], dim=1)
        return [part.T for part in self.fakes.deal(scores, len(self.generators))]

    def _matrix(self, rule: str, row: Callable[[int], Tensor], entry: Callable[[int, int], Tensor]) -> Tensor:
        """A rule of the GAN applied to every pair: (Tu, Tv).

        ``row(i)`` plays our own rule and objective against all discriminators at once, on adversarial scores
        (Tv, n_i) -> (Tv,); ``entry(i, j)`` plays one pair, on all that D_j gave, where either is a user's.
        """
        ours = getattr(type(self.gan), rule) is getattr(GAN, rule)
        ours = ours and type(self.gan.objective).__module__ == objectives.__name__
        tu, tv = len(self.generators), len(self.discriminators)
        if ours:
            return torch.stack([row(i) for i in range(tu)])
        return torch.stack([torch.stack([_scalar(rule, entry(i, j)) for j in range(tv)]) for i in range(tu)])


def _scalar(rule: str, loss: Any) -> Tensor:
    """The loss of one pair, if it is one number."""
    if not isinstance(loss, Tensor) or loss.ndim:
        got = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        raise GANError(f"{rule}: expected a scalar tensor, got {got}; take the mean over the samples")
    return loss


def _by_generator(fake: list[list[Any]]) -> list[Tensor]:
    """Outputs [j][i] with adversarial scores (n_i,) -> these scores, [i] of shape (Tv, n_i)."""
    return [torch.stack([adversarial(outputs) for outputs in column]) for column in zip(*fake, strict=True)]
