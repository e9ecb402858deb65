"""The T modules that a user's factory built: their players' networks taken out, the rest kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import Parameter

from mixgan_lightning.errors import ConfigurationError, GANError
from mixgan_lightning.replay.closures import check_closures
from mixgan_lightning.replay.configured import STAND_IN, Configured, lightning_base
from mixgan_lightning.replay.players import PLAYERS, Casting, cast
from mixgan_lightning.sampling import own_stream


class Networks(nn.Module):
    """What a player with several networks owns, under their names in the user's module."""

    def __init__(self, networks: dict[str, nn.Module], parameters: dict[str, Parameter]) -> None:
        super().__init__()
        for path, network in networks.items():
            self.add_module(path.replace(".", "_"), network)
        for path, parameter in parameters.items():
            self.register_parameter(path.replace(".", "_"), parameter)


class Hosts(nn.ModuleList):
    """The user's modules. In a mixture their networks belong to its components: each host has None in their place.

    Args:
        built: one module a component, each built anew.
        share: attributes that all take from the first: frozen networks, datasets …
        players: see ``players.cast``.

    Attributes:
        shared: what all hosts share; the first keeps it.
        casting: who plays which player.
        kept: each host's own networks and loose parameters, by player and path; and what goes with discriminators.
        configured: the optimisers of each host, of the last time that they were asked for.
    """

    def __init__(self, built: Sequence[nn.Module], share: Sequence[str], players: Sequence[str] | None) -> None:
        super().__init__(built)
        check_closures(built[0])
        self.shared = _share(built, share)
        self._shared = tuple(share)
        self._shared_modules = [name for name in share if isinstance(getattr(built[0], name), nn.Module)]
        with own_stream(torch.device("cpu"), seed=0):  # a factory's draws go on as if nothing had happened between
            self.configured = [self._trial(host) for host in built]
        self.casting: Casting = cast(built[0], self.configured[0].groups, players)
        _check_shared_is_rest(self.casting, share)
        self.kept = [self._own_networks(host) for host in built]
        for name in self._copies_of_discriminators():
            for host, own in zip(built, self.kept, strict=True):
                own[PLAYERS[1]][name] = getattr(host, name)

    def attach(self, trainer: Any) -> None:
        """Let LightningModules know their Trainer."""
        for host in self:
            _attach(host, trainer)

    def _trial(self, host: nn.Module) -> Configured:
        """The host's optimisers, before there is a Trainer."""
        _attach(host, STAND_IN)
        try:
            return Configured.by(host)
        except GANError:
            raise
        except Exception as error:  # the user's code may raise anything
            raise GANError(
                f"{type(host).__name__}.configure_optimizers: {type(error).__name__}: {error} (it is called once "
                "before there is a Trainer, to see which optimiser holds which network)"
            ) from error
        finally:
            _attach(host, None)

    def _own_networks(self, host: nn.Module) -> dict[str, dict[str, Any]]:
        try:
            return {
                player: {path: _get(host, path) for path in (*self.casting.networks[player], *loose)}
                for player, loose in self.casting.parameters.items()
            }
        except AttributeError as error:
            raise GANError(f"two calls of make_gan built different modules: {error}") from error

    def _copies_of_discriminators(self) -> list[str]:
        """Attributes that no optimiser holds and that start as a discriminator (an average of it): they go with it."""
        discriminators = [part for part in self.kept[0][PLAYERS[1]].values() if isinstance(part, nn.Module)]
        rest = [(name, part) for name, part in self[0].named_children() if name not in (*self._paths(), *self._shared)]
        return [name for name, part in rest if any(_starts_as(part, other) for other in discriminators)]

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        parts = (part for own in self.kept[0].values() for part in own.values())
        return next(p.device for part in parts for p in ([part] if isinstance(part, Parameter) else part.parameters()))

    def component(self, k: int, player: str) -> nn.Module:
        """What host k gives to the mixture of a player: its network, or all of them in one module."""
        own = self.kept[k][player]
        networks = {path: own[path] for path in self.casting.networks[player]}
        parameters = {path: own[path] for path in self.casting.parameters[player]}
        alone = len(networks) == 1 and not parameters
        whole = next(iter(networks.values())) if alone else Networks(networks, parameters)
        whole.__dict__["host_index"] = k  # to find its host again from the component, or a copy of it
        return whole

    def part(self, component: nn.Module, path: str) -> Any:
        """The network, or the loose parameter, of that path in a component."""
        return getattr(component, path.replace(".", "_")) if isinstance(component, Networks) else component

    def stand_ins(self, ks: Iterable[int], stage: Any) -> dict[int, Any]:
        """For optimisers and schedulers that these hosts may hold themselves, the stage's, by id."""
        known: dict[int, Any] = {}
        for configured in (self.configured[k] for k in ks):
            known |= {id(real): own for real, own in zip(configured.optimizers, stage.optimizers, strict=True)}
            reals = [config["scheduler"] for config in configured.schedulers]
            known |= {id(real): own for real, own in zip(reals, stage.schedulers, strict=True)}
        return known

    def configure(self) -> Any:
        """Ask every host for its optimisers; returns what the first one gave."""
        for k, before in enumerate(self.configured):
            with self.whole(k) as host:
                now = Configured.by(host)
            same = [a is b for a, b in zip(now.optimizers, before.optimizers, strict=True)]
            groups = [old if kept else new for kept, old, new in zip(same, before.groups, now.groups, strict=True)]
            self.configured[k] = now._replace(groups=groups)  # those made once have been joined by others' parameters
        return self.configured[0].returned

    def release(self) -> None:
        """Take all networks out of all hosts, and what is shared out of all but the first."""
        for k in range(len(self)):
            self._fill(k, dict.fromkeys([*self._paths(), *(self._shared_modules if k else [])]))

    @contextmanager
    def whole(self, k: int) -> Iterator[nn.Module]:
        """Host k with its own networks, and what is shared, for a while."""
        own = {path: parts[path] for parts in self.kept[k].values() for path in self._paths() if path in parts}
        shared = {name: getattr(self[0], name) for name in self._shared_modules} if k else {}
        with self.holding(k, own | shared) as host:
            yield host

    @contextmanager
    def holding(self, k: int, parts: dict[str, Any]) -> Iterator[nn.Module]:
        """Host k with these networks and parameters, by path, for a while."""
        self._fill(k, parts)
        try:
            yield self[k]
        finally:
            self._fill(k, dict.fromkeys(parts))

    def _paths(self) -> list[str]:
        return [
            path for player in PLAYERS for path in (*self.casting.networks[player], *self.casting.parameters[player])
        ]

    def _fill(self, k: int, parts: dict[str, Any]) -> None:
        for path, part in parts.items():
            parent, _, name = path.rpartition(".")
            place = self[k].get_submodule(parent)
            where = place._parameters if name in place._parameters else place._modules
            where[name] = part  # None keeps the place, so that the order of a module's parts is as it was


