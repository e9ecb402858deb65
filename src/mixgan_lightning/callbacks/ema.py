"""Averaged weights: of which a GAN's samples are usually better than of the last ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

import pytorch_lightning as pl
from pytorch_lightning.callbacks import WeightAveraging
from torch import Tensor

from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.options import check_count, check_not_negative
from mixgan_lightning.processes import equalise_buffers

Weights = Literal["ema", "raw"]


class EMA(WeightAveraging):
    """Exponential moving average of all weights and buffers, updated after every n-th *batch*.

    θ̄ ← decay · θ̄ + (1 − decay) · θ; counts (whole numbers) are taken as they are. Training goes on with the raw θ; when
    it ends the model holds θ̄, and a checkpoint holds both (θ̄ as its ``state_dict``).

    Lightning's own `EMAWeightAveraging` counts optimiser steps, of which a GAN makes two a batch (with
    ``update_every_n_steps=2`` it would never update), and averages counts too.

    Args:
        decay: in [0, 1); 0.999 a batch averages over the last thousand or so.
        every_n_batches: how often.

    Raises:
        ConfigurationError: decay outside [0, 1), or every_n_batches < 1.
    """

    def __init__(self, decay: float = 0.999, every_n_batches: int = 1) -> None:
        if not 0 <= check_not_negative("decay", decay) < 1:
            raise ConfigurationError(f"decay: expected a number in [0, 1), got {decay}; 0.999 is usual")
        super().__init__(avg_fn=partial(_averaged, decay))
        self.every_n_batches = check_count("every_n_batches", every_n_batches)
        self._batches = 0

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Build the average where and as the model will be trained; Lightning would build it before it is moved."""
        if stage == "fit":
            self._device = trainer.strategy.root_device
        super().setup(trainer, pl_module, stage)
        if self._average_model is not None:
            trainer.precision_plugin.convert_module(self._average_model)

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        """Asked once a batch with ``step_idx``, and once an epoch with ``epoch_idx``."""
        if step_idx is None:
            return False
        self._batches += 1
        return self._batches % self.every_n_batches == 0

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The checkpoint holds what all processes made of BatchNorm."""
        if self._average_model is not None:
            equalise_buffers(self._average_model.module)

    def state_dict(self) -> dict[str, Any]:
        """How many batches there were, and Lightning's own."""
        return {**super().state_dict(), "batches": self._batches}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting."""
        super().load_state_dict(state_dict)
        self._batches = state_dict["batches"]


def average_first(trainer: pl.Trainer) -> None:
    """Let averaging callbacks have their turn before those that look at the average, however they were listed."""
    trainer.callbacks = sorted(trainer.callbacks, key=lambda c: not isinstance(c, WeightAveraging))  # type: ignore[attr-defined]


def _averaged(decay: float, average: Tensor, current: Tensor, updates: Tensor) -> Tensor:
    return decay * average + (1 - decay) * current if average.is_floating_point() else current


def weights_at_hand(trainer: pl.Trainer, asked: Weights | None) -> Weights:
    """Which weights to look at: those asked for; otherwise averaged ones, where a callback has averaged any.

    Raises:
        ConfigurationError: ``asked="ema"`` where no callback averages.
    """
    averaging = _averaging(trainer)
    if asked == "ema" and averaging is None:
        raise ConfigurationError("weights='ema': nothing averages the weights; add the EMA callback (callbacks=ema)")
    return "ema" if asked != "raw" and averaging is not None and _has_averaged(averaging) else "raw"


@contextmanager
def holding(weights: Weights, trainer: pl.Trainer, module: pl.LightningModule) -> Iterator[None]:
    """The model with these weights inside, and with the raw ones, that training goes on with, after."""
    averaging = _averaging(trainer)
    if weights == "raw" or averaging is None:
        yield
        return
    averaging._swap_models(module)
    try:
        yield
    finally:
        averaging._swap_models(module)


def _averaging(trainer: pl.Trainer) -> WeightAveraging | None:
    found = [callback for callback in trainer.callbacks if isinstance(callback, WeightAveraging)]  # type: ignore[attr-defined]
    return found[0] if found else None


def _has_averaged(averaging: WeightAveraging) -> bool:
    """Before its first update an averaged model is a copy of the untrained one."""
    return averaging._average_model is not None and int(averaging._average_model.n_averaged) > 0
