"""A rule applied to every network of a player: to all of them at once, vectorised over the components."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch._C._functorch import _add_batch_dim, _remove_batch_dim, maybe_get_level
from torch._functorch.vmap import vmap_increment_nesting
from torch.nn.functional import linear

from mixgan_lightning.mixture import Mixture
from mixgan_lightning.payoff.calls import Rule
from mixgan_lightning.payoff.stacked import Stacked
from mixgan_lightning.payoff.trees import each


class AllAtOnce:
    """The rule is run once, on the first network, whose parameters stand for those of all (``torch.vmap``).

    Equal to loops, where the networks draw no random numbers, up to rounding: a matrix product of T networks is one
    batched product. What cannot be vectorised raises.
    """

    def __init__(self, through_autograd: bool = False) -> None:
        self.through_autograd = through_autograd
        self._players: dict[int, _Player] = {}

    def __call__(self, mixture: Mixture, rule: Rule, dealt: Sequence[Any] = (), first: int = 0, n: int = 0) -> Any:
        n = n or len(mixture)
        player = self._players.get(id(mixture))
        if player is None or not player.is_of(mixture):
            player = self._players[id(mixture)] = _Player(mixture)
        stacks = player.stacks(first, n, self.through_autograd)
        # torch.vmap itself, without its checks of nested arguments, which cost as much as a small layer
        with vmap_increment_nesting(n, "error") as level, player.standing_for_all(stacks, level, n) as network:
            given = (each(partial(_batched, level), tree) for tree in dealt)
            outputs = rule(network, *given)
            return each(lambda leaf: _remove_batch_dim(leaf, level, n, 0), outputs)

    def part(self) -> None:
        """Give every network memory of its own again."""
        for player in self._players.values():
            player.part()
        self._players = {}


class _Player:
    """One player's networks, stacked."""

    def __init__(self, mixture: Mixture) -> None:
        self.mixture = mixture
        self.networks = networks = list(mixture.components)
        self.parameters, self.buffers = Stacked(networks, "_parameters"), Stacked(networks, "_buffers")
        kinds = {(id(dictionary), name): kind for (dictionary, name), kind in self.parameters.slots}
        self.linear: list[tuple[nn.Linear, int, int]] = []  # (layer, which stack is its weight, its bias)
        for layer in networks[0].modules():
            at = [kinds.get((id(layer._parameters), name)) for name in ("weight", "bias")]
            if type(layer) is nn.Linear and at[0] is not None and at[1] is not None:
                self.linear.append((layer, at[0], at[1]))

    def part(self) -> None:
        self.parameters.part()
        self.buffers.part()

    def is_of(self, mixture: Mixture) -> bool:
        """Whether the mixture has still these networks."""
        return len(self.networks) == len(mixture) and all(map(operator.is_, self.networks, mixture))

    def stacks(self, first: int, n: int, through_autograd: bool) -> list[tuple[Stacked, Sequence[Tensor]]]:
        """The parameters, and the buffers, of n networks from the first on."""
        for table in (self.parameters, self.buffers):
            table.gather()
        return [(table, table.of(first, n, through_autograd)) for table in (self.parameters, self.buffers)]

    @contextmanager
    def standing_for_all(
        self, stacks: list[tuple[Stacked, Sequence[Tensor]]], level: int, n: int
    ) -> Iterator[nn.Module]:
        """The first network, with the stacks in the place of its own parameters and buffers."""
        own = []
        try:
            for table, tensors in stacks:
                batched = [_add_batch_dim(tensor, 0, level) for tensor in tensors]
                for (dictionary, name), kind in table.slots:
                    own.append((dictionary, name, dictionary[name]))
                    dictionary[name] = batched[kind]
            weights = stacks[0][1]
            for layer, weight, bias in self.linear:
                layer.__dict__["forward"] = partial(
                    _linear, n, level, layer, (weights[weight].mT, weights[bias][:, None])
                )
            yield self.mixture.components[0]
        finally:
            for dictionary, name, tensor in own:
                dictionary[name] = tensor
            for layer, *_ in self.linear:
                layer.__dict__.pop("forward", None)


def _batched(level: int, leaf: Tensor) -> Tensor:
    return leaf[0] if len(leaf) == 1 else _add_batch_dim(leaf, 0, level)


def _linear(n: int, level: int, module: nn.Linear, stacks: tuple[Tensor, Tensor], inputs: Tensor) -> Tensor:
    """x Wᵀ + b of n layers as one ``baddbmm``, where vmap would add b apart. ``stacks``: Wᵀ and b, (n, …)."""
    if inputs.ndim != 2 or maybe_get_level(inputs) not in (level, -1):
        return linear(inputs, module.weight, module.bias)
    rows = _remove_batch_dim(inputs, level, n, 0)  # expanded, where it is the same for all
    return _add_batch_dim(torch.baddbmm(stacks[1], rows, stacks[0]), 0, level)
