"""How much each generator draws in a step: a whole batch (``full``) or its part of one (``split``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from mixgan_lightning.errors import DataError
from mixgan_lightning.payoff.trees import each


class Group(NamedTuple):
    """Neighbouring generators that draw equally many samples each."""

    first: int
    generators: int
    samples: int
    start: int  # the row where their samples begin, when all generators' stand one after another

    def of(self, rows: Tensor, dim: int = 0) -> Tensor:
        """Their part of all generators' rows, (…, N, …) -> (…, generators, samples, …)."""
        shape = (self.generators, self.samples)
        return rows.narrow(dim, self.start, self.generators * self.samples).unflatten(dim, shape)


class Fakes(Protocol):
    """One way of sharing a batch between the T generators."""

    name: str

    def smallest_batch(self, generators: int) -> int:
        """The fewest samples that a batch may hold."""
        ...

    def groups(self, n: int, generators: int) -> list[Group]:
        """Who draws how many of n samples: all generators, in their order."""
        ...

    def deal(self, rows: Any, group: Group, dim: int = 0) -> Any:
        """A tree of tensors (N, …) as (generators, samples, …): what each generator of the group gets of it.

        Where every generator gets all of it: (1, N, …). ``dim``: where N stands.
        """
        ...

    def forwards(self, fakes: Sequence[Tensor]) -> Tensor:
        """All groups' fakes, (generators, samples, …) each, as the batches that a discriminator sees.

        (k, n, …): k forwards of n samples; BatchNorm normalises each on its own.
        """
        ...


class FullFakes:
    """Each generator draws a whole batch from the same latents (the paper and its reference code). Cost ∝ T²."""

    name = "full"

    def smallest_batch(self, generators: int) -> int:
        return 1

    def groups(self, n: int, generators: int) -> list[Group]:
        return [Group(0, generators, n, 0)]

    def deal(self, rows: Any, group: Group, dim: int = 0) -> Any:
        return each(lambda leaf: leaf.unsqueeze(dim), rows)

    def forwards(self, fakes: Sequence[Tensor]) -> Tensor:
        return fakes[0]  # apart: BatchNorm normalises each generator's batch on its own


class SplitFakes:
    """The generators share one batch in equal parts (sizes differ by at most 1), n ≥ 2 each. Cost ∝ T.

    Raises:
        DataError: if a batch gives some generator fewer than 2 samples.
    """

    name = "split"

    def smallest_batch(self, generators: int) -> int:
        return 2 * generators

    def groups(self, n: int, generators: int) -> list[Group]:
        if n < self.smallest_batch(generators):
            raise DataError(
                f"a batch of {n} is too small to split between {generators} generators (2 samples each at least); "
                f"use batch_size >= {self.smallest_batch(generators)}, a smaller size, or fakes='full'"
            )
        samples, longer = divmod(n, generators)  # the first ones draw one sample more, as in tensor_split
        groups = [Group(0, longer, samples + 1, 0), Group(longer, generators - longer, samples, longer * (samples + 1))]
        return [group for group in groups if group.generators]

    def deal(self, rows: Any, group: Group, dim: int = 0) -> Any:
        return each(lambda leaf: group.of(leaf, dim), rows)

    def forwards(self, fakes: Sequence[Tensor]) -> Tensor:
        joint = fakes[0].flatten(0, 1) if len(fakes) == 1 else torch.cat([group.flatten(0, 1) for group in fakes])
        return joint[None]  # one batch, as a plain discriminator would see it


FAKES: dict[str, type[Fakes]] = {kind.name: kind for kind in (SplitFakes, FullFakes)}
