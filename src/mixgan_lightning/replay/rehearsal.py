"""One run of a user's step on copies, in which nothing is trained: to see how it calls its generator."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from mixgan_lightning.replay.configured import STAND_IN
from mixgan_lightning.replay.hosts import Hosts
from mixgan_lightning.replay.losses import heard
from mixgan_lightning.replay.players import PLAYERS
from mixgan_lightning.replay.stand_ins import StagedOptimizer, StagedScheduler, StagedTrainer
from mixgan_lightning.replay.styles import Style
from mixgan_lightning.replay.view import furnish
from mixgan_lightning.schedule import Played


class Arguments(NamedTuple):
    """What a network was called with."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Call(NamedTuple):
    """One call of a network (its path), or of the module itself (""), that gave a tensor."""

    path: str
    arguments: Arguments
    output: Tensor


Until = Callable[[list[Call]], bool]  # whether the calls so far are enough


class Enough(BaseException):
    """Ends a rehearsal; no `except Exception` of the user's catches it."""


class Rehearsal:
    """A stage on which no step steps and no loss is differentiated.

    Args:
        hosts: the user's modules.
        k: which of them rehearses, on copies of its parameters.
        generator: the component of a mixture that plays; None: the host's own.
        living: the module of a pair, with what its hooks have set; None where there is none.
    """

    speaks = False

    def __init__(
        self, hosts: Hosts, k: int, generator: nn.Module | None = None, living: nn.Module | None = None
    ) -> None:
        self.hosts = hosts
        self.played = Played()
        self.trainer: Any = StagedTrainer(self, STAND_IN)
        self.optimizers: list[StagedOptimizer]
        self.schedulers: list[StagedScheduler]
        self.view: Any
        playing = dict(hosts.kept[k])
        if generator is not None:
            playing[PLAYERS[0]] = {path: hosts.part(generator, path) for path in playing[PLAYERS[0]]}
        furnish(self, hosts, (k,), playing, _copy)
        self.view.__dict__["_trainer"] = self.trainer
        self.view.eval()  # dropout in a discriminator would move the random stream of the latents
        if living is not None:
            self.view.__dict__.update({name: v for name, v in vars(living).items() if name not in vars(self.view)})
        self.failure: Exception | None = None

    def step(self, optimizer: int, *, counted: bool) -> None:
        """Nothing."""

    def step_scheduler(self, scheduler: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        """Nothing."""

    def log(self, name: str, value: Any, options: dict[str, Any]) -> None:
        """Nothing."""

    def tell_callbacks(self, hook: str, *args: Any) -> None:
        """Nothing."""

    def calls(self, style: Style, batch: Any, until: Until = lambda made: False) -> list[Call]:
        """The calls of the networks and of the module itself in one batch, up to one that is enough.

        A step that fails on the batch still tells the calls before; ``failure`` is what it raised.
        """
        made: list[Call] = []
        for path in ["", *(path for networks in self.hosts.casting.networks.values() for path in networks)]:
            self.view.get_submodule(path).register_forward_hook(partial(_note, made, path, until), with_kwargs=True)
        try:
            with torch.enable_grad(), heard(lambda *ignored: None):
                style.play(self, batch, 0)
        except Enough:
            pass
        except Exception as error:
            self.failure = error
        return made


def _note(made: list[Call], path: str, until: Until, network: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
    if isinstance(output, Tensor):
        made.append(Call(path, Arguments(args, kwargs), output))
        if until(made):
            raise Enough


def _copy(parameter: Parameter) -> Parameter:
    return Parameter(parameter.detach().clone(), parameter.requires_grad)
