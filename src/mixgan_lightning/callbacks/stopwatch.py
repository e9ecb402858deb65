"""How long training takes."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch


class Taken(NamedTuple):
    """A time: of the clock, and of this process and all its threads (what other programs take does not count)."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0

    @classmethod
    def now(cls) -> Taken:
        return cls(time.perf_counter(), time.process_time())

    def since(self, start: Taken) -> Taken:
        return Taken(self.seconds - start.seconds, self.cpu_seconds - start.cpu_seconds)

    def after(self, earlier: Taken) -> Taken:
        return Taken(self.seconds + earlier.seconds, self.cpu_seconds + earlier.cpu_seconds)


class Stopwatch(pl.Callback):
    """Stands still before training and between epochs: what is learnt of the data beforehand, and the measurements,
    pictures and checkpoints at the end of an epoch do not count. To be the first of the Trainer's callbacks.

    Attributes:
        taken: by the epochs so far.

    Example:
        >>> from mixgan_lightning.callbacks import Stopwatch
        >>> stopwatch = Stopwatch()
        >>> trainer = pl.Trainer(callbacks=[stopwatch], logger=False)
        >>> stopwatch.taken.seconds
        0.0
    """

    def __init__(self) -> None:
        self.taken = Taken()
        self._start: Taken | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Of an epoch that goes on from a checkpoint, Lightning does not tell the start."""
        self._start = _now(pl_module)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Go."""
        self._start = _now(pl_module)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop."""
        if self._start is not None:
            self.taken = _now(pl_module).since(self._start).after(self.taken)
        self._start = None


def _now(module: Any) -> Taken:
    if module.device.type == "cuda":
        torch.cuda.synchronize(module.device)  # what was launched counts
    return Taken.now()
