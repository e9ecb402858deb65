"""One optimiser a player: the user's own, over all components, with the log-probabilities as a group of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn
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
        """Step the scheduler after the ``count``-th "step" of this player, or "epoch", if it is due.

        The scheduler knows only the networks' groups: it was made before α's, the last, was added. So that one is
        hidden meanwhile, and then keeps its proportion to the networks' learning rate.
        """
        if self.scheduler is None or self.scheduler["interval"] != interval or count % self.scheduler["frequency"]:
            return
        scheduler, groups = self.scheduler["scheduler"], self.optimizer.param_groups
        monitored = [self._monitored(metrics)] if isinstance(scheduler, ReduceLROnPlateau) else []
        alpha = groups.pop()
        try:
            scheduler.step(*monitored)
        finally:
            groups.append(alpha)
        alpha["lr"] = alpha["lr_ratio"] * groups[0]["lr"]

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
        found = _parse(gan.configure_optimizers())
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


def _parse(returned: Any) -> list[OwnOptimizer]:
    """Lightning's forms of ``configure_optimizers``, for two players."""
    schedulers: Sequence[Any] = []
    if isinstance(returned, tuple | list) and len(returned) == 2 and isinstance(returned[0], tuple | list):
        returned, schedulers = returned
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
    for own, component in zip(owns[1:], mixture.components[1:], strict=True):
        owned = {id(p) for p in component.parameters()}  # a GAN's auxiliary networks are shared: only the first's train
        for group, extra in zip(joint.optimizer.param_groups, own.optimizer.param_groups, strict=True):
            group["params"].extend(p for p in extra["params"] if id(p) in owned)
    for group in joint.optimizer.param_groups:
        group.pop("param_names", None)  # of named_parameters(): one GAN's names, and there are T of each now
    networks = joint.optimizer.param_groups[0]
    initial_lr = networks.get("initial_lr", networks["lr"])  # before a scheduler's warm-up
    ratio = 1.0 if log_probability_lr is None or not initial_lr else log_probability_lr / initial_lr
    alpha = {"params": [mixture.log_probabilities], "weight_decay": 0.0, "lr": ratio * networks["lr"]}
    joint.optimizer.add_param_group(alpha | {"lr_ratio": ratio})
    return joint


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
