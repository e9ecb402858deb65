"""Tells of components that are out of the game: hardly any weight, or one and the same sample whatever the latent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor

from mixgan_lightning.gan import GAN
from mixgan_lightning.module import MixGANModule
from mixgan_lightning.payoff.trees import first_rows
from mixgan_lightning.sampling import evaluating, own_stream

LITTLE = 0.1  # of the uniform weight 1/T
FEW = 16  # samples that show whether a generator gives the same for all latents
SAME = 1e-6  # largest sd over samples, beside the largest value


class DeadComponents(pl.Callback):
    """Warns once of each component with w_i < 0.1 / T, and of each generator whose samples are all the same.

    Looks every ``log_every_n_steps`` batches, and changes nothing of the training. `MixtureMonitor` logs the weights.
    """

    def __init__(self) -> None:
        self._told: set[str] = set()

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Nothing has been told of this training."""
        self._told = set()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look, when Lightning hands values to the loggers."""
        if not isinstance(pl_module, MixGANModule) or not pl_module.is_logging_step:
            return
        for name, why in [*_light(pl_module), *_constant(pl_module, batch)]:
            if name not in self._told:
                self._told.add(name)
                rank_zero_warn(f"{name} is dead at batch {trainer.fit_loop.total_batch_idx}: {why}")


def _light(module: MixGANModule) -> Iterator[tuple[str, str]]:
    for player, mixture in (("generator", module.generators), ("discriminator", module.discriminators)):
        least = LITTLE / len(mixture)
        for i, weight in enumerate(mixture.weights.detach().tolist()):
            if weight < least:
                yield f"{player} {i}", f"its weight is {weight:.2g}, below {LITTLE} / {len(mixture)}"


@torch.no_grad()
def _constant(module: MixGANModule, batch: Any) -> Iterator[tuple[str, str]]:
    gan = module.gan
    if not isinstance(gan, GAN):
        return
    n = len(gan.images(batch))
    few = first_rows(batch, n, FEW)
    with evaluating(gan, module.generators), own_stream(gan.like.device, seed=0):
        latents = gan.latents(min(n, FEW), few)
        for i, generator in enumerate(module.generators):
            if _is_same(gan.generate(generator, latents, few)):
                yield f"generator {i}", "its samples are all the same"


def _is_same(samples: Tensor) -> bool:
    values = samples.float()
    return len(values) > 1 and bool(values.std(0).max() <= SAME * values.abs().max().clamp(min=1e-12))
