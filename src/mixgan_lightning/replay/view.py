"""The user's module as one pair plays it: a copy with the pair's parameters, and buffers and attributes of its own."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Generator, Tensor, nn
from torch.nn import Parameter
from torch.utils.data import DataLoader, Dataset

from mixgan_lightning.errors import GANError
from mixgan_lightning.replay.configured import lightning_base
from mixgan_lightning.replay.hosts import Hosts
from mixgan_lightning.replay.players import PLAYERS
from mixgan_lightning.replay.stand_ins import Stage, StagedOptimizer, StagedScheduler

MakeParameter = Callable[[Parameter], Parameter]  # the view's own from the mixture's
BY_REFERENCE = (Dataset, DataLoader)  # never copied with a module


class Part(NamedTuple):
    """A parameter of the mixture and the pair's own, on the same storage; or two modules whose buffers correspond."""

    real: Any
    own: Any
    player: str  # whose it is; what is nobody's goes with the generator


class View(NamedTuple):
    """A copy of the user's module, and what in it corresponds to what in the mixture."""

    module: nn.Module
    parameters: list[Part]
    modules: list[Part]
    own_of: Mapping[int, Parameter]  # the copy's parameter for each of the host's own, by id


def alias(parameter: Parameter) -> Parameter:
    """A parameter on the same storage, with a gradient and a requires_grad of its own."""
    return Parameter(parameter.detach(), parameter.requires_grad)


def view_of(
    hosts: Hosts,
    i: int,
    playing: Mapping[str, Mapping[str, Any]],
    known: Mapping[int, Any],
    stage: Stage,
    parameter: MakeParameter,
) -> View:
    """Host i's module with these networks in place of its own.

    Args:
        hosts: the user's modules.
        i: the host that gives all that is no player's.
        playing: by player and path, the networks (and loose parameters) that play.
        known: what stands in for objects that the module may hold, by id: optimisers, schedulers.
        stage: where it will play.
        parameter: makes the view's own parameter from the mixture's.
    """
    with hosts.whole(i) as host:
        memo: dict[int, Any] = dict(known) | {id(each): each for each in _by_reference(hosts, host)}
        parameters = [part for player in PLAYERS for part in _copied(hosts.kept[i], playing, player, memo, parameter)]
        rest = [p for p in host.parameters() if id(p) not in memo]
        memo |= {id(p): parameter(p) for p in rest}
        parameters += [Part(p, memo[id(p)], PLAYERS[0]) for p in rest]
        _copy_the_uncopied(host.modules(), memo)
        try:
            module = copy.deepcopy(host, memo)
        except Exception as error:  # locks, generators, open files …
            raise GANError(
                f"{type(host).__name__} cannot be copied for each pair: {type(error).__name__}: {error}; name the "
                "attribute that holds it in share=(…,), and all pairs use the same one"
            ) from error
        _check_follows(module, host, parameters, hosts)
        players = {id(m) for own in hosts.kept[i].values() for part in own.values() for m in _modules(part)}
        modules = [Part(m, memo[id(m)], PLAYERS[0]) for m in host.modules() if id(m) not in players]
        own_of = {id(p): memo[id(p)] for p in host.parameters()}
    modules += [
        Part(m, memo[id(m)], player) for player in PLAYERS for p in playing[player].values() for m in _modules(p)
    ]
    _enter(module, stage)
    return View(
        module, parameters, [part for part in modules if part.real is not part.own and part.real._buffers], own_of
    )


def furnish(
    stage: Any, hosts: Hosts, ks: Sequence[int], playing: Mapping[str, Mapping[str, Any]], parameter: MakeParameter
) -> View:
    """Give a stage its optimisers, schedulers and view: host ks[0]'s module; stand-ins are for all of these hosts'."""
    configured = hosts.configured[ks[0]]
    stage.optimizers = [StagedOptimizer(stage, k, real) for k, real in enumerate(hosts.configured[0].optimizers)]
    stage.schedulers = [StagedScheduler(stage, config["scheduler"]) for config in hosts.configured[0].schedulers]
    found = view_of(hosts, ks[0], playing, hosts.stand_ins(ks, stage), stage, parameter)
    stage.view = found.module
    for optimizer, groups in zip(stage.optimizers, configured.groups, strict=True):
        optimizer.hold([[found.own_of[id(p)] for p in group] for group in groups])
    return found


