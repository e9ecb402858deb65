"""How much each generator draws in a step: a whole batch (``full``) or its part of one (``split``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from mixgan_lightning.errors import DataError
from mixgan_lightning.mixture import Mixture
from mixgan_lightning.payoff.trees import each


class Group(NamedTuple):
    """Networks of a player next to each other that get equally many samples each."""

    first: int
    networks: int
    samples: int
    start: int  # the row where their samples begin, when all generators' stand one after another

    def of(self, rows: Tensor, dim: int = 0) -> Tensor:
        """Their part of all generators' rows, (…, N, …) -> (…, generators, samples, …)."""
        shape = (self.networks, self.samples)
        return rows.narrow(dim, self.start, self.networks * self.samples).unflatten(dim, shape)


class Fakes(Protocol):
    """One way of sharing a batch between the T generators."""

    name: str

    def smallest_batch(self, generators: int) -> int:
        """The fewest samples that a batch may hold."""
        ...

    def groups(self, n: int, generators: Mixture) -> list[Group]:
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

    def groups(self, n: int, generators: Mixture) -> list[Group]:
        return [Group(0, len(generators), n, 0)]

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

    def groups(self, n: int, generators: Mixture) -> list[Group]:
        smallest = self.smallest_batch(len(generators))
        if n < smallest:
            several = len(generators) > 1
            between = (
                f"{len(generators)} generators (2 samples each at least)" if several else "1 generator (2 samples)"
            )
            raise DataError(
                f"a batch of {n} is too small to split between {between}; "
                f"use batch_size >= {smallest}, {'a smaller size, ' if several else ''}or fakes='full'"
            )
        return neighbours(self.sizes(n, generators))

    def sizes(self, n: int, generators: Mixture) -> list[int]:
        """How many each draws."""
        return equal_parts(n, len(generators))

    def deal(self, rows: Any, group: Group, dim: int = 0) -> Any:
        return each(lambda leaf: group.of(leaf, dim), rows)

    def forwards(self, fakes: Sequence[Tensor]) -> Tensor:
        joint = fakes[0].flatten(0, 1) if len(fakes) == 1 else torch.cat([group.flatten(0, 1) for group in fakes])
        return joint[None]  # one batch, as a plain discriminator would see it


class ProportionalFakes(SplitFakes):
    """As ``split``, in parts proportional to the mixture weights, n_i ∝ w_ui and at least 2.

    A pair's loss is the mean over its generator's part, whatever its size, and weighted by w_ui as ever: α_u learns as
    in ``split``. Where the weights differ, the expected loss is estimated with less variance.
    """

    name = "proportional"

    def sizes(self, n: int, generators: Mixture) -> list[int]:
        """Two for each; the others, one by one, to whom most is missing of n · w_ui."""
        wanted, found = (n * generators.weights.detach().double()).tolist(), [2] * len(generators)
        for _ in range(n - sum(found)):
            poorest = max(range(len(found)), key=lambda i: wanted[i] - found[i])
            found[poorest] += 1
        return found


def equal_parts(n: int, parts: int) -> list[int]:
    """n samples in equal parts; the first ones are longer by one where it is no multiple, as in tensor_split."""
    return [n // parts + (i < n % parts) for i in range(parts)]


def neighbours(sizes: Sequence[int]) -> list[Group]:
    """Networks that get so many samples, group by group."""
    groups: list[Group] = []
    for i, samples in enumerate(sizes):
        if groups and groups[-1].samples == samples:
            groups[-1] = groups[-1]._replace(networks=groups[-1].networks + 1)
        else:
            groups.append(Group(i, 1, samples, sum(sizes[:i])))
    return groups


FAKES: dict[str, type[Fakes]] = {kind.name: kind for kind in (SplitFakes, FullFakes, ProportionalFakes)}
