"""What a user's module meets in a pair instead of its optimisers, schedulers and Trainer.

They look like the real ones to `isinstance`, know only the pair's own parameters, and hand every step to a `Stage`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any, Protocol

import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from pytorch_lightning.loggers.logger import DummyLogger
from pytorch_lightning.utilities.types import LRSchedulerConfig
from torch.nn import Parameter
from torch.optim import Optimizer

from mixgan_lightning.replay.losses import GradientLosses


class Stage(Protocol):
    """Where a user's module plays: what becomes of its steps and of what it logs."""

    hosts: Any
    view: Any
    optimizers: list[StagedOptimizer]
    schedulers: list[StagedScheduler]
    trainer: Any
    played: Any  # what the mixture has played so far

    @property
    def speaks(self) -> bool:
        """Whether what it prints, and what it tells the logger's own object, is heard."""
        ...

    def step(self, optimizer: int, *, counted: bool) -> None:
        """An optimiser's step; ``counted``: by Lightning, in ``global_step``."""
        ...

    def step_scheduler(self, scheduler: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        """A scheduler's step."""
        ...

    def log(self, name: str, value: Any, options: dict[str, Any]) -> None:
        """``self.log(name, value, **options)``."""
        ...

    def tell_callbacks(self, hook: str, *args: Any) -> None:
        """A hook of the Trainer's callbacks."""
        ...


class StagedOptimizer:
    """One of the user's optimisers, over one pair's parameters.

    Args:
        stage: where it plays.
        index: its place in ``configure_optimizers``.
        real: the optimiser that steps.
    """

    def __init__(self, stage: Stage, index: int, real: Optimizer) -> None:
        self.stage, self.index, self.real = stage, index, real
        self.param_groups: list[dict[str, Any]] = []
        self.losses = GradientLosses([])

    def hold(self, parameters: Sequence[list[Parameter]]) -> None:
        """Take the pair's parameters, by parameter group."""
        self.param_groups = [{"params": group} for group in parameters]
        self.losses = GradientLosses([p for group in parameters for p in group])
        self.follow()

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # what isinstance asks for
        return type(self.real)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    @cached_property
    def lightning(self) -> StagedLightningOptimizer:
        """As ``self.optimizers()`` gives it."""
        return StagedLightningOptimizer(self)

    def follow(self) -> None:
        """Take the real optimiser's hyper-parameters."""
        for own, real in zip(self.param_groups, self.real.param_groups, strict=False):  # the real one has α's as well
            own.update((key, value) for key, value in real.items() if key != "params")

    def changes(self) -> dict[tuple[int, str], Any]:
        """The hyper-parameters that were set here since: {(group, name): value}."""
        return {
            (g, key): value
            for g, (own, real) in enumerate(zip(self.param_groups, self.real.param_groups, strict=False))
            for key, value in own.items()
            if key != "params" and value is not real.get(key) and value != real.get(key)
        }

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Of the pair's parameters alone."""
        self.losses.held.clear()
        for parameter in self.losses.parameters:
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad = parameter.grad.detach().zero_()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """The raw optimiser's step, which Lightning does not count."""
        return self.step_after(closure, counted=False)

    def step_after(self, closure: Callable[[], Any] | None, *, counted: bool) -> Any:
        """Evaluate the closure as torch's optimisers do, then step."""
        with torch.enable_grad():
            loss = None if closure is None else closure()
        self.stage.step(self.index, counted=counted)
        return loss


class StagedLightningOptimizer(LightningOptimizer):
    """What ``self.optimizers()`` gives in a pair."""

    _optimizer: Any

    def __init__(self, optimizer: StagedOptimizer) -> None:
        super().__init__(optimizer)  # type: ignore[arg-type]

    def step(self, closure: Callable[[], Any] | None = None, **kwargs: Any) -> Any:
        return self._optimizer.step_after(closure, counted=True)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Of the pair's parameters alone."""
        self._optimizer.zero_grad(set_to_none)

    @contextmanager
    def toggle_model(self, sync_grad: bool = True) -> Iterator[None]:
        with self._optimizer.stage.view.toggled_optimizer(self):
            yield


class StagedScheduler:
    """One of the user's schedulers: all pairs' steps are one step."""

    def __init__(self, stage: Stage, real: Any) -> None:
        self.stage, self.real = stage, real

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self.real)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def step(self, *arguments: Any, **options: Any) -> None:
        """Once, after every pair has come to it; tensors and numbers among the arguments are averaged over pairs."""
        self.stage.step_scheduler(self, arguments, options)


class StagedTrainer:
    """The Trainer, but for optimisers, schedulers, module and loggers, which are the pair's."""

    def __init__(self, stage: Stage, real: Any) -> None:
        self.__dict__.update(_stage=stage, _real=real)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self._real)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._real, name, value)

    @property
    def lightning_module(self) -> Any:
        """The pair's."""
        return self._stage.view

    @property
    def optimizers(self) -> list[StagedOptimizer]:
        """The pair's, as torch knows them."""
        return self._stage.optimizers

    @property
    def lr_scheduler_configs(self) -> list[Any]:
        """Lightning's, with the pair's schedulers."""
        configs = getattr(self._real, "lr_scheduler_configs", None)
        if configs is None:  # in a rehearsal
            return [LRSchedulerConfig(scheduler) for scheduler in self._stage.schedulers]
        own = {id(scheduler.real): scheduler for scheduler in self._stage.schedulers}
        return [replace(config, scheduler=own[id(config.scheduler)]) for config in configs]

    @property
    def loggers(self) -> list[Any]:
        """The real ones for one pair, silent ones for the others."""
        real = getattr(self._real, "loggers", [])
        return real if self._stage.speaks else [DummyLogger() for _ in real]

    @property
    def logger(self) -> Any:
        """The first of them."""
        return next(iter(self.loggers), None)
