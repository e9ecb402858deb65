"""A rule applied to every network of a player, one network after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mixgan_lightning.mixture import Mixture
from mixgan_lightning.payoff.trees import part, stacked

Rule = Callable[..., Any]  # (network, *what is dealt to it) -> a tree of tensors


class Calls(Protocol):
    """A way of calling the networks of a player."""

    def __call__(self, mixture: Mixture, rule: Rule, dealt: Sequence[Any] = (), first: int = 0, n: int = 0) -> Any:
        """``rule(network, *dealt)`` of n networks from the first on, stacked: a tree of (n, …).

        Args:
            mixture: the player.
            rule: what is done with a network.
            dealt: trees of tensors (n, …), a part for each network; or (1, …), the same for all.
            first: of the networks that play.
            n: how many play; 0: all.
        """
        ...

    def part(self) -> None:
        """Give every network memory of its own again, where they share it."""
        ...


class OneByOne:
    """A plain loop: the reference, by which the other ways are tested.

    Args:
        recompute: keep no activations of a network, and call it again in the backward pass: of all networks, those of
            one at a time are in memory.
    """

    def __init__(self, recompute: bool = False) -> None:
        self.recompute = recompute

    def __call__(self, mixture: Mixture, rule: Rule, dealt: Sequence[Any] = (), first: int = 0, n: int = 0) -> Any:
        networks = mixture.components[first : first + (n or len(mixture))]
        play = partial(_recomputed, rule) if self.recompute and torch.is_grad_enabled() else rule
        return stacked([play(network, *(part(tree, k) for tree in dealt)) for k, network in enumerate(networks)])

    def part(self) -> None:
        """They have it."""


def _recomputed(rule: Rule, network: nn.Module, *dealt: Any) -> Any:
    buffers = [buffer.clone() for buffer in network.buffers()]
    contexts = lambda: (nullcontext(), _as_it_was(network, buffers))  # noqa: E731
    return checkpoint(rule, network, *dealt, use_reentrant=False, context_fn=contexts)


@contextmanager
def _as_it_was(network: nn.Module, before: Sequence[Tensor]) -> Iterator[None]:
    """The network with its buffers of the first call: running statistics must not move twice."""
    now = [buffer.clone() for buffer in network.buffers()]
    _fill(network, before)
    try:
        yield
    finally:
        _fill(network, now)


@torch.no_grad()
def _fill(network: nn.Module, values: Sequence[Tensor]) -> None:
    for buffer, value in zip(network.buffers(), values, strict=True):
        buffer.copy_(value)
