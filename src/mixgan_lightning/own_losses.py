"""Subclasses of MixGANModule with losses of their own, and what does not go with them."""

from __future__ import annotations

from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.payoff import FAKES, Fakes
from mixgan_lightning.schedule import Schedule, WatchingSchedule


class OwnLosses:
    """Which of ``generator_losses`` and ``discriminator_losses`` a subclass has overridden.

    Args:
        kind: the subclass.
        base: the class whose losses are the package's.
    """

    def __init__(self, kind: type, base: type) -> None:
        names = ("generator_losses", "discriminator_losses")
        self.names = [name for name in names if getattr(kind, name) is not getattr(base, name)]
        self.of = kind.__name__

    def refuse(self) -> None:
        """For an unmodified GAN.

        Raises:
            ConfigurationError: where there are any.
        """
        for name in self.names:
            raise ConfigurationError(
                f"{self.of}.{name} would not be called: an unmodified GAN has the losses of its own "
                "step; leave it out, or let make_gan build a mixgan_lightning.GAN"
            )

    def check_schedule(self, schedule: Schedule) -> None:
        """A schedule that watches a loss must be able to know it.

        Raises:
            ConfigurationError: where it cannot.
        """
        if isinstance(schedule, WatchingSchedule) and "discriminator_losses" in self.names:
            raise ConfigurationError(
                f"n_critic={type(schedule).__name__} goes by the discriminators' scores, which "
                f"{self.of}.discriminator_losses keeps to itself; choose n_critic=1 or another schedule"
            )

    def fakes(self, name: str | None) -> Fakes:
        """How the generators share a batch: as asked, or as fits.

        Raises:
            ConfigurationError: for an unknown way, or one that losses of one's own cannot follow.
        """
        if name in FAKES and name != "full" and self.names:
            raise ConfigurationError(
                f"fakes={name!r} shares batches inside this package's pair losses; a module that overrides "
                "generator_losses or discriminator_losses uses fakes='full'"
            )
        chosen = name or ("full" if self.names else "split")
        if chosen not in FAKES:
            raise ConfigurationError(f"fakes: expected one of {', '.join(FAKES)}, got {name!r}")
        return FAKES[chosen]()

    def judges(self, name: str, of_pairs: bool = True) -> str:
        """Who scores a generators' step, which losses of one's own say themselves.

        Raises:
            ConfigurationError: where something else is asked for.
        """
        if name != "all" and (not of_pairs or "generator_losses" in self.names):
            raise ConfigurationError(f"judges={name!r}: {self.of} plays losses of its own; leave judges out")
        return name

    def evaluation(self, name: str) -> str:
        """How pairs are evaluated, where there are any left that the package evaluates.

        Raises:
            ConfigurationError: where there are none, and a way is asked for.
        """
        if len(self.names) < 2:
            return name
        if name not in ("auto", "loop"):
            raise ConfigurationError(f"evaluation={name!r}: {self.of} plays losses of its own; leave evaluation out")
        return "loop"
