"""How many images a second the training sees."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as pl

from mixgan_lightning import log_names
from mixgan_lightning.module import MixGANModule


class SpeedMonitor(pl.Callback):
    """Logs ``speed/images_per_second``: real images, over all processes, since it was logged last.

    Every ``log_every_n_steps`` batches of an epoch; what happens between epochs does not count.
    """

    def __init__(self) -> None:
        self._since: tuple[float, int] | None = None  # the time, and the images seen by then

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start anew."""
        self._since = None

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log, when Lightning hands values to the loggers."""
        if not isinstance(pl_module, MixGANModule):
            return
        now, seen = time.perf_counter(), pl_module.played.images_seen
        if self._since is None:  # the first batch of an epoch waits for the data, and of a training, for the trial
            self._since = now, seen
        elif pl_module.is_logging_step:
            start, before = self._since
            pl_module.log(log_names.IMAGES_PER_SECOND, (seen - before) / max(now - start, 1e-9))
            self._since = now, seen