def _attach(host: nn.Module, trainer: Any) -> None:
    if lightning_base(type(host)) is not None:
        host.__dict__["_trainer"] = trainer  # the other package's setter would look at its class


def _share(hosts: Sequence[nn.Module], names: Sequence[str]) -> list[Any]:
    """Give all hosts the first one's attributes of these names."""
    if isinstance(names, str):
        raise ConfigurationError(f"share: expected a list of attributes, got {names!r}; write share=({names!r},)")
    shared = []
    for name in names:
        if not hasattr(hosts[0], name):
            raise ConfigurationError(f"share: {type(hosts[0]).__name__} has no attribute {name!r}")
        shared.append(getattr(hosts[0], name))
        for host in hosts[1:]:
            setattr(host, name, shared[-1])
    return shared


def _check_shared_is_rest(casting: Casting, share: Sequence[str]) -> None:
    for player in PLAYERS:
        for path in (*casting.networks[player], *casting.parameters[player]):
            if path in share or path.partition(".")[0] in share:
                raise ConfigurationError(
                    f"share: {path} is trained as the {player}; only what no optimiser holds can be shared"
                )


def _starts_as(part: nn.Module, other: nn.Module) -> bool:
    """Whether a module has another's parameters: as many, and the same values."""
    mine, others = list(part.parameters()), list(other.parameters())
    return (
        part is not other
        and 0 < len(mine) == len(others)
        and all(a.shape == b.shape and torch.equal(a, b) for a, b in zip(mine, others, strict=True))
    )


def _get(module: nn.Module, path: str) -> Any:
    parent, _, name = path.rpartition(".")
    return getattr(module.get_submodule(parent), name)
