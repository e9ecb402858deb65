"""One generator against one discriminator: the user's module on a stage that pauses wherever it steps."""

from __future__ import annotations

import contextvars
import copy
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import greenlet
from torch import Tensor

from mixgan_lightning.replay.hosts import Hosts
from mixgan_lightning.replay.losses import Backward, Loss, value_of
from mixgan_lightning.replay.players import PLAYERS
from mixgan_lightning.replay.stand_ins import StagedOptimizer, StagedScheduler, StagedTrainer
from mixgan_lightning.replay.streams import Modes
from mixgan_lightning.replay.view import alias, furnish
from mixgan_lightning.schedule import Played


class Pause(NamedTuple):
    """Where a pair waits for the others: at an optimiser's or a scheduler's step, or at the end of its run."""

    kind: str  # "optimizer", "scheduler" or "end"
    what: Any = None  # the index of the optimiser or scheduler
    counted: bool = True  # by Lightning, in global_step
    arguments: tuple[Any, ...] = ()  # of the scheduler's step; at the end, what the run returned
    options: Mapping[str, Any] = {}

    def same_place(self, other: Pause) -> bool:
        """Whether another pair waits for the same."""
        return self[:3] == other[:3]

    def __str__(self) -> str:
        return "has ended" if self.kind == "end" else f"steps {self.kind} {self.what}"


class Logged(NamedTuple):
    """One ``self.log`` of a pair."""

    name: str
    value: Any
    options: Mapping[str, Any]


class Pair:
    """The stage on which generator i plays discriminator j.

    Attributes:
        view: the user's module on this pair's parameters.
        logged: what it logged and is not yet handed on.
        output: what its ``training_step`` returned last.
    """

    def __init__(self, hosts: Hosts, i: int, j: int) -> None:
        self.hosts, self.i, self.j = hosts, i, j
        self.trainer: Any = None
        self.played = Played()
        self.logged: list[Logged] = []
        self.output: Any = None
        self._differentiating = False
        self.optimizers: list[StagedOptimizer]
        self.schedulers: list[StagedScheduler]
        self.view: Any
        playing = {PLAYERS[0]: hosts.kept[i][PLAYERS[0]], PLAYERS[1]: hosts.kept[j][PLAYERS[1]]}
        found = furnish(self, hosts, (i, j), playing, alias)
        self.parameters, self.modules = found.parameters, found.modules
        self._configured = hosts.configured[i]
        self.real_of = {id(part.own): part.real for part in found.parameters}

    def attach(self, trainer: Any, played: Played) -> None:
        """Play under this Trainer, with the optimisers configured last, on the parameters where they are now."""
        self.played = played
        self.meet(trainer)
        first = self.hosts.configured[0]
        for optimizer, real in zip(self.optimizers, first.optimizers, strict=True):
            optimizer.real = real
        for scheduler, config in zip(self.schedulers, first.schedulers, strict=True):
            scheduler.real = config["scheduler"]
        self._keep_configured()
        for part in self.parameters:
            part.own.data = part.real.data
        for module in self.modules:
            for name, buffer in module.real._buffers.items():
                if buffer is not None:
                    module.own._buffers[name] = buffer.clone()
        self.view.__dict__["_device"] = getattr(self.hosts[self.i], "_device", None)

    def meet(self, trainer: Any) -> None:
        """Have the module know its Trainer."""
        self.trainer = self.view.__dict__["_trainer"] = StagedTrainer(self, trainer)

    def rest(self) -> None:
        """Let go of the gradients, and follow the parameters to where they are now."""
        self.output = None
        for part in self.parameters:
            part.own.grad = None
            part.own.data = part.real.data

    def _keep_configured(self) -> None:
        """Hold what ``configure_optimizers`` set when it was called again, for another training."""
        configured = self.hosts.configured[self.i]
        if configured is not self._configured:
            memo = self.hosts.stand_ins((self.i, self.j), self) | {id(part.real): part.own for part in self.parameters}
            self.view.__dict__.update(copy.deepcopy(configured.kept, memo))
            self._configured = configured

    @property
    def speaks(self) -> bool:
        """One pair's pictures and prints are enough."""
        return self.i == self.j == 0

    # ---------------------------------------------------------------------------------------- what the view does

    def step(self, optimizer: int, *, counted: bool) -> None:
        if counted and hasattr(self.view, "on_before_optimizer_step"):
            self.view.on_before_optimizer_step(self.optimizers[optimizer])
        _pause(Pause("optimizer", optimizer, counted))

    def step_scheduler(self, scheduler: StagedScheduler, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        index = next(k for k, own in enumerate(self.schedulers) if own is scheduler)  # `in` would compare classes
        _pause(Pause("scheduler", index, arguments=arguments, options=options))

    def log(self, name: str, value: Any, options: dict[str, Any]) -> None:
        self.logged.append(Logged(name, value.detach().clone() if isinstance(value, Tensor) else value, options))

    def tell_callbacks(self, hook: str, *args: Any) -> None:
        for callback in self.trainer.callbacks:
            getattr(callback, hook)(self.trainer, self.view, *args)

    def listen(self, backward: Backward, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        """Run a ``backward()`` and note its loss with the optimisers whose gradients it changes."""
        if self._differentiating:  # a checkpointed layer calls backward() within one: the gradients are the outer one's
            return backward(*arguments, **options)
        before = [optimizer.losses.before() for optimizer in self.optimizers]
        self._differentiating = True
        try:
            backward(*arguments, **options)
        finally:
            self._differentiating = False
        weights = arguments[1] if len(arguments) > 1 else options.get("grad_tensors")
        loss = Loss(value_of(arguments[0] if arguments else options["tensors"], weights))
        for optimizer, versions in zip(self.optimizers, before, strict=True):
            optimizer.losses.after(loss, versions)
        return None


def _pause(pause: Pause) -> None:
    """Let the others come to the same place."""
    greenlet.getcurrent().parent.switch(pause)  # type: ignore[union-attr]


class Run:
    """A function of a pair, run from one pause to the next."""

    def __init__(self, pair: Pair, function: Callable[[Pair], Any], modes: Modes) -> None:
        self.pair, self.modes = pair, modes
        self.pause: Pause | None = None
        self.coroutine = greenlet.greenlet(lambda: function(pair))
        self.coroutine.gr_context = contextvars.copy_context()

    def go_on(self) -> Pause:
        """Up to the next pause."""
        self.modes.enter()
        answer = self.coroutine.switch()
        self.modes = Modes.now(self.pair.hosts.device)
        self.pause = Pause("end", arguments=(answer,)) if self.coroutine.dead else answer
        return self.pause

    def abandon(self) -> None:
        """Leave the function where it is; its ``finally`` clauses run."""
        if not self.coroutine.dead:
            self.coroutine.throw(greenlet.GreenletExit)
