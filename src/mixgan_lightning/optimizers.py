"""One optimiser a player: the user's own, over all components, with the log-probabilities as a group of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import Parameter
from torch.optim import LBFGS, Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from mixgan_lightning.errors import ConfigurationError, GANError
from mixgan_lightning.gan import GAN
from mixgan_lightning.mixture import Mixture

FORMS = (
    "expected two optimisers, one for the generator and one for the discriminator, as (optimizer, optimizer), "
    "([optimizers], [schedulers]) or ({'optimizer': …, 'lr_scheduler': …}, …)"
)


@dataclass
class OwnOptimizer:
    """What one GAN's ``configure_optimizers`` says of one player."""

    optimizer: Optimizer
    scheduler: dict[str, Any] | None  # Lightning's dictionary: scheduler, interval, frequency, monitor

    def step_scheduler(self, interval: str, count: int, metrics: Mapping[str, Any]) -> None:
        """Step the scheduler after the ``count``-th "step" of this player, or "epoch", if it is due."""
        if self.scheduler is None or self.scheduler["interval"] != interval or count % self.scheduler["frequency"]:
            return
        scheduler = self.scheduler["scheduler"]
        monitored = [self._monitored(metrics)] if isinstance(scheduler, ReduceLROnPlateau) else []
        with without_log_probabilities(self.optimizer):
            scheduler.step(*monitored)

    def _monitored(self, metrics: Mapping[str, Any]) -> Any:
        monitor = str((self.scheduler or {}).get("monitor"))
        if monitor not in metrics:
            raise ConfigurationError(
                f"ReduceLROnPlateau monitors {monitor}, which is not logged (logged: {', '.join(metrics) or 'none'}); "
                "give {'scheduler': …, 'monitor': name} with one of these, or log oftener (log_every_n_steps)"
            )
        return metrics[monitor]

    def as_lightning(self) -> dict[str, Any]:
        """Lightning's form, for the Trainer to save and restore."""
        if self.scheduler is None:
            return {"optimizer": self.optimizer}
        ours = ("monitor", "strict", "reduce_on_plateau")  # Lightning would warn that it ignores them: we step
        return {"optimizer": self.optimizer, "lr_scheduler": {k: v for k, v in self.scheduler.items() if k not in ours}}


def own_optimizers(gan: GAN) -> tuple[OwnOptimizer, OwnOptimizer]:
    """The generator's and the discriminator's, told apart by the parameters that they hold."""
    try:
        found = parse(gan.configure_optimizers())
    except (TypeError, ValueError) as error:  # an lr that is no number, an unknown argument …
        if isinstance(error, GANError):
            raise
        raise GANError(f"{type(gan).__name__}.configure_optimizers: {type(error).__name__}: {error}") from error
    of_generator = [own for own in found if _holds(own.optimizer, gan.generator)]
    of_discriminator = [own for own in found if _holds(own.optimizer, gan.discriminator)]
    if len(of_generator) != 1 or len(of_discriminator) != 1 or of_generator == of_discriminator:
        raise GANError(
            f"{type(gan).__name__}.configure_optimizers: {FORMS}; got {len(found)} optimisers, "
            f"{len(of_generator)} with parameters of the generator and {len(of_discriminator)} of the discriminator"
        )
    return of_generator[0], of_discriminator[0]


def for_one_network(optimizer: Optimizer, network: nn.Module) -> Optimizer:
    """The same optimiser, in place, for this network's parameters alone, at the learning rate that it began with."""
    owned = {id(p) for p in network.parameters()}
    for group in optimizer.param_groups:
        group["params"][:] = [p for p in group["params"] if id(p) in owned]
        group["lr"] = group.get("initial_lr", group["lr"])  # not that of a scheduler's warm-up
    return optimizer


def parse(returned: Any) -> list[OwnOptimizer]:
    """The optimisers in any of Lightning's forms of ``configure_optimizers``, each with its scheduler.

    Raises:
        GANError: for anything else, and for LBFGS.
    """
    returned, schedulers = _two_lists(returned)
    if not isinstance(returned, tuple | list) or not returned:
        raise GANError(f"configure_optimizers: {FORMS}; got {type(returned).__name__}")
    found = []
    for entry in returned:
        entry = entry if isinstance(entry, dict) else {"optimizer": entry}
        if not isinstance(entry.get("optimizer"), Optimizer):
            kind = type(entry.get("optimizer")).__name__
            raise GANError(f"configure_optimizers: {FORMS}; got an entry of type {kind}")
        if isinstance(entry["optimizer"], LBFGS):
            raise GANError(
                "configure_optimizers: LBFGS evaluates its loss several times a step; use Adam, RMSprop or SGD"
            )
        found.append(OwnOptimizer(entry["optimizer"], _scheduler(entry.get("lr_scheduler"))))
    for config in map(_scheduler, schedulers):
        for own in found:
            if config is not None and config["scheduler"].optimizer is own.optimizer:
                own.scheduler = config
    return found


def schedulers_in(returned: Any) -> list[dict[str, Any]]:
    """All schedulers in what ``parse`` takes, in their order, as Lightning's dictionaries."""
    optimizers, schedulers = _two_lists(returned)
    within = [entry.get("lr_scheduler") for entry in optimizers if isinstance(entry, dict)]
    return [config for config in map(_scheduler, (*within, *schedulers)) if config is not None]


def _two_lists(returned: Any) -> tuple[Any, Sequence[Any]]:
    """([optimizers], [schedulers]) apart; other forms have their schedulers with each optimiser."""
    if isinstance(returned, tuple | list) and len(returned) == 2 and isinstance(returned[0], tuple | list):
        return returned[0], returned[1]
    return returned, []


