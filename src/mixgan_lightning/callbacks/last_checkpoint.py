"""checkpoints/last.ckpt: on a schedule, at the end of training, and when it ends between two batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint

from mixgan_lightning.callbacks.occasion import is_last_epoch
from mixgan_lightning.errors import CheckpointError, TrainingError
from mixgan_lightning.options import check_count

LAST, INTERRUPTED = "last.ckpt", "interrupted.ckpt"


class LastCheckpoint(ModelCheckpoint):
    """Lightning's ModelCheckpoint with one file, last.ckpt, that is also written after the last epoch.

    At the end of that epoch, not of training: by then an averaging callback has overwritten the raw weights, which a
    resumed run goes on from. What ends a training within a batch, or within the hooks at the end of an epoch, leaves
    interrupted.ckpt: nothing is lost, and last.ckpt stays one that can be gone on from exactly.

    Args:
        dirpath: the folder.
        every_n_epochs: how often.
        every_n_batches: for long epochs, also after every n-th batch of the training; default: not.

    Raises:
        ConfigurationError: every_n_epochs or every_n_batches is no whole number of at least 1.
    """

    def __init__(self, dirpath: str | Path, every_n_epochs: int = 1, every_n_batches: int | None = None) -> None:
        super().__init__(
            dirpath,
            filename="last",
            enable_version_counter=False,  # one file, overwritten
            every_n_epochs=check_count("every_n_epochs", every_n_epochs),
            save_on_train_epoch_end=True,
            save_on_exception=True,  # Ctrl-C included
        )
        self.every_n_batches = None if every_n_batches is None else check_count("every_n_batches", every_n_batches)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Save what there is; with several processes without waiting for the others, which may wait for this one.

        Not what has diverged (buffers may hold NaN already), nor where a checkpoint has just failed.
        """
        if isinstance(exception, TrainingError | CheckpointError) or not self._should_save_on_exception(trainer):
            return
        path = self._path if _is_between_batches(trainer) else self._path.with_name(INTERRUPTED)
        if trainer.world_size == 1:
            self._save(trainer, path)
        elif trainer.is_global_zero:
            contents = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)
            trainer.strategy.save_checkpoint(contents, path)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save when it is due; at the end of an epoch once the epoch is over."""
        batches = trainer.fit_loop.total_batch_idx + 1
        is_due = self.every_n_batches is not None and batches % self.every_n_batches == 0
        if is_due and not trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
            self._save(trainer, self._path)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save when it is due, and after the last epoch."""
        is_due = (trainer.current_epoch + 1) % self._every_n_epochs == 0 or is_last_epoch(trainer)
        if (is_due or self.every_n_batches is not None) and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            self._save(trainer, self._path)

    def _save(self, trainer: pl.Trainer, path: Path) -> None:
        for logger in trainer.loggers:
            logger.save()  # curves up to here: a run that goes on from the checkpoint logs only what follows
        self._save_checkpoint(trainer, str(path))

    @property
    def _path(self) -> Path:
        return Path(str(self.dirpath)) / LAST


def _is_between_batches(trainer: pl.Trainer) -> bool:
    """Whether Lightning counts nothing as begun: no batch, and no end of an epoch."""
    batch: Any = trainer.fit_loop.epoch_loop.batch_progress
    epoch: Any = trainer.fit_loop.epoch_progress.current
    is_over = epoch.ready == epoch.processed
    begun = batch.current.ready != batch.current.completed or epoch.processed != epoch.completed
    return not begun and is_over == batch.is_last_batch
