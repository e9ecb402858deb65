"""The ways in which a user's module plays one batch."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from torch import nn

from mixgan_lightning.errors import ConfigurationError, GANError
from mixgan_lightning.replay.configured import lightning_base
from mixgan_lightning.replay.players import PLAYERS
from mixgan_lightning.replay.stand_ins import Stage, StagedLightningOptimizer
from mixgan_lightning.schedule import Schedule, WatchingSchedule


class Style(Protocol):
    """How to play a batch on a stage.

    ``steps_schedulers``: whether schedulers are stepped for it, by their interval and frequency.
    """

    steps_schedulers: bool

    def play(self, stage: Stage, batch: Any, batch_idx: int) -> Any:
        """Both players' steps; what the user's step returned."""
        ...


class OwnStep:
    """A LightningModule whose manual ``training_step`` plays both players."""

    steps_schedulers = False

    def play(self, stage: Stage, batch: Any, batch_idx: int) -> Any:
        step = stage.view.training_step
        if "optimizer_idx" in inspect.signature(step).parameters:  # left from Lightning 1, where it was None
            return step(batch, batch_idx, None)
        return call(step, batch, batch_idx)


class OptimizerIdx:
    """A LightningModule as of Lightning 1: ``training_step(batch, batch_idx, optimizer_idx)`` gives one player's loss.

    Each batch every optimiser takes a step, in their order; or, where ``configure_optimizers`` gives frequencies, one
    of them: n₁ batches the first, n₂ the second, and so on.
    """

    steps_schedulers = True  # as Lightning 1 did

    def __init__(self, returned: Any) -> None:
        entries = returned if isinstance(returned, tuple | list) else [returned]
        self.frequencies = [entry.get("frequency") or 0 for entry in entries if isinstance(entry, dict)]

    def turns(self, batch_idx: int, count: int) -> Sequence[int]:
        """The optimisers that play this batch."""
        if not any(self.frequencies):
            return range(count)
        place = batch_idx % sum(self.frequencies)
        return [next(k for k in range(count) if place < sum(self.frequencies[: k + 1]))]

    def play(self, stage: Stage, batch: Any, batch_idx: int) -> Any:
        for k in self.turns(batch_idx, len(stage.optimizers)):
            optimizer = stage.optimizers[k].lightning
            with stage.view.toggled_optimizer(optimizer):
                self._step(stage.view, optimizer, k, batch, batch_idx)

    def _step(self, view: Any, optimizer: StagedLightningOptimizer, k: int, batch: Any, batch_idx: int) -> None:
        def closure() -> Any:
            output = view.training_step(**_named(view.training_step, batch, batch_idx, k))
            loss = output.get("loss") if isinstance(output, Mapping) else output
            optimizer.zero_grad()
            if loss is not None:
                view.manual_backward(loss)
            return loss

        flags = {"on_tpu": False, "using_native_amp": False, "using_lbfgs": False}
        given = {"optimizer": optimizer, "optimizer_idx": k, "optimizer_closure": closure, **flags}
        view.optimizer_step(**_taken(view.optimizer_step, epoch=view.current_epoch, batch_idx=batch_idx, **given))


class TwoLosses:
    """A module with ``discriminator_loss(batch)`` and ``generator_loss(batch)``, each what that player minimises.

    Args:
        schedule: how many generator steps follow a batch's discriminator step.
    """

    steps_schedulers = True

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule

    def play(self, stage: Stage, batch: Any, batch_idx: int) -> None:
        self._step(stage, "discriminator", batch)
        for _ in range(self.schedule.generator_steps(stage.played)):
            self._step(stage, "generator", batch)

    def _step(self, stage: Stage, player: str, batch: Any) -> None:
        own = [o for o, p in zip(stage.optimizers, stage.hosts.casting.players, strict=True) if p == player]
        with _toggled(stage, own):
            for optimizer in own:
                optimizer.zero_grad()
            loss = getattr(stage.view, f"{player}_loss")(batch)
            loss.backward()
            for optimizer in own:
                optimizer.step_after(None, counted=True)


@contextmanager
def _toggled(stage: Stage, own: Sequence[Any]) -> Iterator[None]:
    """Only these optimisers' parameters require gradients inside."""
    others = [p for o in stage.optimizers if o not in own for p in o.losses.parameters if p.requires_grad]
    for parameter in others:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in others:
            parameter.requires_grad_(True)


