"""checkpoints/last.ckpt: on a schedule, at the end of training, and when it is interrupted."""

from __future__ import annotations

from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint

from mixgan_lightning.callbacks.occasion import is_last_epoch
from mixgan_lightning.errors import TrainingError


class LastCheckpoint(ModelCheckpoint):
    """Lightning's ModelCheckpoint with one file, last.ckpt, that is also written after the last epoch.

    At the end of that epoch, not of training: by then an averaging callback has overwritten the raw weights, which a
    resumed run goes on from.

    Args:
        dirpath: the folder.
        every_n_epochs: how often.
    """

    def __init__(self, dirpath: str | Path, every_n_epochs: int = 1) -> None:
        super().__init__(
            dirpath,
            filename="last",
            enable_version_counter=False,  # one file, overwritten
            every_n_epochs=every_n_epochs,
            save_on_train_epoch_end=True,
            save_on_exception=True,  # Ctrl-C included
        )

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Save; with several processes without waiting for the others, which may be waiting for this one.

        Not what has diverged: buffers may hold NaN already.
        """
        if isinstance(exception, TrainingError):
            return
        if trainer.world_size == 1:
            super().on_exception(trainer, pl_module, exception)
        elif trainer.is_global_zero and self._should_save_on_exception(trainer):
            contents = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)
            trainer.strategy.save_checkpoint(contents, self._path)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save when it is due, and after the last epoch."""
        super().on_train_epoch_end(trainer, pl_module)
        if is_last_epoch(trainer) and (trainer.current_epoch + 1) % self._every_n_epochs:
            trainer.save_checkpoint(self._path)

    @property
    def _path(self) -> Path:
        return Path(str(self.dirpath)) / "last.ckpt"
