"""The pair losses of a GAN: every generator against every discriminator."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn

from mixgan_lightning.errors import ConfigurationError, DataError
from mixgan_lightning.gan import GAN
from mixgan_lightning.mixture import Mixture
from mixgan_lightning.payoff.dealing import deal
from mixgan_lightning.payoff.fakes import Fakes, equal_parts, neighbours
from mixgan_lightning.payoff.hands import Hand, Hands, Scores, by_generator
from mixgan_lightning.payoff.penalties import at_once, depends_on_fakes, gradient_term, one_by_one
from mixgan_lightning.payoff.rules import is_default, is_ours, needs_batch, scalar
from mixgan_lightning.payoff.trees import chained, cut, each, part
from mixgan_lightning.payoff.ways import Evaluation, Forwards, Way
from mixgan_lightning.scores import adversarial, flattened, widened

JUDGES = ("all", "one")


def expectation(w_u: Tensor, matrix: Tensor, w_v: Tensor) -> Tensor:
    """w_uᵀ M w_v: the expected entry when both players draw a component. (Tu,), (Tu, Tv), (Tv,) -> ().

    Written without ``@``, which bf16-mixed would compute in bfloat16.
    """
    return (w_u[:, None] * matrix * w_v).sum()


class Pairs:
    """Pair losses of every generator against every discriminator.

    Args:
        gan: the rules.
        generators: the Tu generators.
        discriminators: the Tv discriminators.
        fakes: whether each generator draws a whole batch or its part of one.
        judges: "all": every fake of a generators' step is scored by all discriminators; "one": by one of them.

    Attributes:
        through_autograd: whether vectorised gradients reach the parameters by autograd alone; for losses of one's own.
        scores: adversarial scores of the last discriminator step, without their graph.
    """

    def __init__(
        self, gan: GAN, generators: Mixture, discriminators: Mixture, fakes: Fakes, judges: str = "all"
    ) -> None:
        self.gan, self.generators, self.discriminators, self.fakes = gan, generators, discriminators, fakes
        self.judges = self._checked(judges)
        self.through_autograd = False
        self._evaluation = Evaluation()
        self.scores: Scores | None = None
        self._penalised: Tensor | None = None

    @property
    def smallest_batch(self) -> int:
        """The fewest samples that a batch may hold."""
        judged = 2 * len(self.discriminators) if self.judges == "one" else 1
        return max(self.fakes.smallest_batch(len(self.generators)), judged)

    def check_size(self, n: int) -> None:
        """Whether a batch of n can be shared.

        Raises:
            DataError: naming the smallest that can.
        """
        self.fakes.groups(n, self.generators)
        if n < self.smallest_batch:
            raise DataError(
                f"a batch of {n} is too small to be judged in parts by {len(self.discriminators)} "
                f"discriminators (2 samples each at least); use batch_size >= {self.smallest_batch}, or judges='all'"
            )

    @property
    def way(self) -> Way:
        """How the networks are called; in plain loops, unless ``evaluate`` says otherwise."""
        return self._evaluation.way

    def evaluate(self, way: Way) -> None:
        """From now on call the networks in this way, which ``Comparison`` finds to give the same as plain loops."""
        self.part()
        self._evaluation = Evaluation(way, self.through_autograd)
        for mixture in (self.generators, self.discriminators):
            way.lay_out(mixture.components)

    def part(self) -> None:
        """Give networks that share memory their own again."""
        self._evaluation.part()

    def discriminator_losses(self, batch: Any) -> Tensor:
        """L_ij = what D_j minimises against G_i, without penalties: (Tu, Tv)."""
        hands, real, fake = self._play(batch)
        scores = Scores.of(real, fake)
        self.scores = scores.detach()
        if is_ours(self.gan, "discriminator_objective"):
            return _matrix(map(self.gan.objective.discriminator_loss, scores.real, scores.fake))

        def pair(held: tuple[Hand, Any, Any], j: int) -> Tensor:
            hand, beside, outputs = held
            return self.gan.discriminator_objective(part(beside, j), part(outputs, j), hand.latents, hand.batch)

        held = zip(hands, by_generator(real, hands.sizes), by_generator(fake, hands.sizes), strict=True)
        return self._pair_by_pair("discriminator_objective", pair, held)

    def observe(self, batch: Any) -> None:
        """Play a batch for its ``scores`` alone, without any loss."""
        _, real, fake = self._play(batch)
        self.scores = Scores.of(real, fake).detach()

    def generator_losses(self, batch: Any) -> Tensor:
        """L_ij = what G_i minimises against D_j: (Tu, Tv)."""
        hands = self._deal(batch)
        if self.judges == "one":
            return self._with_auxiliary(self._losses_by_one_judge(hands), hands)
        fake = hands.said_of_fakes(self._judge([(self.fakes.forwards(hands.fakes), hands.beside)]))
        if is_ours(self.gan, "generator_objective"):
            losses = _matrix(self.gan.objective.generator_loss(adversarial(outputs)) for outputs in fake)
            return self._with_auxiliary(losses, hands)

        @cache
        def real() -> list[Any]:
            outputs = self._judge([(self.gan.images(batch)[None], batch)])
            return by_generator(hands.said_beside(outputs), hands.sizes)

        def pair(held: tuple[int, Hand, Any], j: int) -> Tensor:
            i, hand, outputs = held
            return self.gan.generator_objective(part(outputs, j), lambda: part(real()[i], j), hand.latents, hand.batch)

        held = zip(count(), hands, by_generator(fake, hands.sizes))
        return self._with_auxiliary(self._pair_by_pair("generator_objective", pair, held), hands)

    def penalty(self, batch: Any, w_u: Tensor, w_v: Tensor) -> Tensor | None:
        """The penalties, weighted by the given weights; None where the GAN has none.

        ``full``: Σ_ij w_ui w_vj P_ij; ``split``: Σ_j w_vj P_j, the real batch against the joint fake batch. One on real
        samples alone is Σ_j w_vj P_j in both. The fakes are those that ``discriminator_losses`` has just played; new
        ones where a subclass played its own.
        """
        opponents, self._penalised = self._penalised, None
        if not self.gan.has_penalty:
            return None
        if opponents is None:
            with torch.no_grad():
                opponents = self.fakes.forwards(self._deal(batch).fakes)
        if not depends_on_fakes(self.gan):
            opponents = opponents[:1]
        shares = w_u if len(opponents) == len(w_u) else w_u.new_ones(1)
        return expectation(shares, self._penalties(batch, opponents), w_v)

    def _penalties(self, batch: Any, fakes: Tensor) -> Tensor:
        """P_kj of D_j on the k-th fakes: (fakes, Tv)."""
        term = gradient_term(self.gan)
        if term is None or not self.way.vectorised:
            images = self.gan.images(batch)
            return one_by_one(self.gan, self.discriminators, partial(self._critic, batch), images, fakes)
        return at_once(self.gan, self.discriminators, self._judge_own, self._evaluation, term, batch, fakes)

    def payoff(self) -> Tensor | None:
        """F, (Tu, Tv), of the last discriminator step's scores; None where there were no scores."""
        if self.scores is None:
            return None
        real, fake = self.scores.real, self.scores.fake
        if is_ours(self.gan, "payoff"):
            return _matrix(map(self.gan.objective.payoff, real, fake))
        sizes = [scores.shape[1] for scores in fake]
        held = zip(by_generator(real, sizes), by_generator(fake, sizes), strict=True)
        return self._pair_by_pair("payoff", lambda scores, j: self.gan.payoff(*(part(s, j) for s in scores)), held)

    def _play(self, batch: Any) -> tuple[Hands, list[Any], list[Any]]:
        """The discriminators' step: what the generators hold, and what all discriminators say of real and fakes."""
        with torch.no_grad():
            hands = self._deal(batch)
        images, self._penalised = self.gan.images(batch), self.fakes.forwards(hands.fakes)
        # real first, as most single GANs do: BatchNorm sees this order
        outputs = self._judge([(images[None], batch), (self._penalised, hands.beside)])
        of_real, of_fakes = cut(outputs, len(images))
        return hands, hands.said_beside(of_real), hands.said_of_fakes(of_fakes)

    def _deal(self, batch: Any) -> Hands:
        return deal(self.gan, self.generators, self.fakes, self._evaluation, batch)

    def _with_auxiliary(self, losses: Tensor, hands: Hands) -> Tensor:
        """Each generator's own term added to its row: Σ_j w_vj = 1, so that it is weighted by w_ui."""
        if is_default(self.gan, "generator_auxiliary"):
            return losses
        terms = (self.gan.generator_auxiliary(hand.fakes, hand.latents, hand.batch) for hand in hands)
        rows = zip(losses, terms, strict=True)
        return torch.stack([row if term is None else row + scalar("generator_auxiliary", term) for row, term in rows])

    def _judge(self, given: Sequence[Forwards]) -> Any:
        """What all discriminators give for some batches of images, row after row: a tree of (Tv, rows, …)."""
        calls = list(self._evaluation.forwards(given, needs_batch(self.gan, "score")))
        return self._evaluation.calls(
            self.discriminators, lambda d: chained([self._score(d, images, batch) for images, batch in calls])
        )

    def _losses_by_one_judge(self, hands: Hands) -> Tensor:
        """L_ij as the mean over those of G_i's fakes that D_j judges, an equal part for each D_j: (Tu, Tv).

        Weighted by w_vj, which is importance weighting: unbiased where the loss is a mean over samples. Cost ∝ T.
        """
        (fakes,) = hands.fakes
        self.check_size(fakes.shape[1])
        parts = []
        for group in neighbours(equal_parts(fakes.shape[1], len(self.discriminators))):
            dealt = [group.of(fakes, dim=1).transpose(0, 1)]  # (discriminators, Tu, samples, …)
            if needs_batch(self.gan, "score"):
                dealt.append(each(group.of, hands.beside))
            outputs = self._evaluation.calls(self.discriminators, self._judge_own, dealt, group.first, group.networks)
            scores = adversarial(outputs).unflatten(1, (len(self.generators), group.samples))
            parts.append(self.gan.objective.generator_loss(scores))
        return torch.cat(parts).T

    def _judge_own(self, discriminator: nn.Module, images: Tensor, batch: Any = None) -> Any:
        """One discriminator on its part of every generator's fakes, (Tu, samples, …)."""
        calls = self._evaluation.forwards([(images, batch)], with_batch=batch is not None)
        return chained([self._score(discriminator, each, beside) for each, beside in calls])

    def _checked(self, judges: str) -> str:
        """``judges``, if it is one that this GAN can have.

        Raises:
            ConfigurationError: otherwise.
        """
        if judges not in JUDGES:
            raise ConfigurationError(f"judges: expected one of {', '.join(JUDGES)}, got {judges!r}")
        if judges == "one" and not (self.fakes.name == "full" and is_ours(self.gan, "generator_objective")):
            raise ConfigurationError(
                "judges='one' takes means over parts of each generator's batch: it goes with fakes='full' and with a "
                "GAN that leaves generator_objective to one of the package's objectives; use judges='all'"
            )
        return judges

    def _score(self, discriminator: nn.Module, images: Tensor, batch: Any) -> Any:
        return widened(flattened(self.gan.score(discriminator, images, batch), len(images)))

    def _critic(self, batch: Any, discriminator: nn.Module) -> Callable[[Tensor], Tensor]:
        """images -> adversarial scores of one discriminator, labels bound."""
        return lambda images: adversarial(self._score(discriminator, images, batch))

    def _pair_by_pair(self, rule: str, pair: Callable[[Any, int], Any], held: Iterable[Any]) -> Tensor:
        """A rule of the user's: ``pair(what G_i holds, j)`` for every i and j, (Tu, Tv)."""
        tv = range(len(self.discriminators))
        return torch.stack([torch.stack([scalar(rule, pair(of_i, j)) for j in tv]) for of_i in held])


def _matrix(losses: Iterable[Tensor]) -> Tensor:
    """Losses (Tv, generators), group by group, as (Tu, Tv)."""
    found = list(losses)
    return (found[0] if len(found) == 1 else torch.cat(found, dim=1)).T
