"""Averaged weights: of which a GAN's samples are usually better than of the last ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EMAWeightAveraging, WeightAveraging

from mixgan_lightning import checks
from mixgan_lightning.errors import ConfigurationError

Weights = Literal["ema", "raw"]


class EMA(EMAWeightAveraging):
    """Lightning's exponential moving average of all weights and buffers, updated after every n-th *batch*.

    θ̄ ← decay · θ̄ + (1 − decay) · θ. Training goes on with the raw θ; when it ends the model holds θ̄, and a checkpoint
    holds both (θ̄ as its ``state_dict``).

    Lightning's own class counts optimiser steps, of which a GAN makes two a batch: with ``update_every_n_steps=2`` it
    would never update.

    Args:
        decay: in [0, 1); 0.999 a batch averages over the last thousand or so.
        every_n_batches: how often.

    Raises:
        ConfigurationError: decay outside [0, 1), or every_n_batches < 1.
    """

    def __init__(self, decay: float = 0.999, every_n_batches: int = 1) -> None:
        if not 0 <= checks.check_not_negative("decay", decay) < 1:
            raise ConfigurationError(f"decay: expected a number in [0, 1), got {decay}; 0.999 is usual")
        super().__init__(decay=decay)
        self.every_n_batches = checks.check_count("every_n_batches", every_n_batches)
        self._batches = 0

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        """Asked once a batch with ``step_idx``, and once an epoch with ``epoch_idx``."""
        if step_idx is None:
            return False
        self._batches += 1
        return self._batches % self.every_n_batches == 0


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
