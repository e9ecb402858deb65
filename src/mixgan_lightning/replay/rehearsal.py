"""One run of a user's step on copies, in which nothing is trained: to see how it calls its generator."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import Parameter

from mixgan_lightning.replay.drawing import Arguments
from mixgan_lightning.replay.hosts import STAND_IN, Hosts
from mixgan_lightning.replay.losses import heard
from mixgan_lightning.replay.players import PLAYERS
from mixgan_lightning.replay.stand_ins import StagedOptimizer, StagedScheduler, StagedTrainer
from mixgan_lightning.replay.styles import Style
from mixgan_lightning.replay.view import view_of


class Call(NamedTuple):
    """One call of a network (its path), or of the module itself (""): its arguments and what it gave."""

    path: str
    arguments: Arguments
    output: Any


Until = Callable[[list[Call]], bool]  # whether the calls so far are enough


class Enough(BaseException):
    """Ends a rehearsal; no `except Exception` of the user's catches it."""


class Rehearsal:
    """A stage on which no step steps and no loss is differentiated.

    Args:
        hosts: the user's modules; the first one rehearses, on copies of its parameters.
        trainer: the Trainer, if there is one.
    """

    speaks = False

    def __init__(self, hosts: Hosts, trainer: Any = None) -> None:
        self.hosts = hosts
        self.trainer: Any = StagedTrainer(self, STAND_IN if trainer is None else trainer)
        first = hosts.configured[0]
        self.optimizers = [StagedOptimizer(self, k, real) for k, real in enumerate(first.optimizers)]
        self.schedulers = [StagedScheduler(self, config["scheduler"]) for config in first.schedulers]
        known: dict[int, Any] = {id(o.real): o for o in self.optimizers} | {id(s.real): s for s in self.schedulers}
        found = view_of(hosts, 0, 0, self, known, _copy)
        self.view: Any = found.module
        self.view.__dict__["_trainer"] = self.trainer
        for optimizer, groups in zip(self.optimizers, first.groups, strict=True):
            optimizer.hold([[found.own_of[id(p)] for p in group] for group in groups])

    def step(self, optimizer: int, *, counted: bool) -> None:
        """Nothing."""

    def step_scheduler(self, scheduler: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        """Nothing."""

    def log(self, name: str, value: Any, options: dict[str, Any]) -> None:
        """Nothing."""

    def calls(self, style: Style, batch: Any, until: Until = lambda made: False) -> list[Call]:
        """The calls of the module and of the generator's networks in one batch, up to one that is enough.

        A step that fails on the batch still tells the calls before.
        """
        made: list[Call] = []
        paths = ["", *self.hosts.casting.networks[PLAYERS[0]]]
        for path in paths:
            note = partial(_note, made, path, until)
            self.view.get_submodule(path).register_forward_hook(note, with_kwargs=True)
        with torch.enable_grad(), heard(lambda *ignored: None), suppress(Exception, Enough):
            style.play(self, batch, 0)
        return made


def _note(
    made: list[Call],
    path: str,
    until: Callable[[list[Call]], bool],
    network: nn.Module,
    args: Any,
    kwargs: Any,
    output: Any,
) -> None:
    made.append(Call(path, Arguments(args, kwargs), output))
    if until(made):
        raise Enough


def _copy(parameter: Parameter) -> Parameter:
    return Parameter(parameter.detach().clone(), parameter.requires_grad)
