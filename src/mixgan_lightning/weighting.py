"""Who says what the mixture weights are: the optimisers, nobody, or the matrix game solved exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass
from typing import Any, Protocol, cast, runtime_checkable

import torch
from hydra.utils import instantiate
from torch import Tensor

from mixgan_lightning.errors import ConfigurationError, TrainingError
from mixgan_lightning.fixed_batches import FixedBatches
from mixgan_lightning.mixture_module import MixtureModule
from mixgan_lightning.options import check_count, check_not_negative
from mixgan_lightning.theory import nash_weights


class Weighting(Protocol):
    """To add one: a frozen dataclass here with this method (its fields go into the checkpoint), and its name below."""

    def learning_rate(self, asked: float | None) -> float | None:
        """Of the log-probabilities α, from the one asked for; None: the networks'; 0: the optimisers leave them."""
        ...


@runtime_checkable
class SolvingWeighting(Weighting, Protocol):
    """A weighting that makes both players' weights of the payoff matrix F on fixed batches."""

    every: int
    num_samples: int

    def weights(self, payoff: Tensor) -> tuple[Tensor, Tensor]:
        """w_u (Tu,) and w_v (Tv,), all above 0, of F (Tu, Tv)."""
        ...


@dataclass(frozen=True)
class Learned:
    """α learns from the pair losses and the regulariser, with the networks' optimisers (paper, Section 6)."""

    def learning_rate(self, asked: float | None) -> float | None:
        return None if asked is None else check_not_negative("log_probability_lr", asked)


class _Fixed:
    """The optimisers do not train α."""

    def learning_rate(self, asked: float | None) -> float | None:
        if asked:
            raise ConfigurationError(
                f"log_probability_lr={asked}: with weighting={type(self).__name__} the log-probabilities are not "
                "trained; leave it out, or take weighting=learned"
            )
        return 0.0


@dataclass(frozen=True)
class Uniform(_Fixed):
    """w = 1/T for ever: what learning the weights has to beat. As ``Learned`` with ``log_probability_lr=0``."""


@dataclass(frozen=True)
class Nash(_Fixed):
    """Every so many batches w = (1 − λ) · w_nash + λ / T, w_nash the equilibrium of the payoff matrix as it is then.

    F is measured on fixed batches of the training data, and solved exactly (`theory.nash_weights`); until the first
    time, and with λ = 1, the weights are uniform.

    Args:
        every: batches from one solution to the next; 50: F on 1,024 samples costs a few per cent of a mixture of 5.
        uniform_share: λ, in (0, 1]. An equilibrium most often leaves components out, and one without weight would not
            learn any more. ½: each keeps half of 1/T (`DeadComponents` warns of a tenth); with 0.2, tried on one seed
            of the ring, samples were worse still than with ½ (docs/theory.md). It is a share of probability, so no
            matter of ``entropy_weight``, which weighs a term in the payoff's own units, and does nothing to α here.
            What it costs: the pair is an ε-equilibrium of the matrix, ε ≤ λ · (max F − min F).
        num_samples: real samples that F is measured on, over all processes.

    Raises:
        ConfigurationError: numbers out of range.
    """

    every: int = 50
    uniform_share: float = 0.5
    num_samples: int = 1024

    def __post_init__(self) -> None:
        check_count("every", self.every)
        check_count("num_samples", self.num_samples)
        if not 0 < check_not_negative("uniform_share", self.uniform_share) <= 1:
            raise ConfigurationError(
                f"uniform_share: expected a number in (0, 1], got {self.uniform_share}; with 0 a component could end "
                "without weight, and would not learn any more"
            )

    def weights(self, payoff: Tensor) -> tuple[Tensor, Tensor]:
        found = nash_weights(payoff)
        return self._mixed(found.w_u), self._mixed(found.w_v)

    def _mixed(self, w: Tensor) -> Tensor:
        return (1 - self.uniform_share) * w + self.uniform_share / len(w)


WEIGHTINGS: dict[str, type[Weighting]] = {"learned": Learned, "uniform": Uniform, "nash": Nash}


def as_weighting(weighting: str | Weighting | Mapping[str, Any]) -> Weighting:
    """A weighting from its name, a weighting, or a config with a ``_target_``.

    Raises:
        ConfigurationError: for anything else.
    """
    if isinstance(weighting, str) and weighting in WEIGHTINGS:
        return WEIGHTINGS[weighting]()
    found: Any = instantiate(dict(weighting), _convert_="all") if isinstance(weighting, Mapping) else weighting
    if not is_dataclass(found) or isinstance(found, type) or not hasattr(found, "learning_rate"):
        raise ConfigurationError(
            f"weighting: expected one of {', '.join(WEIGHTINGS)}, or an object such as weighting.Nash(every=20), got "
            f"{weighting!r}"
        )
    return cast(Weighting, found)


class Solver:
    """Sets both players' weights by the payoff matrix, every so many batches, the same on all processes.

    Args:
        weighting: what it makes of the matrix.
    """

    def __init__(self, weighting: SolvingWeighting) -> None:
        self.weighting, self.fixed = weighting, FixedBatches(weighting.num_samples)

    def before_batch(self, module: MixtureModule, batch: Any) -> None:
        """Solve, when it is due."""
        trainer = module.trainer
        k = trainer.fit_loop.total_batch_idx
        if self.fixed.batches and k > 0 and k % self.weighting.every == 0:
            payoff = self.fixed.payoff(module, trainer)
            if not payoff.isfinite().all():
                raise TrainingError(
                    f"the training has diverged at batch {k}: NaN or infinity in the payoff matrix, which has no "
                    "equilibrium; a smaller learning rate, gradient_clip, or a penalty (R1) may help"
                )
            weights = self.weighting.weights(payoff)
            for mixture, w in zip(
                (module.generators, module.discriminators), trainer.strategy.broadcast(weights), strict=True
            ):
                with torch.no_grad():
                    mixture.log_probabilities.copy_(w.log())  # in place: the optimiser, DDP and averages hold it
        self.fixed.see(module, batch)
