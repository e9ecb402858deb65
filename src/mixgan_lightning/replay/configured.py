"""What a user's ``configure_optimizers`` gives, and what it may ask of a Trainer before there is one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple, Self

from pytorch_lightning.loggers.logger import DummyLogger
from torch import nn
from torch.nn import Parameter
from torch.optim import Optimizer

from mixgan_lightning.errors import GANError
from mixgan_lightning.optimizers import OwnOptimizer, parse, schedulers_in

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


class Configured(NamedTuple):
    """What a host's ``configure_optimizers`` returned, in its order."""

    returned: Any
    owns: list[OwnOptimizer]  # each optimiser with its scheduler
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
        owns = parse(returned)
        groups = [[list(group["params"]) for group in own.optimizer.param_groups] for own in owns]
        return cls(returned, owns, groups, schedulers_in(returned), kept)

    @property
    def optimizers(self) -> list[Optimizer]:
        """The optimisers alone."""
        return [own.optimizer for own in self.owns]


def lightning_base(kind: type) -> type | None:
    """The LightningModule among a class's bases, of `pytorch_lightning` or of `lightning`."""
    return next((base for base in kind.__mro__ if base.__name__ == "LightningModule"), None)
