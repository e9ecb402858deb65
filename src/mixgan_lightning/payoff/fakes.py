"""How much each generator draws in a step: a whole batch (``full``) or its part of one (``split``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

from mixgan_lightning.errors import DataError


class Fakes(Protocol):
    """One way of sharing a batch between the T generators."""

    name: str

    def smallest_batch(self, generators: int) -> int:
        """The fewest samples that a batch may hold."""
        ...

    def deal(self, dealt: Any, generators: int) -> list[Any]:
        """What each generator gets of some latents or a batch (any nesting of tensors)."""
        ...

    def score(self, score: Callable[[Tensor], Any], fakes: list[Tensor]) -> list[Any]:
        """One discriminator's outputs for each generator's fakes; the grouping that BatchNorm sees."""
        ...

    def penalised(self, fakes: list[Tensor]) -> list[Tensor]:
        """The fake batches that a penalty is computed against, each as long as the real batch."""
        ...


class FullFakes:
    """Each generator draws a whole batch from the same latents (the paper and its reference code). Cost ∝ T²."""

    name = "full"

    def smallest_batch(self, generators: int) -> int:
        return 1

    def deal(self, dealt: Any, generators: int) -> list[Any]:
        return [dealt] * generators

    def score(self, score: Callable[[Tensor], Any], fakes: list[Tensor]) -> list[Any]:
        return [score(fake) for fake in fakes]  # apart: BatchNorm normalises each generator's batch on its own

    def penalised(self, fakes: list[Tensor]) -> list[Tensor]:
        return fakes


class SplitFakes:
    """The generators share one batch in equal parts (sizes differ by at most 1), n ≥ 2 each. Cost ∝ T.

    Raises:
        DataError: if a batch gives some generator fewer than 2 samples.
    """

    name = "split"

    def smallest_batch(self, generators: int) -> int:
        return 2 * generators

    def deal(self, dealt: Any, generators: int) -> list[Any]:
        n = next((len(leaf) for leaf in tree_leaves(dealt) if isinstance(leaf, Tensor)), 0)
        if n < self.smallest_batch(generators):
            raise DataError(
                f"a batch of {n} is too small to split between {generators} generators (2 samples each at least); "
                f"use batch_size >= {self.smallest_batch(generators)}, a smaller size, or fakes='full'"
            )
        return _cut(dealt, lambda leaf: leaf.tensor_split(generators), generators)

    def score(self, score: Callable[[Tensor], Any], fakes: list[Tensor]) -> list[Any]:
        outputs = score(torch.cat(fakes))  # one batch, as a plain discriminator would see it
        return _cut(outputs, lambda leaf: leaf.split([len(fake) for fake in fakes]), len(fakes))

    def penalised(self, fakes: list[Tensor]) -> list[Tensor]:
        return [torch.cat(fakes)]


FAKES: dict[str, type[Fakes]] = {kind.name: kind for kind in (SplitFakes, FullFakes)}


def _cut(tree: Any, cut: Callable[[Tensor], Sequence[Tensor]], parts: int) -> list[Any]:
    """Every tensor of the tree cut into so many parts: as many trees; what is no tensor is in each."""
    if isinstance(tree, Tensor):
        return list(cut(tree))
    leaves, structure = tree_flatten(tree)
    pieces = [cut(leaf) if isinstance(leaf, Tensor) else [leaf] * parts for leaf in leaves]
    return [tree_unflatten(list(piece), structure) for piece in zip(*pieces, strict=True)]