def _scheduler(scheduler: Any) -> dict[str, Any] | None:
    """Lightning's scheduler dictionary with its defaults."""
    if scheduler is None:
        return None
    given = scheduler if isinstance(scheduler, dict) else {"scheduler": scheduler}
    return {"interval": "epoch", "frequency": 1, **given}


def _holds(optimizer: Optimizer, network: nn.Module) -> bool:
    owned = {id(p) for p in network.parameters()}
    return any(id(p) in owned for group in optimizer.param_groups for p in group["params"])


def join(owns: Sequence[OwnOptimizer], mixture: Mixture, log_probability_lr: float | None) -> OwnOptimizer:
    """One optimiser over the whole mixture: component 0's, extended in place by the others' parameters and by α.

    In place, so that the user's class, hyper-parameters, flags and schedulers are kept as they are. The α group has
    no weight decay.

    Args:
        owns: each GAN's own optimiser of this player, in the components' order.
        mixture: the player's networks and log-probabilities.
        log_probability_lr: lr of α; None: the networks'.
    """
    joint = owns[0]
    held = [[list(group["params"]) for group in own.optimizer.param_groups] for own in owns]
    for groups, component in zip(held[1:], mixture.components[1:], strict=True):
        owned = {id(p) for p in component.parameters()}  # a GAN's auxiliary networks are shared: only the first's train
        groups[:] = [[p for p in group if id(p) in owned] for group in groups]
    hold_together(joint.optimizer, held)
    add_log_probabilities(joint.optimizer, mixture, log_probability_lr)
    return joint


def hold_together(optimizer: Optimizer, held: Sequence[Sequence[Sequence[Parameter]]]) -> None:
    """Have an optimiser's groups hold these parameters (by component and group), whatever they held, in place."""
    del optimizer.param_groups[len(held[0]) :]  # α's, of an earlier training
    for group, *of_all in zip(optimizer.param_groups, *held, strict=True):
        group["params"][:] = [p for own in of_all for p in own]
        group.pop("param_names", None)  # of named_parameters(): one GAN's names, and there are T of each now


def add_log_probabilities(optimizer: Optimizer, mixture: Mixture, lr: float | None) -> None:
    """Add α as the last parameter group, without weight decay; ``lr`` None: the networks'."""
    networks = optimizer.param_groups[0]
    initial_lr = networks.get("initial_lr", networks["lr"])  # before a scheduler's warm-up
    ratio = 1.0 if lr is None or not initial_lr else lr / initial_lr
    alpha = {"params": [mixture.log_probabilities], "weight_decay": 0.0, "lr": ratio * networks["lr"]}
    optimizer.add_param_group(alpha | {"lr_ratio": ratio})


@contextmanager
def frozen_opponents(optimizer: Optimizer, others: Sequence[Optimizer]) -> Iterator[None]:
    """No gradients for what other optimisers hold alone, as in Lightning's ``toggled_optimizer``."""
    own = {id(p) for p in _held(optimizer)}
    opponents = [p for other in others for p in _held(other) if p.requires_grad and id(p) not in own]
    try:
        for parameter in opponents:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in opponents:
            parameter.requires_grad_(True)


def lay_out_state(optimizer: Optimizer) -> None:
    """Bring what an optimiser keeps of its parameters into their memory format: fused ones go by the memory."""
    for parameter, state in optimizer.state.items():
        for name, kept in state.items():
            if isinstance(kept, Tensor) and kept.shape == parameter.shape and kept.stride() != parameter.stride():
                state[name] = torch.empty_like(parameter, dtype=kept.dtype).copy_(kept)


def _held(optimizer: Optimizer) -> Iterator[Parameter]:
    return (parameter for group in optimizer.param_groups for parameter in group["params"])


def spare_driver_checks() -> None:
    """Have optimisers' steps not look for a GPU on machines without one.

    Lightning sets this variable, by which torch asks NVIDIA's library, and not the runtime, whether there is a GPU;
    Adam does so at every step, and where the library is missing it takes as long as the step of a small network.
    """
    if not torch.cuda.is_available():
        os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)


@contextmanager
def without_log_probabilities(optimizer: Optimizer) -> Iterator[None]:
    """Hide the group of α, if there is one, from a scheduler, which was made before it was added."""
    groups = optimizer.param_groups
    alpha = groups.pop() if "lr_ratio" in groups[-1] else None
    try:
        yield
    finally:
        if alpha is not None:
            groups.append(alpha)
            scale_log_probabilities(optimizer)


def scale_log_probabilities(optimizer: Optimizer) -> None:
    """Give the group of α its proportion of the networks' learning rate as that is now."""
    alpha = optimizer.param_groups[-1]
    alpha["lr"] = alpha["lr_ratio"] * optimizer.param_groups[0]["lr"]


def player_optimizers(
    gans: Sequence[GAN], generators: Mixture, discriminators: Mixture, log_probability_lr: float | None
) -> tuple[OwnOptimizer, OwnOptimizer]:
    """The two optimisers of the game, made anew from each GAN's ``configure_optimizers``."""
    owns = []
    for i, gan in enumerate(gans):
        # with Tu ≠ Tv some GANs have one network in the game only; the optimiser made for the other is not used
        generator = generators.components[i % len(generators)]
        discriminator = discriminators.components[i % len(discriminators)]
        with gan.holding(generator, discriminator):
            owns.append(own_optimizers(gan))
    of_generators = [own[0] for own in owns[: len(generators)]]
    of_discriminators = [own[1] for own in owns[: len(discriminators)]]
    return (
        join(of_generators, generators, log_probability_lr),
        join(of_discriminators, discriminators, log_probability_lr),
    )