def style_of(module: Any, schedule: Schedule, returned: Any) -> Style:
    """How this module plays.

    Args:
        module: the user's.
        schedule: for a module with two loss methods.
        returned: by its ``configure_optimizers``.

    Raises:
        GANError: where it plays in none of the ways.
    """
    lightning = lightning_base(type(module))
    lightning = lightning if overrides(type(module), "training_step") else None
    if lightning is not None and not module.automatic_optimization:
        return OwnStep()
    if lightning is not None and "optimizer_idx" in inspect.signature(module.training_step).parameters:
        return OptimizerIdx(returned)
    if has_two_losses(module):
        return TwoLosses(schedule)
    raise cannot_play(module)


def check_plays(module: nn.Module) -> None:
    """A LightningModule, or a module with two loss methods.

    Raises:
        GANError: for anything else.
    """
    if lightning_base(type(module)) is None and not has_two_losses(module):
        raise cannot_play(module)


def cannot_play(module: nn.Module) -> GANError:
    """What was expected."""
    return GANError(
        f"{type(module).__name__}: cannot tell how it plays: expected a mixgan_lightning.GAN, a LightningModule with "
        "automatic_optimization = False whose training_step steps both players, one whose training_step takes "
        "optimizer_idx, or a module with generator_loss(batch) and discriminator_loss(batch)"
    )


def check_options(style: Style, name: str, fakes: str | None, n_critic: Any) -> None:
    """Options of a mixture that such a module decides itself.

    Raises:
        ConfigurationError: for those.
    """
    if fakes not in (None, "full"):
        raise ConfigurationError(
            f"fakes={fakes!r}: {name} draws its fakes itself, a whole batch for each pair (fakes='full'); leave fakes "
            "out (to split a batch the mixture needs networks and an objective: mixgan_lightning.GAN)"
        )
    if n_critic is not None and not isinstance(style, TwoLosses):
        raise ConfigurationError(f"n_critic: {name}.training_step says itself who plays when; leave n_critic out")
    if isinstance(style, TwoLosses) and isinstance(style.schedule, WatchingSchedule):
        raise ConfigurationError(
            f"n_critic={type(style.schedule).__name__} goes by the discriminators' scores, which {name}'s losses keep "
            "to themselves; choose n_critic=1 or another schedule"
        )


def has_two_losses(module: Any) -> bool:
    """Whether a module gives each player's loss by a method of its own."""
    return all(callable(getattr(module, f"{player}_loss", None)) for player in PLAYERS)


def overrides(kind: type, name: str) -> bool:
    """Whether a user's class has a hook of its own."""
    lightning = lightning_base(kind)
    return lightning is not None and getattr(kind, name, None) is not getattr(lightning, name, None)


def call(function: Any, *arguments: Any) -> Any:
    """Call a hook with as many arguments as it takes: Lightning lets users leave out the last ones."""
    parameters = inspect.signature(function).parameters.values()
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return function(*arguments)
    return function(*arguments[: len(parameters)])


def _named(function: Any, batch: Any, batch_idx: int, optimizer_idx: int) -> dict[str, Any]:
    """The arguments of a ``training_step`` of Lightning 1, whatever it calls the first."""
    names = list(inspect.signature(function).parameters)
    given = {names[0]: batch, "batch_idx": batch_idx, "optimizer_idx": optimizer_idx}
    return {name: given.get(name, batch_idx) for name in names}


def _taken(function: Any, **given: Any) -> dict[str, Any]:
    """What a user's override asks for of what Lightning 1 handed to ``optimizer_step``."""
    parameters = inspect.signature(function).parameters
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    return given if takes_all else {name: value for name, value in given.items() if name in parameters}
