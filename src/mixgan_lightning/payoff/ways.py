"""The ways of evaluating the pairs, which differ in how the networks are called and give the same numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mixgan_lightning.payoff.calls import Calls, OneByOne
from mixgan_lightning.payoff.trees import chained, each

Forwards = tuple[Tensor, Any]  # k batches of n images, (k, n, …), and what stands beside each: a batch of n rows


@dataclass(frozen=True)
class Way:
    """One way of calling the networks.

    Args:
        vectorised: all networks of a player at once, not one after another.
        joined: a discriminator sees all its batches of a step in one call; only right for those that treat every sample
            on its own, without batch statistics.
        filled: generators that get fewer samples than others make as many, and some are dropped: one call in place of
            one for each size; with ``vectorised``, and only right for generators that treat every sample on its own.
        channels_last: images and convolutions in the memory format in which CPUs are faster at them.
        recompute: the activations of one network at a time are in memory; not with ``vectorised``.
    """

    vectorised: bool = False
    joined: bool = False
    filled: bool = False
    channels_last: bool = False
    recompute: bool = False

    @property
    def name(self) -> str:
        """As in ``mixture.evaluation``."""
        return "vectorised" if self.vectorised else "concat" if self.joined else "loop"

    def laid_out(self, images: Tensor) -> Tensor:
        """Images, or convolutions' parameters, in the memory format of the way."""
        if self.channels_last and images.ndim == 4:
            return images.contiguous(memory_format=torch.channels_last)
        return images

    def lay_out(self, networks: nn.Module) -> None:
        """Bring the parameters into the memory format of the way, in place."""
        for parameter in networks.parameters():
            parameter.data = self.laid_out(parameter.data)

    def __str__(self) -> str:
        apart = ", batches apart" if self.vectorised and not self.joined else ""
        others = "".join(f", {name}" for name in ("filled", "channels_last", "recompute") if getattr(self, name))
        return f"{self.name}{apart}{others}"


class Evaluation:
    """Calls the networks in one of the ways; by default in plain loops, the reference."""

    def __init__(self, way: Way | None = None, through_autograd: bool = False) -> None:
        self.way = way or Way()
        self.calls: Calls = _all_at_once(through_autograd) if self.way.vectorised else OneByOne(self.way.recompute)

    def forwards(self, given: Sequence[Forwards], with_batch: bool) -> Iterator[tuple[Tensor, Any]]:
        """(images, batch) for each call of a discriminator.

        Args:
            given: what it is to judge.
            with_batch: whether it looks at the batch beside the images; else nobody minds whose rows stand there.
        """
        if not self.way.joined:
            yield from ((self.way.laid_out(each), batch) for images, batch in given for each in images)
            return
        images = chained([images.flatten(0, 1) for images, _ in given])
        batch = chained([_repeated(batch, len(images)) for images, batch in given]) if with_batch else given[0][1]
        yield self.way.laid_out(images), batch

    def part(self) -> None:
        """Give every network memory of its own again."""
        self.calls.part()


def _all_at_once(through_autograd: bool) -> Calls:
    from mixgan_lightning.payoff.vectorised import AllAtOnce  # here: it takes private parts of torch, which may go

    return AllAtOnce(through_autograd)


def _repeated(batch: Any, times: int) -> Any:
    return each(lambda leaf: torch.cat([leaf] * times), batch)
