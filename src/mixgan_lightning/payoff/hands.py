"""One step's cards on the table: what the generators hold, and what the discriminators say of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from torch import Tensor

from mixgan_lightning.payoff.fakes import Fakes, Group
from mixgan_lightning.payoff.trees import each, part
from mixgan_lightning.scores import adversarial


class Hand(NamedTuple):
    """What one generator holds: its latents, the part of the batch that it plays, its fakes."""

    latents: Any
    batch: Any
    fakes: Tensor


@dataclass(frozen=True)
class Hands:
    """What all generators hold.

    Args:
        sharing: how they share a batch.
        groups: who draws how many.
        latents, batch: all generators', as drawn and as loaded.
        fakes: group by group, (generators, samples, …).
        beside: the batch that the fakes are scored with.
    """

    sharing: Fakes
    groups: Sequence[Group]
    latents: Any
    batch: Any
    fakes: Sequence[Tensor]
    beside: Any

    def __iter__(self) -> Iterator[Hand]:
        """Generator by generator."""
        for group, fakes in zip(self.groups, self.fakes, strict=True):
            latents, batch = self.sharing.deal(self.latents, group), self.sharing.deal(self.batch, group)
            yield from (Hand(part(latents, i), part(batch, i), fakes[i]) for i in range(group.networks))

    @property
    def sizes(self) -> list[int]:
        """How many generators each group has."""
        return [group.networks for group in self.groups]

    def said_of_fakes(self, outputs: Any) -> list[Any]:
        """A tree of (Tv, rows, …), a row for each fake, group by group: (Tv, generators, samples, …)."""
        return [each(partial(group.of, dim=1), outputs) for group in self.groups]

    def said_beside(self, outputs: Any) -> list[Any]:
        """A tree of (Tv, N, …), a row for each real sample, as they stand beside each group's fakes.

        (Tv, generators, samples, …); (Tv, 1, N, …) where the whole batch stands beside each generator's.
        """
        return [self.sharing.deal(outputs, group, dim=1) for group in self.groups]


@dataclass(frozen=True)
class Scores:
    """The adversarial scores of a discriminator step, group by group.

    Args:
        real: of the real samples beside the fakes, (Tv, generators, samples); (Tv, 1, N) where all see all.
        fake: of the fakes, (Tv, generators, samples).
    """

    real: Sequence[Tensor]
    fake: Sequence[Tensor]

    @classmethod
    def of(cls, real: Sequence[Any], fake: Sequence[Any]) -> Scores:
        """Those of what discriminators gave."""
        return cls([*map(adversarial, real)], [*map(adversarial, fake)])

    def detach(self) -> Scores:
        """Without the graph."""
        return Scores([s.detach() for s in self.real], [s.detach() for s in self.fake])


def by_generator(said: Sequence[Any], sizes: Sequence[int]) -> list[Any]:
    """Trees of (Tv, generators, samples, …), group by group, as trees of (Tv, samples, …), generator by generator."""
    return [each(partial(_of_generator, i), tree) for tree, size in zip(said, sizes, strict=True) for i in range(size)]


def _of_generator(i: int, outputs: Tensor) -> Tensor:
    return outputs[:, i if outputs.shape[1] > 1 else 0]
