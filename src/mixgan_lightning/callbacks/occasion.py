"""When a callback's turn comes during training."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Container
from typing import Any

import pytorch_lightning as pl

from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.options import check_count


class Occasion:
    """Every so many epochs, or every so many batches; and always after the last epoch.

    Args:
        every_n_epochs: after each n-th epoch. Default, where neither is given: after every epoch.
        every_n_steps: after each n-th batch of the training (each is one discriminator step; Lightning's
            ``global_step`` would count the generators' steps as well), whatever the epoch.

    Raises:
        ConfigurationError: both, or a number that is not a whole one of at least 1.
    """

    def __init__(self, every_n_epochs: int | None = None, every_n_steps: int | None = None) -> None:
        if every_n_epochs is not None and every_n_steps is not None:
            raise ConfigurationError(
                f"expected every_n_epochs or every_n_steps, got both ({every_n_epochs} and {every_n_steps}); "
                "set the other to null (on the command line: callbacks.quality.every_n_epochs=null)"
            )
        if every_n_epochs is None and every_n_steps is None:
            every_n_epochs = 1
        given = {"every_n_epochs": every_n_epochs, "every_n_steps": every_n_steps}
        checked = {name: None if n is None else check_count(name, n) for name, n in given.items()}
        self.every_n_epochs, self.every_n_steps = checked.values()

    def after_batch(self, trainer: pl.Trainer) -> bool:
        """Whether it is now, after a training batch."""
        return self.every_n_steps is not None and (trainer.fit_loop.total_batch_idx + 1) % self.every_n_steps == 0

    def after_epoch(self, trainer: pl.Trainer) -> bool:
        """Whether it is now, after a training epoch; not again where the last batch was the occasion."""
        if self.every_n_epochs is None:
            return is_last_epoch(trainer) and not self.after_batch(trainer)
        return (trainer.current_epoch + 1) % self.every_n_epochs == 0 or is_last_epoch(trainer)

    def check_early_stopping(self, trainer: pl.Trainer, measured: Container[str]) -> None:
        """Whether EarlyStopping, which looks after every epoch, will find what is measured on this occasion.

        Raises:
            ConfigurationError: where the first epoch will end without it.
        """
        for callback in trainer.early_stopping_callbacks:
            late = self.every_n_epochs is not None and self.every_n_epochs > 1
            if late and callback.strict and callback.monitor in measured:
                raise ConfigurationError(
                    f"EarlyStopping looks for {callback.monitor} after every epoch, but it is measured after every "
                    f"{self.every_n_epochs}; measure after every epoch (evaluate_every_n_epochs=1), or set strict "
                    f"false and patience in epochs, {self.every_n_epochs} for each measurement"
                )


class Occasional(pl.Callback):
    """A callback that measures when its `Occasion` has come."""

    occasion: Occasion

    @abstractmethod
    def measure(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Measure and log."""

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Measure and log, when it is due by steps."""
        if self.occasion.after_batch(trainer):
            self.measure(trainer, pl_module)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure and log, when it is due by epochs, and after the last one."""
        if self.occasion.after_epoch(trainer):
            self.measure(trainer, pl_module)


def is_last_epoch(trainer: pl.Trainer) -> bool:
    """Whether training ends with the epoch that is just over, for whatever reason."""
    out_of_steps = 0 <= trainer.max_steps <= trainer.global_step
    return trainer.should_stop or out_of_steps or trainer.current_epoch + 1 == trainer.max_epochs
