"""Stops a training whose losses or gradients are no numbers any more, before they reach the parameters."""

from __future__ import annotations

from collections.abc import Iterator

import pytorch_lightning as pl
import torch
from torch import nn
from torch.optim import Optimizer

from mixgan_lightning.errors import TrainingError
from mixgan_lightning.mixture_module import MixtureModule
from mixgan_lightning.module import MixGANModule

NAMED = 3  # culprits in a message


class StopOnNaN(pl.Callback):
    """Looks at all gradients before every optimiser step: NaN or infinite, and the step is not made.

    What was saved before stays the last checkpoint. One reduction over the gradients a step.

    Raises:
        TrainingError: naming player, batch, and the pairs whose loss is no number, else the components whose gradient.
    """

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        """Look."""
        held = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        if not held or torch.nn.utils.get_total_norm([p.grad for p in held]).isfinite():
            return
        bad = {id(p) for p in held if not p.grad.isfinite().all()}
        if not bad:  # each is finite, their squares overflow: large, but numbers
            return
        found = list(_culprits(pl_module, bad))
        others = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
        raise TrainingError(
            f"the training has diverged at batch {trainer.fit_loop.total_batch_idx}: NaN or infinity in "
            f"{', '.join(found[:NAMED])}{others}; the step was not made, and the last checkpoint stays. "
            "A smaller learning rate, gradient_clip, or a penalty (R1) may help"
        )


def _culprits(module: pl.LightningModule, bad: set[int]) -> Iterator[str]:
    """In words: the pairs, where their losses are to blame, else what has such gradients."""
    if not isinstance(module, MixtureModule):
        yield from (f"the gradient of {name}" for name, p in module.named_parameters() if id(p) in bad)
        return
    players = {"generator": module.generators, "discriminator": module.discriminators}
    player = next((name for name, of in players.items() if any(id(p) in bad for p in of.parameters())), None)
    losses = module.pair_losses if isinstance(module, MixGANModule) else None
    if player is not None and losses is not None and not losses.isfinite().all():
        pairs = (~losses.isfinite()).nonzero().tolist()
        yield from (f"the {player}s' loss of generator {i} against discriminator {j}" for i, j in pairs)
        return
    for name, of in players.items():
        yield from (f"the gradient of {name} {i}" for i, one in enumerate(of) if _is_bad(one, bad))
        if id(of.log_probabilities) in bad:
            yield f"the gradient of the {name}s' log-probabilities"


def _is_bad(network: nn.Module, bad: set[int]) -> bool:
    return any(id(parameter) in bad for parameter in network.parameters())