def _check_follows(module: nn.Module, host: nn.Module, parameters: list[Part], hosts: Hosts) -> None:
    """The copy plays on the pair's parameters, and on nothing that only looks like them."""
    known = {id(part.own) for part in parameters} | {id(each) for each in _by_reference(hosts, host)}
    strays = [name for name, p in module.named_parameters() if id(p) not in known]
    if strays:
        raise GANError(
            f"{type(host).__name__}.{strays[0]}: a copy of the module does not keep this parameter (TorchScript, or a "
            "__deepcopy__ of its own?); build it as a plain nn.Module, or name its attribute in share=(…,)"
        )


def _copied(
    own: Mapping[str, Mapping[str, Any]],
    playing: Mapping[str, Mapping[str, Any]],
    player: str,
    memo: dict[int, Any],
    parameter: MakeParameter,
) -> list[Part]:
    """Copy what plays, and have every reference to the host's own networks lead to the copy."""
    parts: list[Part] = []
    for path, other in playing[player].items():
        for p in other.parameters() if isinstance(other, nn.Module) else [other]:
            if id(p) not in memo:
                memo[id(p)] = parameter(p)
                parts.append(Part(p, memo[id(p)], player))
        _copy_the_uncopied(_modules(other), memo)
        copy.deepcopy(other, memo)
        for a, b in zip(_everything(own[player][path]), _everything(other), strict=True):
            if id(b) in memo:  # else it is copied apart, which `_check_follows` tells
                memo[id(a)] = memo[id(b)]
    return parts


def _modules(part: Any) -> Iterable[nn.Module]:
    return part.modules() if isinstance(part, nn.Module) else ()


def _everything(part: Any) -> list[Any]:
    """A network's submodules, parameters and buffers, or a parameter alone."""
    return [*part.modules(), *part.parameters(), *part.buffers()] if isinstance(part, nn.Module) else [part]


def _by_reference(hosts: Hosts, host: nn.Module) -> list[Any]:
    """What a copy shares with its original."""
    shared = [part for each in hosts.shared for part in (each, *_modules(each), *_everything(each))]
    return shared + [value for value in vars(host).values() if isinstance(value, BY_REFERENCE)]


def _copy_the_uncopied(modules: Iterable[nn.Module], memo: dict[int, Any]) -> None:
    """What deepcopy refuses: tensors computed from parameters (old spectral_norm's weight, kept images), generators."""
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, Tensor) and not value.is_leaf:
                memo[id(value)] = value.detach().clone()
            elif isinstance(value, Generator):
                memo[id(value)] = value.clone_state()


def _enter(module: nn.Module, stage: Stage) -> None:
    """Have a LightningModule's own methods lead to the stage; the user's overrides still come first."""
    module.__dict__["_stage"] = stage
    lightning = lightning_base(type(module))
    if lightning is not None:
        module.__class__ = _staged_class(type(module), lightning)


_STAGED: dict[type, type] = {}


def _staged_class(kind: type, lightning: type) -> type:
    if kind not in _STAGED:
        between = type("StagedModule", (StagedModule, lightning), {})
        names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
        _STAGED[kind] = type(kind.__name__, (kind, between), names)
    return _STAGED[kind]


class StagedModule:
    """What stands between a user's LightningModule and Lightning's in a pair."""

    _stage: Stage

    def optimizers(self, use_pl_optimizer: bool = True) -> Any:
        """The pair's optimisers, in the order of ``configure_optimizers``."""
        own = self._stage.optimizers
        return [optimizer.lightning for optimizer in own] if use_pl_optimizer else own

    def manual_backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """As Lightning's, with this module's hooks: gradients stay in the pair."""
        self._stage.tell_callbacks("on_before_backward", loss)
        self.on_before_backward(loss)  # type: ignore[attr-defined]
        self.backward(loss, *args, **kwargs)  # type: ignore[attr-defined]
        self._stage.tell_callbacks("on_after_backward")
        self.on_after_backward()  # type: ignore[attr-defined]

    def optimizer_step(self, *args: Any, optimizer: Any, optimizer_closure: Any, **kwargs: Any) -> None:
        """Lightning 1's, which a user's override may call by ``super()``."""
        optimizer.step(closure=optimizer_closure)

    def log(self, name: str, value: Any, *args: Any, **kwargs: Any) -> None:
        """Logged once for all pairs."""
        positional = ("prog_bar", "logger", "on_step", "on_epoch")
        self._stage.log(name, value, dict(zip(positional, args, strict=False)) | kwargs)

    def print(self, *args: Any, **kwargs: Any) -> None:
        """Said once for all pairs."""
        if self._stage.speaks:
            super().print(*args, **kwargs)  # type: ignore[misc]
