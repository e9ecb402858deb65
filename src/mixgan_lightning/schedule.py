"""Who plays when. Each batch is one discriminator step; a schedule says how many generator steps follow it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any, Protocol, cast, runtime_checkable

from hydra.utils import instantiate

from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.options import check_count


@dataclass
class Played:
    """What has been played so far; saved in the checkpoint."""

    discriminator_steps: int = 0
    generator_steps: int = 0
    since_generator: int = 0  # discriminator steps since the last generator step
    images_seen: int = 0  # real images, over all processes
    adversarial_loss: float | None = None  # of the last discriminator step, for schedules that watch it

    def count(self, player: str) -> None:
        """One more step of this player."""
        if player == "discriminator":
            self.discriminator_steps += 1
            self.since_generator += 1
        else:
            self.generator_steps += 1
            self.since_generator = 0


class Schedule(Protocol):
    """To add one: a frozen dataclass here with this method (its fields go into the checkpoint)."""

    def generator_steps(self, played: Played) -> int:
        """How many generator steps follow the discriminator step just played."""
        ...


@runtime_checkable
class WatchingSchedule(Schedule, Protocol):
    """A schedule that goes by ``played.adversarial_loss``: −w_uᵀFw_v/2, the mean of the discriminators' loss on real
    and on fake samples, over all processes; log 2 = 0.69 where f = log and they cannot tell."""

    def discriminators_learn(self, played: Played) -> bool:
        """Whether the discriminators make the step whose loss was just computed."""
        ...


@dataclass(frozen=True)
class Constant:
    """One generator step after every ``n_critic``-th batch."""

    n_critic: int = 1

    def __post_init__(self) -> None:
        check_count("n_critic", self.n_critic)

    def generator_steps(self, played: Played) -> int:
        return int(played.since_generator >= self.n_critic)


@dataclass(frozen=True)
class WassersteinStart:
    """WGAN's: ``warm_critic`` critic steps before the first 25 generator steps and every 500th, else ``n_critic``.

    Source: the authors' code, github.com/martinarjovsky/WassersteinGAN, main.py.
    """

    n_critic: int = 5
    warm_critic: int = 100
    warm_generator_steps: int = 25
    warm_every: int = 500

    def generator_steps(self, played: Played) -> int:
        done = played.generator_steps
        warm = done < self.warm_generator_steps or done % self.warm_every == 0
        return int(played.since_generator >= (self.warm_critic if warm else self.n_critic))


@dataclass(frozen=True)
class Balance:
    """The reference's: discriminators that win do not learn further, and generators that lose catch up.

    Discriminators whose adversarial loss is under ``least`` skip their step. ``catching_up`` generator steps follow,
    by that loss: those of the first level that it exceeds, else ``furthest``. For f = log.

    Source: the authors' code, github.com/PrincetonML/MIX-plus-GANs, cifar10/train_mixgan.py.
    """

    least: float = 0.3
    catching_up: Sequence[tuple[float, int]] = ((0.65, 1), (0.5, 3), (0.3, 5))
    furthest: int = 7

    def __post_init__(self) -> None:
        object.__setattr__(self, "catching_up", tuple(map(tuple, self.catching_up)))  # equal, whatever kind of lists

    def discriminators_learn(self, played: Played) -> bool:
        return _known(played) >= self.least

    def generator_steps(self, played: Played) -> int:
        return next((steps for level, steps in self.catching_up if _known(played) > level), self.furthest)


def _known(played: Played) -> float:
    assert played.adversarial_loss is not None  # computed in each discriminator step of a watching schedule
    return played.adversarial_loss


def as_schedule(n_critic: int | Schedule | Mapping[str, Any]) -> Schedule:
    """A schedule from a number of discriminator steps, a schedule, or a config with a ``_target_``.

    Raises:
        ConfigurationError: for anything else.
    """
    schedule: Any = instantiate(dict(n_critic), _convert_="all") if isinstance(n_critic, Mapping) else n_critic
    if isinstance(schedule, int | float):
        return Constant(schedule)  # type: ignore[arg-type]  # checks the number
    if not is_dataclass(schedule) or isinstance(schedule, type) or not hasattr(schedule, "generator_steps"):
        raise ConfigurationError(
            f"n_critic: expected a whole number or a schedule (a dataclass with generator_steps), got {schedule!r}"
        )
    return cast(Schedule, schedule)


def spec_of(choice: Any) -> dict[str, Any]:
    """A schedule, or another choice that is a dataclass, as a plain config, for checkpoints."""
    kind = type(choice)
    return {"_target_": f"{kind.__module__}.{kind.__qualname__}", **asdict(choice)}
