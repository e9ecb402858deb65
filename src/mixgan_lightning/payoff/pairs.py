"""The pair losses of a GAN, by plain loops over discriminators and generators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mixgan_lightning.gan import GAN
from mixgan_lightning.mixture import Mixture
from mixgan_lightning.payoff.fakes import Fakes


def expectation(w_u: Tensor, matrix: Tensor, w_v: Tensor) -> Tensor:
    """w_uᵀ M w_v: the expected entry when both players draw a component. (Tu,), (Tu, Tv), (Tv,) -> ().

    Written without ``@``, which bf16-mixed would compute in bfloat16.
    """
    return (w_u[:, None] * matrix * w_v).sum()


def _precise(scores: Tensor) -> Tensor:
    """Scores in at least float32: a mean over a batch in bfloat16 keeps two digits."""
    return scores.float() if scores.dtype in (torch.bfloat16, torch.float16) else scores


@dataclass
class Scores:
    """What the last discriminator step saw: ``real[j]``, (N,), and ``fake[j][i]``, D_j's scores of G_i's fakes."""

    real: list[Tensor]
    fake: list[list[Tensor]]


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
        self._played: tuple[Any, list[Tensor]] | None = None

    def discriminator_losses(self, batch: Any) -> Tensor:
        """L_ij = what D_j minimises against G_i, without penalties: (Tu, Tv)."""
        with torch.no_grad():
            latents, batches, fakes = self._generate(batch)
        self._played, self.scores = (batch, fakes), Scores([], [])
        columns = []
        for discriminator in self.discriminators:
            real = self._score(discriminator, self.gan.images(batch), batch)
            fake = self._score_fakes(discriminator, fakes, batch)
            columns.append(
                self._column(self.gan.discriminator_objective, self._real_parts(real), fake, latents, batches)
            )
            self.scores.real.append(real.detach())
            self.scores.fake.append([scores.detach() for scores in fake])
        return torch.stack(columns, dim=1)

    def generator_losses(self, batch: Any) -> Tensor:
        """L_ij = what G_i minimises against D_j: (Tu, Tv)."""
        latents, batches, fakes = self._generate(batch)
        columns = []
        for discriminator in self.discriminators:
            real = _RealScores(self, discriminator, batch)
            fake = self._score_fakes(discriminator, fakes, batch)
            parts = [real.of(i) for i in range(len(self.generators))]
            columns.append(self._column(self.gan.generator_objective, fake, parts, latents, batches))
        return torch.stack(columns, dim=1)

    def penalty(self, w_u: Tensor, w_v: Tensor) -> Tensor | None:
        """The penalties on the batch that ``discriminator_losses`` has just played, weighted by the given weights.

        ``full``: Σ_ij w_ui w_vj P_ij; ``split``: Σ_j w_vj P_j, the real batch against the joint fake batch.
        """
        if self._played is None:
            return None
        (batch, fakes), self._played = self._played, None
        opponents = self.fakes.penalised(fakes)
        shares = w_u if len(opponents) == len(w_u) else w_u.new_ones(1)
        real, terms = self.gan.images(batch), []
        for discriminator, w_j in zip(self.discriminators, w_v, strict=True):

            def score(images: Tensor, discriminator: nn.Module = discriminator) -> Tensor:
                return self._score(discriminator, images, batch)

            for fake, w_i in zip(opponents, shares, strict=True):
                term = self.gan.penalty(score, real, fake)
                if term is not None:
                    terms.append(w_i * w_j * term)
        return torch.stack(terms).sum() if terms else None

    def payoff(self) -> Tensor | None:
        """F, (Tu, Tv), of the last discriminator step's scores; None where there were no scores."""
        if self.scores is None:
            return None
        columns = [
            torch.stack([self.gan.payoff(r, f) for r, f in zip(self._real_parts(real), fake, strict=True)])
            for real, fake in zip(self.scores.real, self.scores.fake, strict=True)
        ]
        return torch.stack(columns, dim=1)

    def _generate(self, batch: Any) -> tuple[list[Any], list[Any], list[Tensor]]:
        """One draw of latents for the step, dealt to the generators: their latents, batches and fakes."""
        size = len(self.generators)
        latents = self.fakes.deal(self.gan.latents(len(self.gan.images(batch)), batch), size)
        batches = self.fakes.deal(batch, size)
        fakes = [self.gan.generate(g, h, b) for g, h, b in zip(self.generators, latents, batches, strict=True)]
        return latents, batches, fakes

    def _score(self, discriminator: nn.Module, images: Tensor, batch: Any) -> Tensor:
        return _precise(self.gan.score(discriminator, images, batch))

    def _score_fakes(self, discriminator: nn.Module, fakes: list[Tensor], batch: Any) -> list[Tensor]:
        return self.fakes.score(lambda images: self._score(discriminator, images, batch), fakes)

    def _real_parts(self, real: Tensor) -> list[Tensor]:
        """The real scores that stand beside each generator's fakes, row by row."""
        return self.fakes.deal(real, len(self.generators))

    @staticmethod
    def _column(objective: Any, *arguments: list[Any]) -> Tensor:
        """The losses of all generators against one discriminator, (Tu,)."""
        return torch.stack([objective(*each) for each in zip(*arguments, strict=True)])


class _RealScores:
    """One discriminator's scores of the real batch, computed when first asked for and then kept."""

    def __init__(self, pairs: Pairs, discriminator: nn.Module, batch: Any) -> None:
        self.pairs, self.discriminator, self.batch = pairs, discriminator, batch
        self.parts: list[Tensor] | None = None

    def of(self, i: int) -> Any:
        def real() -> Tensor:
            if self.parts is None:
                scores = self.pairs._score(self.discriminator, self.pairs.gan.images(self.batch), self.batch)
                self.parts = self.pairs._real_parts(scores)
            return self.parts[i]

        return real
