"""Who plays which player in a user's module: found by the parameters that each of its optimisers holds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import nn
from torch.nn import Parameter

from mixgan_lightning.errors import ConfigurationError, GANError

PLAYERS = ("generator", "discriminator")
Groups = Sequence[Sequence[Sequence[Parameter]]]

# how discriminators and generators are called in public code: discriminator, disc, D, netD, D_A, d_net, critic …
_SHORT = r"(?:^|[._])(?:{0}|net_?{0}|{0}_?net|(?:{1})s?)(?:[._\d]|$)"
DISCRIMINATOR = re.compile(_SHORT.format("d", "dis|disc|discr") + "|discriminator|critic|adversar", re.IGNORECASE)
GENERATOR = re.compile(_SHORT.format("g", "gen") + "|generator|decoder|encoder|vae|unet|synthesis", re.IGNORECASE)


@dataclass
class Owned:
    """What one owner (an optimiser, or a player) holds, by its path in the user's module."""

    networks: dict[str, nn.Module] = field(default_factory=dict)
    parameters: dict[str, Parameter] = field(default_factory=dict)  # those that are in none of the networks

    @property
    def names(self) -> list[str]:
        return [*self.networks, *self.parameters]


@dataclass(frozen=True)
class Casting:
    """The player of each optimiser, in the order of ``configure_optimizers``, and what each player holds.

    ``paths[player]``: where its networks and its loose parameters stand in the module.
    """

    players: tuple[str, ...]
    networks: Mapping[str, tuple[str, ...]]
    parameters: Mapping[str, tuple[str, ...]]

    def optimizers_of(self, player: str) -> list[int]:
        """The indices of a player's optimisers."""
        return [k for k, name in enumerate(self.players) if name == player]


def cast(module: nn.Module, groups: Groups, players: Sequence[str] | None) -> Casting:
    """Tell which optimiser plays which player.

    Args:
        module: the user's.
        groups: its optimisers' parameters, by optimiser and parameter group.
        players: "generator" or "discriminator" for each optimiser; None: by the names of the networks that it holds.

    Raises:
        GANError: one optimiser for everything, a parameter in two, or names that do not tell.
        ConfigurationError: ``players`` that do not fit.
    """
    owner = _owners(module, groups)
    by_optimizer = _owned(module, owner, len(groups))
    names = [held.names for held in by_optimizer]
    named = _named(names) if players is None else _given(players, names)
    by_player = _owned(module, {p: PLAYERS.index(named[k]) for p, k in owner.items()}, len(PLAYERS))
    return Casting(
        named,
        {player: tuple(held.networks) for player, held in zip(PLAYERS, by_player, strict=True)},
        {player: tuple(held.parameters) for player, held in zip(PLAYERS, by_player, strict=True)},
    )


def _owners(module: nn.Module, groups: Groups) -> dict[int, int]:
    """The optimiser of each parameter, by id."""
    name = type(module).__name__
    if len(groups) < len(PLAYERS):
        raise GANError(
            f"{name}.configure_optimizers: expected an optimiser for each player (two or more), got one for everything"
        )
    names = {id(p): path for path, p in module.named_parameters()}
    owner: dict[int, int] = {}
    for k, own in enumerate(groups):
        held = [p for group in own for p in group]
        foreign = sum(id(p) not in names for p in held)
        if foreign:
            raise GANError(
                f"{name}.configure_optimizers: optimiser {k} holds {foreign} parameters that are not in the module; "
                "make their network an attribute of it"
            )
        for p in held:
            if owner.setdefault(id(p), k) != k:
                raise GANError(
                    f"{name}.configure_optimizers: the parameter {names[id(p)]} is in two optimisers "
                    f"({owner[id(p)]} and {k}); a mixture needs to know which player owns it: leave it in one"
                )
    return owner


def _owned(module: nn.Module, owner: Mapping[int, int], count: int) -> list[Owned]:
    """The largest submodules all of whose optimised parameters have one owner, by owner."""
    found = [Owned() for _ in range(count)]
    seen: set[int] = set()

    def visit(part: nn.Module, path: str) -> None:
        owners = {owner[id(p)] for p in part.parameters() if id(p) in owner}
        if id(part) in seen or not owners:
            return
        seen.add(id(part))
        if path and len(owners) == 1:
            found[owners.pop()].networks[path] = part
            return
        prefix = f"{path}." if path else ""
        for name, parameter in part._parameters.items():
            if parameter is not None and id(parameter) in owner:
                found[owner[id(parameter)]].parameters[prefix + name] = parameter
        for name, child in part._modules.items():
            if child is not None:
                visit(child, prefix + name)

    visit(module, "")
    return found


def _named(held: Sequence[list[str]]) -> tuple[str, ...]:
    """Players by the names of what each optimiser holds."""
    is_d = [all(DISCRIMINATOR.search(name) for name in names) for names in held]
    if any(is_d) and not all(is_d):
        return tuple("discriminator" if d else "generator" for d in is_d)
    is_g = [all(GENERATOR.search(name) for name in names) for names in held]
    if not any(is_d) and sum(is_g) == len(held) - 1:
        return tuple("generator" if g else "discriminator" for g in is_g)
    words = [str(player) for player in PLAYERS]
    raise GANError(
        f"cannot tell which of the {len(held)} optimisers plays the generator: they hold {[*held]}; pass "
        f"players={(*words, *words[1:] * (len(held) - 2))} in the order of configure_optimizers()"
    )


def _named_as(held: list[str]) -> str | None:
    """The player whose name all of these have, if any."""
    if all(DISCRIMINATOR.search(name) for name in held):
        return PLAYERS[1]
    return PLAYERS[0] if all(GENERATOR.search(name) for name in held) else None


def _given(players: Sequence[str], names: Sequence[list[str]]) -> tuple[str, ...]:
    count = len(names)
    if isinstance(players, str) or len(players) != count or set(players) != set(PLAYERS):
        raise ConfigurationError(
            f"players: expected 'generator' or 'discriminator' for each of the {count} optimisers, in the order of "
            f"configure_optimizers() and each player at least once, got {players!r}"
        )
    for player, held in zip(players, names, strict=True):
        other = PLAYERS[player == PLAYERS[0]]
        if _named_as(held) == other:
            raise ConfigurationError(
                f"players: {players!r} makes {held} the {player}, by its name the {other}; the order is that of "
                "configure_optimizers()"
            )
    return tuple(players)
