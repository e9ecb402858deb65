"""A rule applied to every network of a player, one network after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

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


class OneByOne:
    """A plain loop: the reference, by which the other ways are tested."""

    def __call__(self, mixture: Mixture, rule: Rule, dealt: Sequence[Any] = (), first: int = 0, n: int = 0) -> Any:
        networks = mixture.components[first : first + (n or len(mixture))]
        return stacked([rule(network, *(part(tree, k) for tree in dealt)) for k, network in enumerate(networks)])
