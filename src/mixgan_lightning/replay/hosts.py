"""The T modules that a user's factory built: their players' networks taken out, the rest kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import FunctionType, SimpleNamespace
from typing import Any, NamedTuple, Self

import torch
from pytorch_lightning.loggers.logger import DummyLogger
from torch import nn
from torch.nn import Parameter
from torch.optim import Optimizer

from mixgan_lightning.errors import ConfigurationError, GANError
from mixgan_lightning.optimizers import parse, schedulers_in
from mixgan_lightning.replay.players import PLAYERS, Casting, cast
from mixgan_lightning.sampling import own_stream

# what configure_optimizers may ask of a Trainer before there is one: only who owns what is looked at then
STAND_IN = SimpleNamespace(
    max_epochs=1,
    max_steps=1,
    current_epoch=0,
    global_step=0,
    estimated_stepping_batches=1,
    num_training_batches=1,
    accumulate_grad_batches=1,
    world_size=1,
    num_devices=1,
    num_nodes=1,
    datamodule=None,
    is_global_zero=True,
    loggers=[DummyLogger()],
)


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
        _check_closures(built[0])
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


class Configured(NamedTuple):
    """What a host's ``configure_optimizers`` returned, in its order."""

    returned: Any
    optimizers: list[Optimizer]
    groups: list[list[list[Parameter]]]  # each optimiser's parameter groups, before others' parameters join them
    schedulers: list[dict[str, Any]]  # Lightning's dictionaries
    kept: dict[str, Any]  # the attributes that it set on the way: optimisers, schedulers

    @classmethod
    def by(cls, host: nn.Module) -> Self:
        """Ask the host.

        Raises:
            GANError: where it has no such method, or returns something else.
        """
        configure = getattr(host, "configure_optimizers", None)
        if configure is None:
            raise GANError(
                f"{type(host).__name__}: expected a method configure_optimizers() that returns the players' optimisers"
            )
        before = dict(vars(host))
        returned = configure()
        kept = {name: value for name, value in vars(host).items() if value is not before.get(name)}
        optimizers = [own.optimizer for own in parse(returned)]
        groups = [[list(group["params"]) for group in optimizer.param_groups] for optimizer in optimizers]
        return cls(returned, optimizers, groups, schedulers_in(returned), kept)


def lightning_base(kind: type) -> type | None:
    """The LightningModule among a class's bases, of `pytorch_lightning` or of `lightning`."""
    return next((base for base in kind.__mro__ if base.__name__ == "LightningModule"), None)


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


def _check_closures(module: nn.Module) -> None:
    """A function that holds the module itself would lead every pair back to it, whatever copy it was called on."""
    own = {id(part) for part in module.modules()}
    for path, part in module.named_modules():
        makes_its_own = type(part).__setstate__ is not nn.Module.__setstate__  # torchmetrics', compiled networks
        for name, value in vars(part).items() if not makes_its_own else ():
            for function in _functions(value) if name not in REGISTERED else ():
                if any(id(held) in own for held in _held(function)):
                    where = ".".join([type(module).__name__, *([path] if path else []), name.strip("_")])
                    raise GANError(
                        f"{where} is a function that holds the module itself (a lambda, or one made in __init__), or "
                        "has one: every pair needs its own; make it a method"
                    )


REGISTERED = ("_parameters", "_buffers", "_modules")


def _functions(value: Any) -> Iterator[FunctionType]:
    """A function, or those in a dictionary, list or tuple."""
    if isinstance(value, FunctionType):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _functions(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _functions(each)


def _held(function: FunctionType) -> Iterator[Any]:
    """What a function holds of where it was made."""
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # an empty cell
            yield cell.cell_contents


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
