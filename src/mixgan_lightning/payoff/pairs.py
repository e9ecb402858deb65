"""The pair losses of a GAN: every generator against every discriminator, each network called in a plain loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import torch
from torch import Tensor, nn

from mixgan_lightning import objectives
from mixgan_lightning.gan import GAN
from mixgan_lightning.mixture import Mixture
from mixgan_lightning.payoff.fakes import Fakes


def expectation(w_u: Tensor, matrix: Tensor, w_v: Tensor) -> Tensor:
    """w_uᵀ M w_v: the expected entry when both players draw a component. (Tu,), (Tu, Tv), (Tv,) -> ().

    Written without ``@``, which bf16-mixed would compute in bfloat16.
    """
    return (w_u[:, None] * matrix * w_v).sum()


@dataclass(frozen=True)
class Scores:
    """What the last discriminator step saw. ``real[i]`` stands beside ``fake[i]``, row by row: both (Tv, n_i)."""

    real: list[Tensor]
    fake: list[Tensor]


@dataclass(frozen=True)
class Hands:
    """What the generators hold in one step: for each, its latents, the part of the batch it plays, its fakes."""

    latents: list[Any]
    batches: list[Any]
    fakes: list[Tensor]


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
        real, fake = [], []
        for discriminator in self.discriminators:  # real first, as most single GANs do: BatchNorm sees this order
            real.append(self._score(discriminator, self.gan.images(batch), batch))
            fake.append(self._score_fakes(discriminator, hands.fakes, batch))
        scores = Scores(self._real_parts(real), _by_generator(fake))
        self.scores = Scores([s.detach() for s in scores.real], [s.detach() for s in scores.fake])
        self._penalised = self.fakes.penalised(hands.fakes)
        return self._matrix("discriminator_objective", (scores.real, scores.fake), (hands.latents, hands.batches))

    def generator_losses(self, batch: Any) -> Tensor:
        """L_ij = what G_i minimises against D_j: (Tu, Tv)."""
        hands = self._deal(batch)
        fake = _by_generator([self._score_fakes(d, hands.fakes, batch) for d in self.discriminators])
        real = _RealScores(self, batch)
        beside = [real.beside(i) for i in range(len(fake))]
        return self._matrix("generator_objective", (fake, beside), (hands.latents, hands.batches))

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
                term = self.gan.penalty(self._bound(discriminator, batch), self.gan.images(batch), fake)
                if term is not None:
                    terms.append(w_i * w_j * term)
        return torch.stack(terms).sum() if terms else None

    def payoff(self) -> Tensor | None:
        """F, (Tu, Tv), of the last discriminator step's scores; None where there were no scores."""
        return None if self.scores is None else self._matrix("payoff", (self.scores.real, self.scores.fake))

    def _deal(self, batch: Any) -> Hands:
        """One draw of latents for the step, shared by the generators or dealt out to them."""
        size = len(self.generators)
        latents = self.fakes.deal(self.gan.latents(len(self.gan.images(batch)), batch), size)
        batches = self.fakes.deal(batch, size)
        fakes = [self.gan.generate(g, h, b) for g, h, b in zip(self.generators, latents, batches, strict=True)]
        return Hands(latents, batches, fakes)

    def _bound(self, discriminator: nn.Module, batch: Any) -> Callable[[Tensor], Tensor]:
        """images -> scores of one discriminator, labels bound."""
        return lambda images: self._score(discriminator, images, batch)

    def _score(self, discriminator: nn.Module, images: Tensor, batch: Any) -> Tensor:
        scores = self.gan.score(discriminator, images, batch)
        half = scores.dtype in (torch.bfloat16, torch.float16)
        return scores.float() if half else scores  # a mean over a batch in bfloat16 would keep two digits

    def _score_fakes(self, discriminator: nn.Module, fakes: list[Tensor], batch: Any) -> list[Tensor]:
        return self.fakes.score(self._bound(discriminator, batch), fakes)

    def _real_parts(self, real: list[Tensor]) -> list[Tensor]:
        """[(N,)] by discriminator -> [(Tv, n_i)] by generator: the real scores that stand beside each one's fakes."""
        dealt = self.fakes.deal(torch.stack(real, dim=1), len(self.generators))
        return [part.T for part in dealt]

    def _matrix(self, rule: str, scored: tuple[list[Any], ...], given: tuple[list[Any], ...] = ()) -> Tensor:
        """A rule of the GAN applied to every pair: (Tu, Tv).

        ``scored`` are, by generator, the scores of all discriminators; ``given`` what else the rule takes. Our own
        rules and objectives take all discriminators' scores at once, (Tv, n_i) -> (Tv,); a user's take one's.
        """
        ours = getattr(type(self.gan), rule) is getattr(GAN, rule)
        ours = ours and type(self.gan.objective).__module__ == objectives.__name__
        row = self._row_at_once if ours else self._row_one_by_one
        function, others = getattr(self.gan, rule), zip(*given, strict=True) if given else repeat(())
        return torch.stack(
            [
                row(function, scores, other)
                for scores, other in zip(zip(*scored, strict=True), others, strict=bool(given))
            ]
        )

    def _row_at_once(self, function: Callable[..., Tensor], scores: Sequence[Any], others: Sequence[Any]) -> Tensor:
        return function(*scores, *others)

    def _row_one_by_one(self, function: Callable[..., Tensor], scores: Sequence[Any], others: Sequence[Any]) -> Tensor:
        discriminators = range(len(self.discriminators))
        return torch.stack([function(*(_of(item, j) for item in scores), *others) for j in discriminators])


def _of(scores: Any, j: int) -> Any:
    """Discriminator j's share of scores (Tv, n), or of a callable that gives such."""
    return (lambda: scores()[j]) if callable(scores) else scores[j]


class _RealScores:
    """All discriminators' scores of the real batch, computed when first asked for and then kept."""

    def __init__(self, pairs: Pairs, batch: Any) -> None:
        self.pairs, self.batch = pairs, batch
        self.parts: list[Tensor] | None = None

    def beside(self, i: int) -> Callable[[], Tensor]:
        """The scores that stand beside generator i's fakes, (Tv, n_i)."""
        return lambda: self._computed()[i]

    def _computed(self) -> list[Tensor]:
        if self.parts is None:
            images = self.pairs.gan.images(self.batch)
            scores = [self.pairs._score(d, images, self.batch) for d in self.pairs.discriminators]
            self.parts = self.pairs._real_parts(scores)
        return self.parts


def _by_generator(fake: list[list[Tensor]]) -> list[Tensor]:
    """Scores [j][i] of shape (n_i,) -> [i] of shape (Tv, n_i)."""
    return [torch.stack(scores) for scores in zip(*fake, strict=True)]
