"""Who plays when. Each batch is one discriminator step; a schedule says how many generator steps follow it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any, Protocol, cast

from hydra.utils import instantiate

from mixgan_lightning.errors import ConfigurationError


@dataclass
class Played:
    """What has been played so far; saved in the checkpoint."""

    discriminator_steps: int = 0
    generator_steps: int = 0
    since_generator: int = 0  # discriminator steps since the last generator step
    images_seen: int = 0  # real images, over all processes

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


@dataclass(frozen=True)
class Constant:
    """One generator step after every ``n_critic``-th batch."""

    n_critic: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.n_critic, int) or isinstance(self.n_critic, bool) or self.n_critic < 1:
            raise ConfigurationError(f"n_critic: expected a whole number of at least 1, got {self.n_critic!r}")

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


def as_schedule(n_critic: int | Schedule | Mapping[str, Any]) -> Schedule:
    """A schedule from a number of discriminator steps, a schedule, or a config with a ``_target_``.

    Raises:
        ConfigurationError: for anything else.
    """
    schedule: Any = instantiate(dict(n_critic)) if isinstance(n_critic, Mapping) else n_critic
    if isinstance(schedule, int | float):
        return Constant(schedule)  # type: ignore[arg-type]  # checks the number
    if not is_dataclass(schedule) or isinstance(schedule, type) or not hasattr(schedule, "generator_steps"):
        raise ConfigurationError(
            f"n_critic: expected a whole number or a schedule (a dataclass with generator_steps), got {schedule!r}"
        )
    return cast(Schedule, schedule)


def spec_of(schedule: Schedule) -> dict[str, Any]:
    """A schedule as a plain config, for checkpoints."""
    kind = type(schedule)
    return {"_target_": f"{kind.__module__}.{kind.__qualname__}", **asdict(schedule)}  # type: ignore[call-overload]
